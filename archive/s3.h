// The few calls of the S3 API that an archive needs, through libcurl and its AWS SigV4.
// https://docs.aws.amazon.com/AmazonS3/latest/API/
#ifndef CAIRN_ARCHIVE_S3_H_
#define CAIRN_ARCHIVE_S3_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "archive/s3_listing.h"

struct curl_slist;

namespace cairn::archive {

struct S3Options {
  std::string endpoint;  // "https://host[:port]", path style
  std::string region = "us-east-1";
  std::string access_key;
  std::string secret_key;
  std::string ca;                              // PEM file; empty: the system's
  absl::Duration timeout = absl::Seconds(60);  // of one call
};

// S3Options from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION.
// InvalidArgument names what is missing.
absl::StatusOr<S3Options> S3FromEnvironment();

struct PutOptions {
  bool if_absent = false;  // AlreadyExists when the key has an object. Only for buckets without
                           // versioning: with Object Lock some services ignore the condition
  absl::Time retain_until = absl::InfinitePast();  // Object Lock in COMPLIANCE mode
};

struct ObjectFacts {
  std::string version;  // empty: the bucket has no versions
  uint64_t bytes = 0;
  std::string lock_mode;  // "COMPLIANCE", …; empty: none
  absl::Time retain_until = absl::InfinitePast();
};

// One connection, kept alive. One thread. Errors: NotFound (key, bucket), PermissionDenied
// (credentials), AlreadyExists (if_absent), Unavailable (network, 5xx, 429), InvalidArgument
// (refused); they name call, bucket and key.
class S3 {
 public:
  explicit S3(S3Options options);
  ~S3();

  // Returns the new object's version id. Content-MD5 is checked by the service. `data` outlives
  // the call and is not copied.
  absl::StatusOr<std::string> Put(const std::string& bucket, const std::string& key,
                                  absl::string_view data, const PutOptions& options);
  // `version` empty: the newest. ResourceExhausted: longer than `max_bytes`.
  absl::StatusOr<std::string> Get(const std::string& bucket, const std::string& key,
                                  const std::string& version, size_t max_bytes);
  absl::StatusOr<ObjectFacts> Head(const std::string& bucket, const std::string& key,
                                   const std::string& version);
  // Keys that begin with `prefix`, the first `limit` (<= 1000) in byte order.
  absl::StatusOr<std::vector<std::string>> List(const std::string& bucket,
                                                const std::string& prefix, int limit);
  // Every version of every such key: keys in byte order, each one's newest version first.
  absl::StatusOr<std::vector<ObjectVersion>> ListVersions(const std::string& bucket,
                                                          const std::string& prefix);
  absl::StatusOr<bool> HasVersions(const std::string& bucket);
  absl::StatusOr<bool> HasObjectLock(const std::string& bucket);
  absl::Status CreateBucket(const std::string& bucket, bool object_lock);

 private:
  struct Call;
  struct Reply;
  curl_slist* Describe(const Call& call) const;
  absl::StatusOr<Reply> Perform(const Call& call);

  const S3Options options_;
  void* const curl_;
};

}  // namespace cairn::archive

#endif  // CAIRN_ARCHIVE_S3_H_
