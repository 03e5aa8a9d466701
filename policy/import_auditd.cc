#include "policy/import_auditd.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "policy/audit_rule.h"

namespace cairn::policy {
namespace {

struct Row {
  absl::string_view event;
  absl::string_view syscalls;
};
constexpr Row kRows[] = {
    {"file.open", "open openat openat2 open_by_handle_at creat"},
    {"file.create", "mkdir mkdirat mknod mknodat symlink symlinkat"},
    {"file.delete", "unlink unlinkat rmdir"},
    {"file.rename", "rename renameat renameat2"},
    {"file.link", "link linkat"},
    {"file.truncate", "truncate ftruncate truncate64 ftruncate64"},
    {"file.chmod", "chmod fchmod fchmodat"},
    {"file.chown", "chown fchown lchown fchownat chown32 fchown32 lchown32"},
    {"file.xattr", "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr"},
    {"file.utimes", "utime utimes utimensat futimesat"},
    {"file.mount", "mount move_mount"},
    {"file.umount", "umount umount2"},
    {"process.exec", "execve execveat"},
    {"process.fork", "fork vfork clone clone3"},
    {"process.ptrace", "ptrace process_vm_readv process_vm_writev"},
    {"process.signal", "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal"},
    {"net.connect", "connect"},
    {"net.bind", "bind"},
    {"net.listen", "listen"},
    {"net.accept", "accept accept4"},
    {"net.socket", "socket"},
    {"cred.setuid", "setuid setreuid setresuid setfsuid setuid32 setreuid32 setresuid32"},
    {"cred.setgid", "setgid setregid setresgid setfsgid setgroups setgid32 setregid32 setresgid32"},
    {"cred.capset", "capset"},
    {"kernel.module_load", "init_module finit_module"},
    {"kernel.module_unload", "delete_module"},
    {"kernel.bpf", "bpf"},
    {"kernel.kexec", "kexec_load kexec_file_load"},
    {"kernel.clock_set", "adjtimex settimeofday clock_settime clock_adjtime stime"},
    {"ns.unshare", "unshare"},
    {"ns.setns", "setns"},
};

const std::map<absl::string_view, absl::string_view>& BySyscall() {
  static const auto* table = [] {
    auto* all = new std::map<absl::string_view, absl::string_view>;
    for (const Row& row : kRows) {
      for (const absl::string_view name : absl::StrSplit(row.syscalls, ' ')) {
        (*all)[name] = row.event;
      }
    }
    return all;
  }();
  return *table;
}

std::string SafeId(absl::string_view text) {
  std::string id;
  for (const char c : text) {
    const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    id.push_back(absl::ascii_isalnum(static_cast<unsigned char>(lower)) ? lower : '-');
  }
  return id.substr(0, 40);
}

std::string SingleQuoted(absl::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out.push_back('\'');
    out.push_back(c);
  }
  return out + "'";
}

bool Plain(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

class Importer {
 public:
  void Line(const std::string& file, int number, absl::string_view text) {
    ImportedLine line = {file, number, std::string(text), ImportedLine::Fate::kMapped, ""};
    AuditRule rule;
    if (!Plain(text)) {
      line.fate = ImportedLine::Fate::kRefused;
      line.reason = "characters that are not printable ASCII";
    } else if (!ParseAuditRule(text, &rule, &line.reason)) {
      line.fate = ImportedLine::Fate::kRefused;
    } else {
      Judge(rule, &line);
    }
    import_.lines.push_back(std::move(line));
  }

  Import Finish() {
    std::string& yaml = import_.yaml;
    yaml =
        "# From auditd's rules, by `cairn policy import-auditd`.\nschema: cairn.policy/v1\n"
        "metadata: {name: imported-auditd, serial: 1}\n";
    if (!rules_.empty()) absl::StrAppend(&yaml, "\nrules:\n", rules_);
    if (!noise_.empty()) absl::StrAppend(&yaml, "\nnoise:\n", noise_);
    std::string rest;
    for (const ImportedLine& line : import_.lines) {
      if (line.fate == ImportedLine::Fate::kMapped || line.fate == ImportedLine::Fate::kNoise)
        continue;
      absl::StrAppend(&rest, "# ", FateName(line.fate), ": ",
                      Plain(line.text) ? line.text : "(bytes)", "\n#     ", line.reason, "\n");
    }
    if (!rest.empty()) absl::StrAppend(&yaml, "\n# Not rules of this policy:\n", rest);
    return std::move(import_);
  }

 private:
  void Judge(const AuditRule& rule, ImportedLine* line) {
    if (!rule.setting.empty()) {
      line->fate = ImportedLine::Fate::kSetting;
      line->reason = "a setting of the kernel's audit, which cairnd manages itself";
      return;
    }
    const bool exit = rule.watch || rule.list == "exit";
    if (!exit) {
      const bool off = rule.list == "task" && rule.action == "never";
      line->fate = off ? ImportedLine::Fate::kRefused : ImportedLine::Fate::kPassThrough;
      line->reason = off ? "would switch auditing off; cairn's floor cannot be"
                         : absl::StrCat("the list '", rule.list, "' is the kernel's alone");
      return;
    }
    std::vector<MappedRule> mapped;
    if (!MapAuditRule(rule, &mapped, &line->reason)) {
      line->fate = ImportedLine::Fate::kPassThrough;
      absl::StrAppend(&line->reason,
                      ": leave it to the kernel's audit (/etc/audit/rules.d); cairn "
                      "records what that reports, with its key in audit.key");
      return;
    }
    if (rule.action == "never") return Never(rule, mapped, line);
    absl::StrAppend(&rules_, "  # ", line->text, "\n");
    for (const MappedRule& one : mapped) Emit(rule, one, line->line);
  }

  std::string NewId(const AuditRule& rule, int line) {
    const std::string stem = rule.key.empty() ? "audit" : SafeId(rule.key);
    std::string id = absl::StrCat("a-", stem, "-", line);
    for (int n = 2; !ids_.insert(id).second; ++n) id = absl::StrCat("a-", stem, "-", line, ".", n);
    return id;
  }

  void Emit(const AuditRule& rule, const MappedRule& one, int line) {
    absl::StrAppend(&rules_, "  - id: ", NewId(rule, line), "\n    on: [",
                    absl::StrJoin(one.events, ", "), "]\n");
    if (!one.conditions.empty()) {
      absl::StrAppend(&rules_, "    when: ", SingleQuoted(absl::StrJoin(one.conditions, " && ")),
                      "\n");
    }
    if (!rule.key.empty()) {
      absl::StrAppend(&rules_, "    tags: {audit: [", SingleQuoted(rule.key), "]}\n");
    }
  }

  void Never(const AuditRule& rule, const std::vector<MappedRule>& mapped, ImportedLine* line) {
    line->fate = ImportedLine::Fate::kNoise;
    line->reason = "noise silences what categories record, never a rule or the floor";
    absl::StrAppend(&noise_, "  # ", line->text, "\n");
    for (const MappedRule& one : mapped) {
      const std::string when =
          one.conditions.empty() ? "true" : absl::StrJoin(one.conditions, " && ");
      absl::StrAppend(&noise_, "  - id: ", NewId(rule, line->line), "\n    on: [",
                      absl::StrJoin(one.events, ", "), "]\n    when: ", SingleQuoted(when), "\n");
    }
  }

  Import import_;
  std::string rules_, noise_;
  std::set<std::string> ids_;
};

}  // namespace

absl::string_view FateName(ImportedLine::Fate fate) {
  static constexpr absl::string_view kNames[] = {"mapped", "noise", "setting", "pass-through",
                                                 "refused"};
  return kNames[static_cast<size_t>(fate)];
}

absl::string_view EventOfSyscall(absl::string_view name) {
  const auto found = BySyscall().find(name);
  return found == BySyscall().end() ? "" : found->second;
}

std::vector<absl::string_view> MappedSyscalls() {
  std::vector<absl::string_view> names;
  for (const auto& [name, unused] : BySyscall()) names.push_back(name);
  return names;
}

Import ImportAuditd(absl::Span<const std::pair<std::string, std::string>> files) {
  Importer importer;
  for (const auto& [file, text] : files) {
    int number = 0;
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      ++number;
      line = absl::StripAsciiWhitespace(line);
      if (!line.empty() && line[0] != '#') importer.Line(file, number, line);
    }
  }
  return importer.Finish();
}

}  // namespace cairn::policy
