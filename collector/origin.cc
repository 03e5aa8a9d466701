#include "collector/origin.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::collector {
namespace {

bool IsName(absl::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' ||
                  c == '-';
         });
}

}  // namespace

bool IsHostUuid(absl::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

absl::StatusOr<Origin> Origin::Parse(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() != 4 || !IsName(parts[0]) || parts[1] != "h" || !IsHostUuid(parts[2]) ||
      !IsName(parts[3])) {
    return absl::InvalidArgumentError(
        absl::StrCat("origin '", text, "' is not <deployment>/h/<host-uuid>/<incarnation>"));
  }
  return Origin{std::string(parts[0]), std::string(parts[2]), std::string(parts[3])};
}

std::string Origin::Text() const { return absl::StrCat(deployment, "/h/", host, "/", incarnation); }
std::string Origin::Uri() const { return absl::StrCat("cairn://", deployment, "/h/", host); }
std::string Origin::Path() const { return absl::StrCat(deployment, "/", host, "/", incarnation); }

}  // namespace cairn::collector
