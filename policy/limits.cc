#include "policy/limits.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::policy {
namespace {

constexpr uint64_t kQuietNs = 1000000000;
constexpr absl::string_view kOthers = "(other keys)";

Record NoticeOf(EventType type, const LimitRate& rate, absl::string_view key, uint64_t suppressed,
                uint64_t from_ns, uint64_t to_ns) {
  Record record;
  record.set_type(type);
  record.set_source(SOURCE_AGENT);
  Limit* limit = record.mutable_limit();
  limit->set_rule(*rate.rule);
  limit->set_key(std::string(key));
  limit->set_suppressed(suppressed);
  limit->set_from_ns(from_ns);
  limit->set_to_ns(to_ns);
  return record;
}

}  // namespace

bool LimitTable::Allow(const LimitRate& rate, absl::string_view key, uint64_t time_ns) {
  absl::MutexLock lock(&mutex_);
  // Keys of one limit begin with its rule's id, which holds no NUL.
  thread_local std::string full;
  full.assign(*rate.rule);
  full.push_back('\0');
  full.append(key.data(), key.size());
  auto found = buckets_.find(full);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMaxKeys) {
      full.resize(rate.rule->size() + 1);
      full.append(kOthers.data(), kOthers.size());
    }
    const auto [place, is_new] = buckets_.try_emplace(full);
    found = place;
    if (is_new) {
      found->second.rate = rate;
      found->second.tokens = rate.burst;
      found->second.filled_ns = time_ns;
    }
  }
  Bucket& bucket = found->second;
  if (time_ns > bucket.filled_ns) {
    bucket.tokens = std::min(
        rate.burst, bucket.tokens + static_cast<double>(time_ns - bucket.filled_ns) * rate.per_ns);
    bucket.filled_ns = time_ns;
  }
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return true;
  }
  if (bucket.suppressed++ == 0) bucket.from_ns = time_ns;
  bucket.to_ns = std::max(bucket.to_ns, time_ns);
  return false;
}

void LimitTable::TakeNotices(uint64_t time_ns, bool last,
                             absl::FunctionRef<void(const Record&)> sink) {
  std::vector<Record> notices;  // told after the lock: the sink may decide on them
  {
    absl::MutexLock lock(&mutex_);
    for (auto it = buckets_.begin(); it != buckets_.end();) {
      Bucket& bucket = it->second;
      const absl::string_view key =
          absl::string_view(it->first).substr(bucket.rate.rule->size() + 1);
      if (bucket.suppressed != 0 && !bucket.started) {
        bucket.started = true;
        notices.push_back(
            NoticeOf(AGENT_LIMIT_START, bucket.rate, key, 0, bucket.from_ns, bucket.from_ns));
      }
      if (bucket.suppressed != 0 && (last || time_ns > bucket.to_ns + kQuietNs)) {
        notices.push_back(NoticeOf(AGENT_LIMIT_STOP, bucket.rate, key, bucket.suppressed,
                                   bucket.from_ns, bucket.to_ns));
        bucket.suppressed = 0;
        bucket.started = false;
      }
      const double filled =
          bucket.tokens +
          static_cast<double>(time_ns - std::min(time_ns, bucket.filled_ns)) * bucket.rate.per_ns;
      if (bucket.suppressed == 0 && filled >= bucket.rate.burst) {
        buckets_.erase(it++);
      } else {
        ++it;
      }
    }
  }
  for (const Record& notice : notices) sink(notice);
}

}  // namespace cairn::policy
