#include "archive/pin.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ledger/segments.h"

namespace cairn::archive {
namespace {

constexpr char kMagic[] = "cairn archive v1";
constexpr size_t kMaxNote = 32 << 10;
constexpr size_t kMaxWord = 1024;

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("pin: ", what));
}

bool IsWord(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxWord &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

bool IsHash(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

std::string Pin::ToText() const {
  return absl::StrCat(kMagic, "\nsegment ", ledger::SegmentName(epoch), "\nversion ", version,
                      "\nbytes ", bytes, "\nsha256 ", sha256, "\nby ", by, "\n\n", note);
}

absl::StatusOr<Pin> Pin::Parse(absl::string_view text) {
  const size_t blank = text.find("\n\n");
  if (blank == absl::string_view::npos) return Bad("no blank line");
  const std::vector<absl::string_view> lines = absl::StrSplit(text.substr(0, blank), '\n');
  constexpr absl::string_view kNames[] = {"segment ", "version ", "bytes ", "sha256 ", "by "};
  if (lines.size() != 6 || lines[0] != kMagic) return Bad("not 'cairn archive v1' and five lines");
  absl::string_view values[5];
  for (size_t i = 0; i < 5; ++i) {
    if (!absl::StartsWith(lines[i + 1], kNames[i])) {
      return Bad(absl::StrCat("line ", i + 2, " does not begin with '", kNames[i], "'"));
    }
    values[i] = lines[i + 1].substr(kNames[i].size());
    if (!IsWord(values[i])) return Bad(absl::StrCat("line ", i + 2, " has no such value"));
  }
  Pin pin{.version = std::string(values[1]),
          .sha256 = std::string(values[3]),
          .by = std::string(values[4]),
          .note = std::string(text.substr(blank + 2))};
  if (!ledger::ParseSegmentName(values[0], &pin.epoch)) return Bad("no segment's name");
  if (!absl::SimpleAtoi(values[2], &pin.bytes)) return Bad("no number of bytes");
  if (!IsHash(pin.sha256)) return Bad("no SHA-256");
  if (pin.note.size() > kMaxNote) return Bad("a note that is too long");
  return pin;
}

}  // namespace cairn::archive
