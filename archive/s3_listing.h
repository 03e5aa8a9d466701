// What the S3 API answers in XML, as far as it is needed: flat elements without attributes.
// Text with entities other than the five of XML 1.0 §4.6 is refused.
#ifndef CAIRN_ARCHIVE_S3_LISTING_H_
#define CAIRN_ARCHIVE_S3_LISTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::archive {

struct ObjectVersion {
  std::string key;
  std::string version;
  bool deleted = false;  // a delete marker
};

// One page of ListObjectVersions.
struct VersionPage {
  std::vector<ObjectVersion> versions;
  bool more = false;
  std::string next_key;  // markers of the next page
  std::string next_version;
};

// InvalidArgument: not such a document. Any thread.
absl::StatusOr<VersionPage> ParseVersions(absl::string_view xml);
absl::StatusOr<std::vector<std::string>> ParseKeys(absl::string_view xml);

// The text of the first element `name`; empty: there is none.
std::string XmlText(absl::string_view xml, absl::string_view name);

}  // namespace cairn::archive

#endif  // CAIRN_ARCHIVE_S3_LISTING_H_
