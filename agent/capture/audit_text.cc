#include "agent/capture/audit_text.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "agent/capture/audit_names.h"

namespace cairn::capture {
namespace {

constexpr char kEnrichment = 0x1d;  // AUDIT_INTERP_SEPARATOR

// A decimal number at the start of `text`; at most 20 digits.
bool TakeNumber(absl::string_view* text, uint64_t* number) {
  size_t digits = 0;
  while (digits < text->size() && absl::ascii_isdigit((*text)[digits])) ++digits;
  if (digits == 0 || !absl::SimpleAtoi(text->substr(0, digits), number)) return false;
  text->remove_prefix(digits);
  return true;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Old messages write "(hostname=?, addr=?, terminal=cron res=success)".
absl::string_view TrimPunctuation(absl::string_view value) {
  while (!value.empty() && (value.back() == ',' || (value.back() == ')' && value.front() != '('))) {
    value.remove_suffix(1);
  }
  return value;
}

bool IsNameByte(char c) {
  return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '[' || c == ']';
}

// The part of `word` before '=' that can be a name: punctuation in front is not of it.
absl::string_view NameOf(absl::string_view word) {
  size_t start = word.size();
  while (start > 0 && IsNameByte(word[start - 1])) --start;
  return word.substr(start);
}

}  // namespace

std::optional<AuditStamp> ParseAuditStamp(absl::string_view text, absl::string_view* rest) {
  AuditStamp stamp;
  uint64_t seconds = 0, milliseconds = 0;
  if (!absl::ConsumePrefix(&text, "audit(") || !TakeNumber(&text, &seconds) ||
      !absl::ConsumePrefix(&text, ".") || !TakeNumber(&text, &milliseconds) ||
      !absl::ConsumePrefix(&text, ":") || !TakeNumber(&text, &stamp.serial) ||
      !absl::ConsumePrefix(&text, "):")) {
    return std::nullopt;
  }
  if (seconds > uint64_t{1} << 40 || milliseconds > 999) return std::nullopt;
  stamp.wall_ms = seconds * 1000 + milliseconds;
  while (absl::ConsumePrefix(&text, " ")) {
  }
  *rest = text;
  return stamp;
}

std::optional<AuditLogLine> ParseAuditLogLine(absl::string_view line) {
  AuditLogLine parsed;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (absl::ConsumePrefix(&line, "node=")) {
    const size_t end = line.find(' ');
    if (end == absl::string_view::npos) return std::nullopt;
    parsed.node = line.substr(0, end);
    line.remove_prefix(end + 1);
  }
  if (!absl::ConsumePrefix(&line, "type=")) return std::nullopt;
  const size_t end = line.find(' ');
  if (end == absl::string_view::npos) return std::nullopt;
  const std::optional<uint16_t> type = AuditTypeByName(line.substr(0, end));
  line.remove_prefix(end + 1);
  if (!type || !absl::ConsumePrefix(&line, "msg=")) return std::nullopt;
  const std::optional<AuditStamp> stamp = ParseAuditStamp(line, &line);
  if (!stamp) return std::nullopt;
  parsed.type = *type;
  parsed.stamp = *stamp;
  const size_t separator = line.rfind(kEnrichment);
  parsed.text = line.substr(0, separator);
  if (separator != absl::string_view::npos) parsed.enriched = line.substr(separator + 1);
  return parsed;
}

bool AuditFields::Next(AuditField* field) {
  while (!rest_.empty()) {
    const size_t end = rest_.find_first_of(" =");
    if (end == absl::string_view::npos) break;
    const absl::string_view name = NameOf(rest_.substr(0, end));
    const bool is_field = rest_[end] == '=' && !name.empty();
    rest_.remove_prefix(end + 1);
    if (!is_field) continue;
    field->name = name;
    field->quoted = !rest_.empty() && (rest_.front() == '"' || rest_.front() == '\'');
    if (field->quoted) {
      const char quote = rest_.front();
      rest_.remove_prefix(1);
      const size_t close = rest_.find(quote);
      field->value = rest_.substr(0, close);
      rest_.remove_prefix(std::min(rest_.size(), field->value.size() + 1));
    } else {
      field->value = rest_.substr(0, rest_.find(' '));
      rest_.remove_prefix(field->value.size());
      field->value = TrimPunctuation(field->value);
    }
    return true;
  }
  rest_ = {};
  return false;
}

AuditField FindAuditField(absl::string_view text, absl::string_view name) {
  AuditFields fields(text);
  AuditField field;
  while (fields.Next(&field)) {
    if (field.name == name) return field;
  }
  return {};
}

AuditUserText SplitAuditUserText(absl::string_view text) {
  const size_t start = text.find("msg='");
  if (start == absl::string_view::npos) return {text, {}};
  AuditUserText split = {text.substr(0, start), text.substr(start + 5)};
  if (!split.message.empty() && split.message.back() == '\'') split.message.remove_suffix(1);
  return split;
}

bool IsEncodedAuditField(absl::string_view name) {
  static constexpr absl::string_view kEncoded[] = {"acct",
                                                   "cmd",
                                                   "comm",
                                                   "cwd",
                                                   "data",
                                                   "device",
                                                   "dir",
                                                   "exe",
                                                   "file",
                                                   "grp",
                                                   "host",
                                                   "info",
                                                   "invalid_context",
                                                   "key",
                                                   "module",
                                                   "name",
                                                   "new-chardev",
                                                   "new-disk",
                                                   "new-fs",
                                                   "new-rng",
                                                   "new_group",
                                                   "ocomm",
                                                   "old-chardev",
                                                   "old-disk",
                                                   "old-fs",
                                                   "old-rng",
                                                   "path",
                                                   "proctitle",
                                                   "profile",
                                                   "root_dir",
                                                   "sw",
                                                   "unit",
                                                   "watch"};
  return std::find(std::begin(kEncoded), std::end(kEncoded), name) != std::end(kEncoded);
}

bool DecodeHex(absl::string_view hex, std::string* bytes) {
  if (hex.empty() || hex.size() % 2 != 0) return false;
  bytes->clear();
  bytes->reserve(hex.size() / 2);
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = HexDigit(hex[i]), low = HexDigit(hex[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes->push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

std::string AuditFieldBytes(const AuditField& field) {
  if (field.quoted) return std::string(field.value.data(), field.value.size());
  if (field.value == "?" || field.value == "(null)" || field.value == "(none)") return "";
  std::string bytes;
  if (DecodeHex(field.value, &bytes)) return bytes;
  return std::string(field.value.data(), field.value.size());
}

}  // namespace cairn::capture
