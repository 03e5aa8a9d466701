// What the archive promises, checked at a service that nobody here wrote.
#include "archive/archive.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/s3/s3_site.h"

namespace cairn::archive {
namespace {

constexpr char kLog[] = "test.example/00000000-0000-4000-8000-000000000001/1";

class ArchiveTest : public S3Test {};

Pin PinOf(uint64_t epoch, const std::string& by) { return {.epoch = epoch, .by = by}; }

TEST_F(ArchiveTest, BucketsThatCannotKeepThePromiseAreRefused) {
  EXPECT_TRUE(Archive(Options()).Check().ok()) << Archive(Options()).Check();
  ArchiveOptions swapped = Options();
  std::swap(swapped.bucket, swapped.claims_bucket);
  EXPECT_EQ(Archive(swapped).Check().code(), absl::StatusCode::kFailedPrecondition);
  ArchiveOptions versioned = Options();
  versioned.claims_bucket = versioned.bucket;
  EXPECT_EQ(Archive(versioned).Check().code(), absl::StatusCode::kFailedPrecondition);
  ArchiveOptions missing = Options();
  missing.claims_bucket = "no-such-bucket-here";
  EXPECT_FALSE(Archive(missing).Check().ok());
  ArchiveOptions denied = Options();
  denied.s3.secret_key = "wrong";
  EXPECT_EQ(Archive(denied).Check().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(ArchiveTest, ASegmentIsLockedPinnedAndComesBackAsItWas) {
  Archive archive(Options());
  const std::string bytes(100000, 'a');
  const auto kept = archive.Keep(kLog, PinOf(7, "one"), bytes);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_FALSE(kept->version.empty());
  EXPECT_EQ(kept->bytes, bytes.size());
  const auto newest = archive.Newest(kLog);
  ASSERT_TRUE(newest.ok() && newest->has_value()) << newest.status();
  EXPECT_EQ((*newest)->ToText(), kept->ToText());
  EXPECT_EQ(*archive.Fetch(kLog, *kept), bytes);
  S3 s3(service_);
  for (const char* key : {"0000000007.seg", "0000000007.pin"}) {
    const auto facts = s3.Head(bucket_, absl::StrCat(kLog, "/", key), "");
    ASSERT_TRUE(facts.ok()) << facts.status();
    EXPECT_EQ(facts->lock_mode, "COMPLIANCE") << key;
    EXPECT_GT(facts->retain_until, absl::Now() + absl::Minutes(50)) << key;
  }
}

TEST_F(ArchiveTest, ANewerVersionOfTheSameKeyChangesNothing) {
  Archive archive(Options());
  const auto kept = archive.Keep(kLog, PinOf(0, "one"), "the segment");
  ASSERT_TRUE(kept.ok()) << kept.status();
  S3 s3(service_);
  const std::string segment = absl::StrCat(kLog, "/0000000000.seg");
  const std::string pin = absl::StrCat(kLog, "/0000000000.pin");
  ASSERT_TRUE(s3.Put(bucket_, segment, "forged", {}).ok());
  ASSERT_TRUE(s3.Put(bucket_, pin, "forged", {}).ok());
  EXPECT_EQ(*s3.Get(bucket_, segment, "", 100), "forged") << "the newest is the forged one";
  const auto pins = archive.Pins(kLog);
  ASSERT_TRUE(pins.ok()) << pins.status();
  ASSERT_EQ(pins->size(), 1u);
  EXPECT_EQ(*archive.Fetch(kLog, pins->front()), "the segment");
}

TEST_F(ArchiveTest, OfTwoCollectorsOneExtendsALog) {
  Archive one(Options());
  Archive two(Options());
  ASSERT_TRUE(one.Keep(kLog, PinOf(0, "one"), "same").ok());
  const auto same = two.Keep(kLog, PinOf(0, "two"), "same");
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->by, "one") << "who was first";
  ASSERT_TRUE(two.Keep(kLog, PinOf(1, "two"), "second").ok());
  const auto other = one.Keep(kLog, PinOf(1, "one"), "another second");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAborted) << other.status();
  EXPECT_EQ(*one.Fetch(kLog, *one.Claimed(kLog, 1)), "second");
  EXPECT_EQ((*one.Newest(kLog))->epoch, 1u);
}

TEST_F(ArchiveTest, APinThatACrashLeftOutIsWrittenByTheNext) {
  Archive archive(Options());
  const auto kept = archive.Keep(kLog, PinOf(0, "one"), "bytes");
  ASSERT_TRUE(kept.ok());
  // As after a crash between claim and pin, in a bucket of its own.
  S3 s3(service_);
  const std::string fresh = bucket_ + "-2";
  ASSERT_TRUE(s3.CreateBucket(fresh, true).ok());
  ArchiveOptions options = Options();
  options.bucket = fresh;
  Archive next(options);
  ASSERT_TRUE(next.Keep(kLog, PinOf(0, "two"), "bytes").ok());
  const auto pins = next.Pins(kLog);
  ASSERT_TRUE(pins.ok()) << pins.status();
  ASSERT_EQ(pins->size(), 1u);
  EXPECT_EQ(pins->front().by, "one");
}

TEST_F(ArchiveTest, ManySegmentsAreListedInOrderAndTheNewestIsKnown) {
  Archive archive(Options());
  for (uint64_t epoch = 0; epoch < 12; ++epoch) {
    const auto kept = archive.Keep(kLog, PinOf(epoch, "one"), absl::StrCat("segment ", epoch));
    ASSERT_TRUE(kept.ok()) << kept.status();
  }
  const auto pins = archive.Pins(kLog);
  ASSERT_TRUE(pins.ok()) << pins.status();
  ASSERT_EQ(pins->size(), 12u);
  for (uint64_t epoch = 0; epoch < 12; ++epoch) EXPECT_EQ((*pins)[epoch].epoch, epoch);
  EXPECT_EQ((*archive.Newest(kLog))->epoch, 11u);
  EXPECT_FALSE(
      (*archive.Newest("test.example/00000000-0000-4000-8000-000000000001/2")).has_value());
}

}  // namespace
}  // namespace cairn::archive
