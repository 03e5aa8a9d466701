#include "base/line_log.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/time/clock.h"
#include "base/io.h"
#include "tests/ledger/test_log.h"

namespace cairn {
namespace {

using ledger::ReadAll;
using ledger::TempDir;

TEST(LineLog, GoesOnBehindWhatIsThereAndSurvivesBeingMovedAway) {
  TempDir dir;
  const std::string path = dir.path() + "/lines";
  ASSERT_TRUE((*LineLog::Open(path))->Append("one").ok());
  const auto log = LineLog::Open(path);
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE((*log)->Append("two").ok());
  std::filesystem::rename(path, path + ".1");
  absl::SleepFor(absl::Milliseconds(1100));
  ASSERT_TRUE((*log)->Append("three").ok());
  EXPECT_EQ(ReadAll(path + ".1"), "one\ntwo\n");
  EXPECT_EQ(ReadAll(path), "three\n");
}

TEST(LineLog, NeverGoesThroughASymbolicLink) {
  TempDir dir;
  std::filesystem::create_symlink(dir.path() + "/elsewhere", dir.path() + "/lines");
  const auto log = LineLog::Open(dir.path() + "/lines");
  EXPECT_FALSE(log.ok());
  EXPECT_NE(log.status().message().find("/lines"), std::string::npos) << log.status();
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/elsewhere"));
}

}  // namespace
}  // namespace cairn
