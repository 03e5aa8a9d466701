#include "policy/failed_conditions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::policy {

void FailedConditions::Count(const std::string& id, const char* why) {
  absl::MutexLock lock(&mutex_);
  auto found = failures_.find(&id);
  if (found == failures_.end()) {
    if (failures_.size() == kMaxConditions) return;
    found = failures_.try_emplace(&id).first;
  }
  ++found->second.count;
  found->second.why = why;
}

std::vector<ConditionError> FailedConditions::All() const {
  std::vector<ConditionError> all;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, failure] : failures_) all.push_back({*id, failure.count, failure.why});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return all;
}

void FailedConditions::TakeNotices(absl::FunctionRef<void(const Record&)> sink) {
  std::vector<Record> notices;  // told after the lock: the sink may decide on them
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [id, failure] : failures_) {
      if (failure.told) continue;
      failure.told = true;
      Record& record = notices.emplace_back();
      record.set_type(AGENT_DEGRADED);
      record.set_source(SOURCE_AGENT);
      record.mutable_notice()->set_what(absl::StrCat("condition of ", *id, " fails"));
      record.mutable_notice()->set_detail(
          absl::StrCat(failure.why,
                       "; a rule keeps such an event, an exception or noise does not "
                       "apply to it; `cairn status` counts them"));
    }
  }
  for (const Record& notice : notices) sink(notice);
}

}  // namespace cairn::policy
