#include "policy/audit_rule.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::policy {
namespace {

// "auid>=1000" in three; longest operator first.
bool Split(absl::string_view text, AuditComparison* comparison) {
  for (const absl::string_view op : {"!=", ">=", "<=", "&=", "=", ">", "<", "&"}) {
    const size_t at = text.find(op);
    if (at == absl::string_view::npos || at == 0) continue;
    *comparison = {std::string(text.substr(0, at)), std::string(op),
                   std::string(text.substr(at + op.size()))};
    return !comparison->right.empty();
  }
  return false;
}

bool TakeField(absl::string_view text, AuditRule* rule, std::string* reason) {
  AuditComparison field;
  if (!Split(text, &field)) {
    *reason = absl::StrCat("malformed -F ", text);
    return false;
  }
  if (field.left == "key")
    rule->key = field.right;
  else if (field.left == "path" && field.op == "=")
    rule->path = field.right;
  else if (field.left == "dir" && field.op == "=")
    rule->dir = field.right;
  else if (field.left == "perm" && field.op == "=")
    rule->perm = field.right;
  else
    rule->fields.push_back(std::move(field));
  return true;
}

}  // namespace

bool ParseAuditRule(absl::string_view line, AuditRule* rule, std::string* reason) {
  const std::vector<std::string> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  const auto wrong = [&](std::string cause) {
    *reason = std::move(cause);
    return false;
  };
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& option = words[i];
    if (i == 0 &&
        (absl::StartsWith(option, "--") || option == "-D" || option == "-i" || option == "-c" ||
         option == "-b" || option == "-f" || option == "-e" || option == "-r")) {
      rule->setting = option;
      return true;
    }
    if (i + 1 == words.size()) return wrong(absl::StrCat("'", option, "' without its value"));
    const std::string& value = words[++i];
    if (option == "-w") {
      rule->watch = true;
      rule->path = value;
    } else if (option == "-p") {
      rule->perm = value;
    } else if (option == "-k") {
      rule->key = value;
    } else if (option == "-a" || option == "-A") {
      const std::vector<std::string> both = absl::StrSplit(value, ',');
      if (both.size() != 2) return wrong("malformed -a");
      const bool action_first = both[0] == "always" || both[0] == "never";
      rule->action = both[action_first ? 0 : 1];
      rule->list = both[action_first ? 1 : 0];
    } else if (option == "-S") {
      for (absl::string_view name : absl::StrSplit(value, ',')) rule->syscalls.emplace_back(name);
    } else if (option == "-F") {
      if (!TakeField(value, rule, reason)) return false;
    } else if (option == "-C") {
      AuditComparison compare;
      if (!Split(value, &compare) || (compare.op != "=" && compare.op != "!=")) {
        return wrong("malformed -C");
      }
      rule->compares.push_back(std::move(compare));
    } else {
      return wrong(absl::StrCat("unknown option '", option, "'"));
    }
  }
  if (!rule->watch && rule->action != "always" && rule->action != "never") {
    return wrong("neither -w nor -a");
  }
  if (rule->watch && (rule->path.empty() || rule->path[0] != '/')) return wrong("-w needs a path");
  return true;
}

}  // namespace cairn::policy
