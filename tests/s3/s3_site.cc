#include "tests/s3/s3_site.h"

#include <unistd.h>

#include <atomic>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace cairn::archive {

void S3Test::SetUp() {
  std::ifstream file(S3_ENDPOINT_FILE);
  if (!(file >> service_.endpoint >> service_.access_key >> service_.secret_key)) {
    GTEST_SKIP() << "no S3 service: run `ctest -L s3`, after `tools/setup s3`";
  }
  static std::atomic<int> next{0};
  const std::string id =
      absl::StrCat(::getpid(), "-", absl::ToUnixMillis(absl::Now()), "-", ++next);
  bucket_ = "cairn-" + id;
  claims_ = "claims-" + id;
  S3 s3(service_);
  const absl::Status made = s3.CreateBucket(bucket_, true);
  ASSERT_TRUE(made.ok()) << made;
  ASSERT_TRUE(s3.CreateBucket(claims_, false).ok());
}

ArchiveOptions S3Test::Options() const {
  return {.s3 = service_, .bucket = bucket_, .claims_bucket = claims_, .retain = absl::Hours(1)};
}

}  // namespace cairn::archive
