// One JSON object, member by member.
#ifndef CAIRN_POLICY_JSON_H_
#define CAIRN_POLICY_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "policy/event_json.h"

namespace cairn::policy {

class JsonObject {
 public:
  void Text(absl::string_view name, absl::string_view value) {
    AppendJsonString(value, Begin(name));
  }
  // Text that went through EscapeBytes already.
  void Quoted(absl::string_view name, absl::string_view escaped) {
    AppendJsonQuoted(escaped, Begin(name));
  }
  void Number(absl::string_view name, uint64_t value) { absl::StrAppend(Begin(name), value); }
  void Flag(absl::string_view name, bool value) {
    absl::StrAppend(Begin(name), value ? "true" : "false");
  }
  // `json` is JSON already.
  void Raw(absl::string_view name, absl::string_view json) { absl::StrAppend(Begin(name), json); }
  void Texts(absl::string_view name, const std::vector<std::string>& values) {
    std::string* out = Begin(name);
    for (size_t i = 0; i < values.size(); ++i) {
      out->push_back(i == 0 ? '[' : ',');
      AppendJsonString(values[i], out);
    }
    absl::StrAppend(out, values.empty() ? "[]" : "]");
  }
  std::string Done() const { return absl::StrCat(text_.empty() ? "{" : text_, "}"); }

 private:
  std::string* Begin(absl::string_view name) {
    text_.push_back(text_.empty() ? '{' : ',');
    absl::StrAppend(&text_, "\"", name, "\":");
    return &text_;
  }
  std::string text_;
};

inline std::string JsonArray(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) absl::StrAppend(&text, text.size() > 1 ? "," : "", item);
  return text + "]";
}

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_JSON_H_
