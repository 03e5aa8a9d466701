// What a rule of auditd's records, as events and conditions of cairn's.
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "policy/audit_rule.h"
#include "policy/import_auditd.h"
#include "policy/schema.h"
#include "proto/names.h"

namespace cairn::policy {
namespace {

std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

bool ParseNumber(absl::string_view text, int64_t* number) {
  const bool negative = absl::ConsumePrefix(&text, "-");
  uint64_t value = 0;
  if (absl::StartsWith(text, "0x")) {
    if (!absl::SimpleHexAtoi(text, &value)) return false;
  } else if (text.size() > 1 && text[0] == '0') {
    for (const char c : text) {
      if (c < '0' || c > '7') return false;
      value = value * 8 + static_cast<uint64_t>(c - '0');
    }
  } else if (!absl::SimpleAtoi(text, &value)) {
    return false;
  }
  *number = negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
  return true;
}

bool IsGroupField(absl::string_view name) {
  return name == "gid" || name == "egid" || name == "sgid" || name == "fsgid" || name == "obj_gid";
}

// The field of cairn's that auditctl's `name` is; "" for none.
absl::string_view FieldNamed(absl::string_view name) {
  static constexpr std::pair<absl::string_view, absl::string_view> kNames[] = {
      {"auid", "process.auid"},         {"loginuid", "process.auid"}, {"uid", "process.uid"},
      {"euid", "process.euid"},         {"suid", "process.suid"},     {"fsuid", "process.fsuid"},
      {"gid", "process.gid"},           {"egid", "process.egid"},     {"sgid", "process.sgid"},
      {"fsgid", "process.fsgid"},       {"pid", "process.pid"},       {"ppid", "process.ppid"},
      {"sessionid", "process.session"}, {"inode", "file.inode"},      {"obj_uid", "file.uid"},
      {"obj_gid", "file.gid"}};
  for (const auto& [theirs, ours] : kNames) {
    if (theirs == name) return ours;
  }
  return "";
}

bool Contains(const AuditRule& rule, absl::string_view syscall) {
  return std::any_of(rule.syscalls.begin(), rule.syscalls.end(),
                     [&](const std::string& one) { return syscall == one; });
}

class Mapper {
 public:
  Mapper(const AuditRule& rule, std::string* reason) : rule_(rule), reason_(reason) {}

  bool Map(std::vector<MappedRule>* mapped) {
    if (!Events() || !Place()) return false;
    for (const AuditComparison& field : rule_.fields) {
      if (!Condition(field)) return false;
    }
    for (const AuditComparison& compare : rule_.compares) {
      const absl::string_view left = FieldNamed(compare.left), right = FieldNamed(compare.right);
      if (left.empty() || right.empty()) return Cannot("-C of other fields than ids");
      common_.push_back(absl::StrCat(left, compare.op == "=" ? " == " : " != ", right));
    }
    for (MappedRule& one : rules_) {
      one.conditions.insert(one.conditions.end(), common_.begin(), common_.end());
      if (!FieldsExist(one)) return Cannot("a field that not all of its events have");
    }
    *mapped = std::move(rules_);
    return true;
  }

 private:
  bool Cannot(std::string reason) {
    *reason_ = std::move(reason);
    return false;
  }

  // From -S, or where there is none from the permission letters.
  bool Events() {
    if (!rule_.syscalls.empty()) {
      MappedRule one;
      bool opens = false;
      for (const std::string& name : rule_.syscalls) {
        const absl::string_view event = EventOfSyscall(name);
        if (event.empty())
          return Cannot(absl::StrCat("system call ", name, " is no event of cairn's"));
        one.events.insert(std::string(event));
        opens |= event == "file.open" && name != "open_by_handle_at";
      }
      // An open that makes its file is a file.create, as mkdir is, which was not asked for.
      const bool creates = one.events.contains("file.create");
      rules_.push_back(std::move(one));
      if (opens && !creates) rules_.push_back({{"file.create"}, {"\"create\" in file.access"}});
      return true;
    }
    if (rule_.path.empty() && rule_.dir.empty()) return Cannot("every system call");
    const std::string perm = rule_.perm.empty() ? "rwxa" : rule_.perm;
    if (perm.find('r') != std::string::npos) {
      rules_.push_back({{"file.create", "file.open"}, {"\"read\" in file.access"}});
    }
    if (perm.find('w') != std::string::npos) {
      rules_.push_back({{"file.open"}, {"\"write\" in file.access"}});
      rules_.push_back(
          {{"file.create", "file.delete", "file.link", "file.rename", "file.truncate"}, {}});
    }
    if (perm.find('a') != std::string::npos) {
      rules_.push_back({{"file.chmod", "file.chown", "file.xattr", "file.utimes"}, {}});
    }
    if (perm.find('x') != std::string::npos) {
      rules_.push_back({{"process.exec"}, {}});
    }
    return !rules_.empty() || Cannot("no permission of r, w, x, a");
  }

  bool Place() {
    const std::string& place = rule_.path.empty() ? rule_.dir : rule_.path;
    if (place.empty()) return true;
    std::string path = place;
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    // A watch on a directory is one on the tree below; which it is, is not known here.
    const bool tree = rule_.watch || !rule_.dir.empty();
    for (MappedRule& one : rules_) {
      const absl::string_view field =
          one.events.contains("process.exec") ? "process.exe" : "file.path";
      std::string condition = absl::StrCat(field, " == ", Quoted(path));
      if (tree) {
        condition = absl::StrCat("(", condition, " || ", field, ".startsWith(",
                                 Quoted(path == "/" ? path : absl::StrCat(path, "/")), "))");
      }
      one.conditions.push_back(std::move(condition));
    }
    if (!rule_.syscalls.empty() && !rule_.perm.empty()) return Cannot("-S together with perm=");
    return true;
  }

  bool Condition(const AuditComparison& field) {
    if (field.left == "arch") return Architecture(field);
    if (field.left == "success") return Success(field);
    if (field.left == "exit") return Exit(field);
    if (field.left == "exe") {
      common_.push_back(
          absl::StrCat("process.exe ", field.op == "=" ? "== " : "!= ", Quoted(field.right)));
      return field.op == "=" || field.op == "!=" || Cannot("exe with another operator");
    }
    if (field.left.size() == 2 && field.left[0] == 'a' && absl::ascii_isdigit(field.left[1])) {
      return Argument(field);
    }
    const absl::string_view ours = FieldNamed(field.left);
    if (ours.empty()) return Cannot(absl::StrCat("the field ", field.left));
    if (field.op[0] == '&') return Cannot("a test of bits");
    std::string value;
    if (!Id(field, &value)) return false;
    common_.push_back(absl::StrCat(ours, " ", field.op == "=" ? "==" : field.op, " ", value));
    return true;
  }

  bool Architecture(const AuditComparison& field) {
    const bool narrow = field.right == "b32" || field.right == "i386";
    if (!narrow && field.right != "b64" && field.right != "x86_64") {
      return Cannot(absl::StrCat("the architecture ", field.right));
    }
    common_.push_back(narrow == (field.op == "=") ? "compat" : "!compat");
    return true;
  }

  bool Success(const AuditComparison& field) {
    const bool yes = field.right == "1" || field.right == "yes";
    if (!yes && field.right != "0" && field.right != "no") return Cannot("success=" + field.right);
    common_.push_back(yes == (field.op == "=") ? "result == \"success\"" : "result == \"failure\"");
    return true;
  }

  bool Exit(const AuditComparison& field) {
    if (field.op != "=" && field.op != "!=") return Cannot("exit with another operator");
    const std::string op = field.op == "=" ? "== " : "!= ";
    if (absl::StartsWith(field.right, "-E")) {
      common_.push_back(absl::StrCat("error ", op, Quoted(field.right.substr(1))));
      return true;
    }
    int64_t number;
    if (!ParseNumber(field.right, &number)) return Cannot("exit=" + field.right);
    common_.push_back(absl::StrCat("ret ", op, number));
    return true;
  }

  bool Id(const AuditComparison& field, std::string* value) {
    int64_t number;
    if (field.right == "unset" || field.right == "-1" || field.right == "4294967295") {
      *value = "unset";
      return true;
    }
    if (ParseNumber(field.right, &number)) {
      *value = absl::StrCat(number);
      return true;
    }
    if (IsGroupField(field.left)) {
      const group* found = ::getgrnam(field.right.c_str());
      if (found != nullptr) *value = absl::StrCat(found->gr_gid);
    } else {
      const passwd* found = ::getpwnam(field.right.c_str());
      if (found != nullptr) *value = absl::StrCat(found->pw_uid);
    }
    return !value->empty() || Cannot(absl::StrCat("'", field.right, "' is nobody on this host"));
  }

  // What the arguments of a few calls mean.
  bool Argument(const AuditComparison& field) {
    int64_t number;
    if (!ParseNumber(field.right, &number)) return Cannot("the argument " + field.right);
    const bool open_flags =
        (Contains(rule_, "open") && field.left == "a1") ||
        (!Contains(rule_, "open") && Contains(rule_, "openat") && field.left == "a2");
    if (open_flags && field.op == "&" && (number & ~int64_t{01103}) == 0) {
      std::string any;
      const auto add = [&](absl::string_view word) {
        absl::StrAppend(&any, any.empty() ? "" : " || ", Quoted(word), " in file.access");
      };
      if (number & 03) add("write");
      if (number & 0100) add("create");
      if (number & 01000) add("truncate");
      common_.push_back("(" + any + ")");
      return true;
    }
    if (field.op == "=" && Contains(rule_, "ptrace") && field.left == "a0") {
      common_.push_back(absl::StrCat("peer.request == ", number));
      return true;
    }
    if (field.op == "=" && field.left == "a0" &&
        (Contains(rule_, "setuid") || Contains(rule_, "setresuid") ||
         Contains(rule_, "setreuid"))) {
      common_.push_back(absl::StrCat("cred.uid == ", number));
      return true;
    }
    // CLOCK_REALTIME is the only clock that can be set.
    if (field.op == "=" && field.left == "a0" && number == 0 && Contains(rule_, "clock_settime")) {
      return true;
    }
    return Cannot(absl::StrCat("a test of argument ", field.left));
  }

  // Whether each event of `one` has each field its conditions name.
  static bool FieldsExist(const MappedRule& one) {
    for (const std::string& event : one.events) {
      const auto type = EventByName(event);
      for (const absl::string_view name :
           {"file.path", "file.access", "file.uid", "file.inode", "peer.request", "cred.uid"}) {
        const bool named =
            std::any_of(one.conditions.begin(), one.conditions.end(),
                        [&](const std::string& text) { return absl::StrContains(text, name); });
        if (named && !FindField(name)->ExistsFor(*type)) return false;
      }
    }
    return true;
  }

  const AuditRule& rule_;
  std::string* const reason_;
  std::vector<MappedRule> rules_;
  std::vector<std::string> common_;
};

}  // namespace

bool MapAuditRule(const AuditRule& rule, std::vector<MappedRule>* mapped, std::string* reason) {
  return Mapper(rule, reason).Map(mapped);
}

}  // namespace cairn::policy
