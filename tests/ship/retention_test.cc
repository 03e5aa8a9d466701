// What the store may delete: exactly what the operator allows.
#include "collector/retention.h"

#include <gtest/gtest.h>
#include <utime.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ledger/segments.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

using collector::ApplyRetention;
using collector::Retained;
using collector::RetentionOptions;

constexpr uint64_t kBytes = 1000;

class RetentionTest : public ::testing::Test {
 protected:
  // `count` segments of 1,000 bytes, the oldest `count` days old, the newest one day.
  void Log(const std::string& host, int count) {
    const std::string dir = Dir(host);
    std::filesystem::create_directories(dir);
    for (int i = 0; i < count; ++i) {
      const std::string path = dir + "/" + ledger::SegmentName(static_cast<uint64_t>(i));
      ledger::WriteAllTo(path, std::string(kBytes, 'x'));
      const time_t written = absl::ToTimeT(now_ - absl::Hours(24) * (count - i));
      const utimbuf times{written, written};
      ASSERT_EQ(::utime(path.c_str(), &times), 0);
    }
  }
  std::string Dir(const std::string& host) const {
    return absl::StrCat(temp_.path(), "/store/", kDeployment, "/", host, "/1");
  }
  int Left(const std::string& host) const {
    return static_cast<int>(ledger::ListSegments(Dir(host))->size());
  }
  Retained Apply(const RetentionOptions& options) {
    const auto retained =
        ApplyRetention(options, temp_.path() + "/store", kDeployment, hosts_, Io::Real(), now_);
    EXPECT_TRUE(retained.ok()) << retained.status();
    return retained.value_or(Retained{});
  }

  ledger::TempDir temp_;
  const absl::Time now_ = absl::Now();
  collector::Hosts hosts_{temp_.path() + "/hosts", false};
};

TEST_F(RetentionTest, WithoutPolicyNothingGoes) {
  Log(kUuid, 10);
  EXPECT_FALSE(RetentionOptions{}.deletes());
  EXPECT_EQ(Apply({}).segments, 0u);
  EXPECT_EQ(Left(kUuid), 10);
}

TEST_F(RetentionTest, ByAgeTheOldestGoAndTheLastTwoNever) {
  Log(kUuid, 10);
  EXPECT_EQ(Apply({.keep_at_most = absl::Hours(24 * 5 + 1)}).segments, 5u);
  EXPECT_EQ(Left(kUuid), 5);
  EXPECT_EQ(ledger::ListSegments(Dir(kUuid))->front().epoch, 5u);
  Apply({.keep_at_most = absl::Hours(1)});
  EXPECT_EQ(Left(kUuid), 2);
  EXPECT_NE(ledger::ReadAll(Dir(kUuid) + "/deleted").find(" 0000000004.seg 1000 "),
            std::string::npos);
}

TEST_F(RetentionTest, BySizeTheOldestOfAllHostsGoButNothingYoungerThanAllowed) {
  Log(kUuid, 10);
  Log(kOtherUuid, 4);
  const Retained retained = Apply({.max_bytes = 9 * kBytes});
  EXPECT_EQ(retained.segments, 5u);
  EXPECT_EQ(retained.stored_bytes, 9 * kBytes);
  EXPECT_EQ(Left(kUuid), 5) << "the older ones are all here";
  EXPECT_EQ(Left(kOtherUuid), 4);
  const Retained kept = Apply({.keep_at_least = absl::Hours(24 * 30), .max_bytes = kBytes});
  EXPECT_EQ(kept.segments, 0u);
  EXPECT_TRUE(kept.over);
}

TEST_F(RetentionTest, AHostOnHoldAndALogWithEvidenceKeepEverything) {
  Log(kUuid, 10);
  Log(kOtherUuid, 10);
  ASSERT_TRUE(hosts_.Hold(kUuid, "case 4711").ok());
  std::filesystem::create_directories(Dir(kOtherUuid) + "/evidence/00-fork");
  EXPECT_EQ(Apply({.keep_at_most = absl::Hours(1), .max_bytes = 1}).segments, 0u);
  ASSERT_TRUE(hosts_.EndHold(kUuid).ok());
  EXPECT_EQ(Apply({.keep_at_most = absl::Hours(1)}).segments, 8u);
  EXPECT_EQ(Left(kOtherUuid), 10);
}

}  // namespace
}  // namespace cairn::ship
