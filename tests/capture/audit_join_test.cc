#include "agent/capture/audit_join.h"

#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kStart = 5'000 * kMs;

Record Of(Source source, EventType type, int64_t ret, uint64_t inode) {
  Record record;
  record.set_source(source);
  record.set_type(type);
  record.set_ret(ret);
  record.mutable_file()->set_inode(inode);
  if (source == SOURCE_AUDIT) record.mutable_audit()->set_arch(0xc000003e);
  return record;
}

class Join : public ::testing::Test {
 protected:
  // An audit event wakes it up.
  void SetUp() override { join_.Match(kStart - 1, 1, Of(SOURCE_AUDIT, FILE_OPEN, 0, 0)); }
  void Note(uint64_t sequence, uint64_t ms, uint32_t pid, EventType type = FILE_OPEN,
            int64_t ret = 3, uint64_t inode = 7) {
    join_.Note(sequence, kStart + ms * kMs, pid, Of(SOURCE_EBPF, type, ret, inode));
  }
  std::optional<uint64_t> Match(uint64_t ms, uint32_t pid, EventType type = FILE_OPEN,
                                int64_t ret = 3, uint64_t inode = 7) {
    return join_.Match(kStart + ms * kMs, pid, Of(SOURCE_AUDIT, type, ret, inode));
  }
  AuditJoin join_;
};

TEST_F(Join, TheOnlyRecordThatFitsOnce) {
  Note(41, 100, 9);
  EXPECT_EQ(Match(99, 9), 41u);
  EXPECT_EQ(Match(99, 9), std::nullopt);
}

TEST_F(Join, TwoThatFitAreNone) {
  Note(41, 100, 9);
  Note(42, 101, 9);
  EXPECT_EQ(Match(99, 9), std::nullopt);
}

TEST_F(Join, EveryDifferenceCounts) {
  Note(41, 100, 9);
  EXPECT_EQ(Match(99, 8), std::nullopt);
  EXPECT_EQ(Match(99, 9, FILE_DELETE), std::nullopt);
  EXPECT_EQ(Match(99, 9, FILE_OPEN, 4), std::nullopt);
  EXPECT_EQ(Match(99, 9, FILE_OPEN, 3, 8), std::nullopt);
  EXPECT_EQ(Match(111, 9), std::nullopt);  // it was over before the event's tick
  EXPECT_EQ(Match(99, 9, FILE_CREATE), 41u);
}

TEST_F(Join, LaterRepetitionsAreTheirOwn) {
  for (uint64_t i = 0; i < 5; ++i) Note(50 + i, 200 * i, 9);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(Match(200 * i, 9), 50 + i);
}

TEST_F(Join, SleepsWhileNoAuditEventComes) {
  AuditJoin asleep;
  asleep.Note(1, kStart, 9, Of(SOURCE_EBPF, FILE_OPEN, 3, 7));
  EXPECT_EQ(asleep.Match(kStart, 9, Of(SOURCE_AUDIT, FILE_OPEN, 3, 7)), std::nullopt);
}

TEST_F(Join, LinkKeepsWhatAuditAlone) {
  Record record = Of(SOURCE_AUDIT, FILE_OPEN, 3, 7);
  record.mutable_audit()->set_key("watch");
  AuditJoin::Link(41, &record);
  EXPECT_EQ(record.type(), AUDIT_LINK);
  EXPECT_EQ(record.audit().linked_sequence(), 41u);
  EXPECT_EQ(record.audit().key(), "watch");
  EXPECT_FALSE(record.has_file());
}

}  // namespace
}  // namespace cairn::capture
