// The scalars of base/yaml.h that are more than text: durations, sizes, places inside them.
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/yaml.h"

namespace cairn {
namespace {

struct NamedFactor {
  absl::string_view name;
  uint64_t factor;
};
constexpr NamedFactor kDurations[] = {
    {"ns", 1},          {"us", 1000},         {"ms", 1000000},      {"s", 1000000000},
    {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}};
constexpr NamedFactor kSizes[] = {{"", 1},
                                  {"B", 1},
                                  {"KiB", 1ull << 10},
                                  {"MiB", 1ull << 20},
                                  {"GiB", 1ull << 30},
                                  {"TiB", 1ull << 40},
                                  {"KB", 1000},
                                  {"MB", 1000000},
                                  {"GB", 1000000000},
                                  {"TB", 1000000000000}};

// Takes digits, then letters, from the front of `text`: their product with the unit's factor.
template <size_t N>
absl::StatusOr<uint64_t> TakeQuantity(const NamedFactor (&units)[N], absl::string_view expected,
                                      absl::string_view* text) {
  const auto wrong = [&] { return absl::InvalidArgumentError(expected); };
  size_t digits = 0;
  while (digits < text->size() && absl::ascii_isdigit((*text)[digits])) ++digits;
  size_t end = digits;
  while (end < text->size() && absl::ascii_isalpha((*text)[end])) ++end;
  uint64_t number = 0;
  if (digits == 0 || !absl::SimpleAtoi(text->substr(0, digits), &number)) return wrong();
  const absl::string_view name = text->substr(digits, end - digits);
  text->remove_prefix(end);
  for (const NamedFactor& unit : units) {
    if (unit.name != name) continue;
    uint64_t product = 0;
    if (__builtin_mul_overflow(number, unit.factor, &product)) {
      return absl::InvalidArgumentError("too large");
    }
    return product;
  }
  return wrong();
}

// Bytes of the character at the front of `text` (valid UTF-8, not empty).
size_t CharacterBytes(absl::string_view text) {
  size_t bytes = 1;
  while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) ++bytes;
  return bytes;
}

}  // namespace

absl::StatusOr<int64_t> ParseDurationNs(absl::string_view text) {
  if (text == "0") return 0;
  uint64_t total = 0;
  do {
    const absl::StatusOr<uint64_t> part = TakeQuantity(
        kDurations, "must be a duration: a number and ns, us, ms, s, m, h or d (as in 1h30m)",
        &text);
    if (!part.ok()) return part.status();
    if (__builtin_add_overflow(total, *part, &total) ||
        total > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return absl::InvalidArgumentError("too large");
    }
  } while (!text.empty());
  return static_cast<int64_t>(total);
}

absl::StatusOr<uint64_t> ParseSizeBytes(absl::string_view text) {
  constexpr absl::string_view kExpected =
      "must be a size: a number, alone or with KiB, MiB, GiB, TiB, KB, MB, GB or TB";
  const absl::StatusOr<uint64_t> bytes = TakeQuantity(kSizes, kExpected, &text);
  if (bytes.ok() && !text.empty()) return absl::InvalidArgumentError(kExpected);
  return bytes;
}

// The characters of `value` that are not blank stand in `text` in the same order: folding and
// indentation only change blanks. So the n-th such character here is the n-th there.
YamlPlace PlaceInScalar(absl::string_view text, YamlPlace start, absl::string_view value,
                        size_t offset) {
  size_t skip = 0;
  for (size_t i = 0; i < offset && i < value.size(); i += CharacterBytes(value.substr(i))) {
    if (!absl::ascii_isspace(value[i])) ++skip;
  }
  size_t at = 0;
  for (int line = 1; line < start.line && at != absl::string_view::npos; ++line) {
    at = text.find('\n', at);
    if (at != absl::string_view::npos) ++at;
  }
  if (at == absl::string_view::npos) return start;
  YamlPlace place{start.line, 1};
  char quote = 0;
  bool header = false;  // still in the "|" or ">-" line
  for (; at < text.size(); at += CharacterBytes(text.substr(at))) {
    const char c = text[at];
    const bool begins = place.line == start.line && place.column == start.column;
    if (begins && (c == '\'' || c == '"')) quote = c;
    if (begins && (c == '|' || c == '>')) header = true;
    const bool counted = (place.line > start.line || place.column >= start.column) && !header &&
                         !absl::ascii_isspace(c) && !(begins && quote != 0);
    if (counted && skip == 0) return place;
    if (counted) --skip;
    if (counted && quote == '\'' && c == '\'') {  // '' stands for one
      ++at;
      ++place.column;
    }
    if (c == '\n') {
      place = {place.line + 1, 1};
      header = false;
    } else {
      ++place.column;
    }
  }
  return start;
}

}  // namespace cairn
