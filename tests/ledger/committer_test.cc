#include <gtest/gtest.h>

#include <atomic>

#include "ledger/segment_file.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

// A commit may end at any moment between two looks: whoever only asks idle() must not take one for
// done whose result nobody has taken, and sleep.
TEST(Committer, IsIdleOnceItsResultIsTaken) {
  TempDir dir;
  TestLog keys;
  const SigningKey key = keys.key();
  std::atomic<int> told = 0;
  Committer committer(Io::Real(), dir.path(), kTestOrigin, &key, [&told] { ++told; });
  EXPECT_TRUE(committer.idle());
  auto file = SegmentFile::Create(Io::Real(), dir.path(), 0);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append("frames").ok());
  CommitResult result;
  EXPECT_FALSE(committer.TakeResult(&result));
  committer.Start({.file = *file, .offset = 6, .size = 1});
  committer.Wait();
  EXPECT_FALSE(committer.idle());
  ASSERT_TRUE(committer.TakeResult(&result));
  EXPECT_TRUE(committer.idle());
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.offset, 6u);
  EXPECT_FALSE(committer.TakeResult(&result)) << "once for each job";
  for (int i = 0; i < 1000 && told == 0; ++i) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace cairn::ledger
