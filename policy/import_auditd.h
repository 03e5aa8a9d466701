// auditd's rule files (auditctl(8), audit.rules(7)) as a cairn policy.
#ifndef CAIRN_POLICY_IMPORT_AUDITD_H_
#define CAIRN_POLICY_IMPORT_AUDITD_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cairn::policy {

struct ImportedLine {
  enum class Fate {
    kMapped,       // became one or more rules
    kNoise,        // a never-rule: became noise, which silences categories alone
    kSetting,      // of the kernel's audit, which cairnd manages itself
    kPassThrough,  // only the kernel's audit can do it; cairn records what that says
    kRefused,      // would switch auditing off, or is malformed
  };
  std::string file;
  int line = 0;
  std::string text;
  Fate fate = Fate::kMapped;
  std::string reason;  // what to know about it; "" when it is mapped exactly
};
absl::string_view FateName(ImportedLine::Fate fate);

struct Import {
  std::vector<ImportedLine> lines;  // every line that is no comment
  std::string yaml;                 // passes `cairn policy check`
};

// `files`: name and content. Names of users and groups are looked up on this host. Any thread.
Import ImportAuditd(absl::Span<const std::pair<std::string, std::string>> files);

// The event a system call becomes; "" for those without one.
absl::string_view EventOfSyscall(absl::string_view name);
// Names of all system calls that have one.
std::vector<absl::string_view> MappedSyscalls();

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_IMPORT_AUDITD_H_
