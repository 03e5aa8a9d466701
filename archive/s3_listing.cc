#include "archive/s3_listing.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace cairn::archive {
namespace {

// What stands between the next <name> and </name> from `at` on, which moves behind them.
std::optional<absl::string_view> Element(absl::string_view xml, absl::string_view name,
                                         size_t* at) {
  const std::string open = absl::StrCat("<", name, ">");
  const std::string close = absl::StrCat("</", name, ">");
  const size_t start = xml.find(open, *at);
  if (start == absl::string_view::npos) return std::nullopt;
  const size_t end = xml.find(close, start + open.size());
  if (end == absl::string_view::npos) return std::nullopt;
  *at = end + close.size();
  return xml.substr(start + open.size(), end - start - open.size());
}

std::string Unescape(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&lt;", "<"},
                                    {"&gt;", ">"},
                                    {"&quot;", "\""},
                                    {"&apos;", "'"},
                                    {"&#39;", "'"},
                                    {"&#34;", "\""},
                                    {"&amp;", "&"}});
}

absl::Status NotA(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the answer is no ", what));
}

}  // namespace

std::string XmlText(absl::string_view xml, absl::string_view name) {
  size_t at = 0;
  return Unescape(Element(xml, name, &at).value_or(""));
}

absl::StatusOr<VersionPage> ParseVersions(absl::string_view xml) {
  size_t at = xml.find("<ListVersionsResult");
  if (at == absl::string_view::npos) return NotA("ListVersionsResult");
  VersionPage page;
  page.more = XmlText(xml, "IsTruncated") == "true";
  page.next_key = XmlText(xml, "NextKeyMarker");
  page.next_version = XmlText(xml, "NextVersionIdMarker");
  // Versions and delete markers stand mixed, in the order of their keys.
  for (;;) {
    size_t after_version = at;
    size_t after_marker = at;
    const auto version = Element(xml, "Version", &after_version);
    const auto marker = Element(xml, "DeleteMarker", &after_marker);
    if (!version.has_value() && !marker.has_value()) break;
    const bool deleted =
        !version.has_value() || (marker.has_value() && after_marker < after_version);
    const absl::string_view entry = deleted ? *marker : *version;
    page.versions.push_back({XmlText(entry, "Key"), XmlText(entry, "VersionId"), deleted});
    at = deleted ? after_marker : after_version;
  }
  if (page.more && page.next_key.empty()) return NotA("page that says how to go on");
  return page;
}

absl::StatusOr<std::vector<std::string>> ParseKeys(absl::string_view xml) {
  size_t at = xml.find("<ListBucketResult");
  if (at == absl::string_view::npos) return NotA("ListBucketResult");
  std::vector<std::string> keys;
  while (const auto entry = Element(xml, "Contents", &at)) keys.push_back(XmlText(*entry, "Key"));
  return keys;
}

}  // namespace cairn::archive
