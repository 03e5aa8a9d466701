// Changes of the kernel's audit settings and rules that no event told of.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_DRIFT_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_DRIFT_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "agent/capture/audit_control.h"
#include "proto/record.pb.h"

namespace cairn::capture {

// The kernel says itself who changes a setting (CONFIG_CHANGE), unless audit was off or a rule
// kept it quiet. Then only the difference shows: such a record has op "drift", no process,
// who "unknown", and old and new values in Audit.fields. One thread.
class AuditDrift {
 public:
  // What is so now is taken as known, without a record.
  void Accept(const AuditKernelState& state, std::vector<std::string> rules);

  // Notes what a CONFIG_CHANGE event told, so that it is not told twice.
  void Told(const Record& record);

  // Compare with what was known; `report` gets a record (type and audit filled) for each
  // difference that two calls in a row see: the event that tells of it may still be on its way.
  // What was reported or told becomes what is known.
  void CompareSettings(const AuditKernelState& state, absl::FunctionRef<void(Record*)> report);
  void CompareRules(std::vector<std::string> rules, absl::FunctionRef<void(Record*)> report);

 private:
  void CompareSetting(const char* name, uint32_t before, uint32_t now,
                      absl::FunctionRef<void(Record*)> report);

  AuditKernelState state_;
  std::vector<std::string> rules_;  // sorted
  bool settings_told_ = false, settings_doubted_ = false;
  bool rules_told_ = false, rules_doubted_ = false;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_DRIFT_H_
