#include "agent/capture/audit_drift.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::capture {

void AuditDrift::Accept(const AuditKernelState& state, std::vector<std::string> rules) {
  state_ = state;
  rules_ = std::move(rules);
  std::sort(rules_.begin(), rules_.end());
  settings_told_ = rules_told_ = settings_doubted_ = rules_doubted_ = false;
}

void AuditDrift::Told(const Record& record) {
  if (record.audit().op() == "drift") return;
  if (record.type() == AUDIT_RULE_CHANGE) rules_told_ = true;
  if (record.type() == AUDIT_CONFIG_CHANGE || record.type() == AUDIT_DAEMON) settings_told_ = true;
}

void AuditDrift::CompareSetting(const char* name, uint32_t before, uint32_t now,
                                absl::FunctionRef<void(Record*)> report) {
  if (before == now) return;
  Record record;
  record.set_type(AUDIT_CONFIG_CHANGE);
  record.mutable_audit()->set_op("drift");
  auto& fields = *record.mutable_audit()->mutable_fields();
  fields["setting"] = name;
  fields["who"] = "unknown";
  fields["old"] = absl::StrCat(before);
  fields["new"] = absl::StrCat(now);
  report(&record);
}

void AuditDrift::CompareSettings(const AuditKernelState& state,
                                 absl::FunctionRef<void(Record*)> report) {
  const bool told = std::exchange(settings_told_, false);
  const bool same = state_.enabled == state.enabled && state_.pid == state.pid &&
                    state_.backlog_limit == state.backlog_limit &&
                    state_.backlog_wait_time == state.backlog_wait_time;
  if (!same && !told && !std::exchange(settings_doubted_, true)) return;
  settings_doubted_ = false;
  if (!told) {
    CompareSetting("enabled", state_.enabled, state.enabled, report);
    CompareSetting("pid", state_.pid, state.pid, report);
    CompareSetting("backlog_limit", state_.backlog_limit, state.backlog_limit, report);
    CompareSetting("backlog_wait_time", state_.backlog_wait_time, state.backlog_wait_time, report);
  }
  state_ = state;
}

void AuditDrift::CompareRules(std::vector<std::string> rules,
                              absl::FunctionRef<void(Record*)> report) {
  std::sort(rules.begin(), rules.end());
  const bool told = std::exchange(rules_told_, false);
  if (rules != rules_ && !told && !std::exchange(rules_doubted_, true)) return;
  rules_doubted_ = false;
  std::vector<std::string> added, removed;
  std::set_difference(rules.begin(), rules.end(), rules_.begin(), rules_.end(),
                      std::back_inserter(added));
  std::set_difference(rules_.begin(), rules_.end(), rules.begin(), rules.end(),
                      std::back_inserter(removed));
  rules_ = std::move(rules);
  if (told || (added.empty() && removed.empty())) return;
  Record record;
  record.set_type(AUDIT_RULE_CHANGE);
  record.mutable_audit()->set_op("drift");
  auto& fields = *record.mutable_audit()->mutable_fields();
  fields["who"] = "unknown";
  fields["rules_added"] = absl::StrCat(added.size());
  fields["rules_removed"] = absl::StrCat(removed.size());
  fields["rules"] = absl::StrCat(rules_.size());
  report(&record);
}

}  // namespace cairn::capture
