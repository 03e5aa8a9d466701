#include "cli/line_join.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn::cli {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class LineJoinTest : public testing::Test {
 protected:
  // One record at `wall_ns`; `linked`: an audit.link to that one.
  void Add(uint64_t sequence, uint64_t wall_ns, uint64_t linked = 0, bool wanted = true) {
    Record record;
    record.set_type(linked != 0 ? AUDIT_LINK : FILE_OPEN);
    record.mutable_file()->set_path("/etc/shadow");
    if (linked != 0) {
      record.clear_file();
      record.mutable_audit()->set_linked_sequence(linked);
      record.mutable_audit()->set_key("shadow");
      record.set_severity(SEVERITY_HIGH);
    }
    ledger::LoggedRecord logged;
    logged.sequence = sequence;
    logged.wall_ns = wall_ns;
    logged.record = &record;
    const std::string rule = linked != 0 ? "audit" : "files";
    logged.rules = {rule, "both"};
    join_.Add(logged, wanted, sink_);
  }
  void End() { join_.Flush(UINT64_MAX, sink_); }

  std::vector<TableRow> rows_;
  const std::function<void(const TableRow&)> sink_ = [this](const TableRow& row) {
    rows_.push_back(row);
  };
  LineJoin join_{false};
};

TEST_F(LineJoinTest, ALinkShowsBesideItsPartner) {
  Add(1, kSecond);
  Add(2, kSecond + 1);
  Add(3, kSecond + 2, 1);
  End();
  ASSERT_EQ(rows_.size(), 2u);
  EXPECT_EQ(rows_[0].line.object, "/etc/shadow [audit: key=shadow]");
  EXPECT_EQ(rows_[0].line.rules, "files,both,audit");
  EXPECT_EQ(rows_[0].severity, SEVERITY_HIGH);
  EXPECT_EQ(rows_[1].line.object, "/etc/shadow");
}

TEST_F(LineJoinTest, AFilterThatHidesLinksHidesNothingOfThePartner) {
  Add(1, kSecond);
  Add(2, kSecond + 1, 1, false);
  Add(3, kSecond + 2, 77, false);
  End();
  ASSERT_EQ(rows_.size(), 1u);
  EXPECT_EQ(rows_[0].line.object, "/etc/shadow [audit: key=shadow]");
}

TEST_F(LineJoinTest, ALinkAloneIsALineOfItsOwn) {
  Add(1, kSecond);
  Add(2, kSecond + LineJoin::kHoldNs + 2);
  ASSERT_EQ(rows_.size(), 1u) << "held no longer than that";
  Add(3, kSecond + LineJoin::kHoldNs + 3, 1);
  End();
  ASSERT_EQ(rows_.size(), 3u);
  EXPECT_EQ(rows_[0].line.object, "/etc/shadow");
  EXPECT_EQ(rows_[2].line.event, "audit.link");
}

TEST_F(LineJoinTest, MemoryIsBounded) {
  for (uint64_t i = 1; i <= LineJoin::kLines + 10; ++i) Add(i, kSecond);
  EXPECT_EQ(rows_.size(), 10u);
}

TEST_F(LineJoinTest, WhoFollowsWaitsForNothingBeforeAFirstLink) {
  LineJoin follow(true);
  std::swap(join_, follow);
  Add(1, kSecond);
  EXPECT_EQ(rows_.size(), 1u);
  Add(2, kSecond + 1, 1);
  EXPECT_EQ(rows_.size(), 1u);
  Add(3, kSecond + 2);
  EXPECT_EQ(rows_.size(), 1u) << "from now on a link may come";
  End();
  EXPECT_EQ(rows_.size(), 3u);
}

}  // namespace
}  // namespace cairn::cli
