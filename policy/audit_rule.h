// One line of an auditd rule file, taken apart and turned into conditions.
// Used by import_auditd.cc alone; audit_rule_map.cc has MapAuditRule.
#ifndef CAIRN_POLICY_AUDIT_RULE_H_
#define CAIRN_POLICY_AUDIT_RULE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::policy {

struct AuditComparison {
  std::string left, op, right;  // "auid", ">=", "1000"
};

struct AuditRule {
  bool watch = false;                     // -w
  std::string action, list;               // -a
  std::vector<std::string> syscalls;      // -S
  std::vector<AuditComparison> fields;    // -F, but for those below
  std::vector<AuditComparison> compares;  // -C
  std::string path, dir, perm, key;
  std::string setting;  // "-b": the line is one
};

// False: `reason` says what is malformed.
bool ParseAuditRule(absl::string_view line, AuditRule* rule, std::string* reason);

// A cairn rule to be.
struct MappedRule {
  std::set<std::string> events;
  std::vector<std::string> conditions;  // of CEL, all must hold
};

// The rules that record what `rule` records. False: `reason` says what cannot be expressed.
bool MapAuditRule(const AuditRule& rule, std::vector<MappedRule>* mapped, std::string* reason);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_AUDIT_RULE_H_
