// Logs kept for good in object storage. proto/ARCHIVE.md has the names and the order of things.
#ifndef CAIRN_ARCHIVE_ARCHIVE_H_
#define CAIRN_ARCHIVE_ARCHIVE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "archive/pin.h"
#include "archive/s3.h"

namespace cairn::archive {

struct ArchiveOptions {
  S3Options s3;
  std::string bucket;         // with Object Lock
  std::string claims_bucket;  // without versioning; empty: reading only
  absl::Duration retain = absl::Hours(24 * 365);
};

// `log` is "<deployment>/<host-uuid>/<incarnation>" everywhere. One thread.
// Errors are those of S3; whatever was begun can be done again.
class Archive {
 public:
  explicit Archive(ArchiveOptions options);

  // FailedPrecondition: the bucket has no Object Lock, or the claims bucket cannot refuse to
  // replace an object.
  absl::Status Check();

  // Keeps segment `epoch` of `log`: the object is locked, and claimed for ever. Again with the
  // same bytes: the pin that stands. Aborted: other bytes were claimed for that segment.
  // `pin.version` is ignored, `pin.bytes` and `pin.sha256` are those of `bytes`.
  absl::StatusOr<Pin> Keep(const std::string& log, Pin pin, absl::string_view bytes);

  // The newest segment that somebody claimed; none: nothing of `log` is archived.
  absl::StatusOr<std::optional<Pin>> Newest(const std::string& log);
  // NotFound: nobody claimed it.
  absl::StatusOr<Pin> Claimed(const std::string& log, uint64_t epoch);
  // All of `log`, oldest first, from the bucket alone.
  absl::StatusOr<std::vector<Pin>> Pins(const std::string& log);
  // The segment's bytes. DataLoss: not those that were pinned.
  absl::StatusOr<std::string> Fetch(const std::string& log, const Pin& pin);

 private:
  absl::StatusOr<Pin> Record(const std::string& log, const Pin& pin);

  const ArchiveOptions options_;
  S3 s3_;
};

// "s3://bucket/deployment/uuid/incarnation" in its two parts; InvalidArgument.
struct ArchivedLog {
  std::string bucket;
  std::string log;
  static absl::StatusOr<ArchivedLog> Parse(absl::string_view url);
};

}  // namespace cairn::archive

#endif  // CAIRN_ARCHIVE_ARCHIVE_H_
