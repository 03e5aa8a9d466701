#include "ledger/recover.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ledger/reader.h"
#include "ledger/segments.h"
#include "tests/ledger/each_record.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

// A log of one epoch that was never closed, with 5 committed and 5 uncommitted records.
void MakeCrashed(TestLog* log) {
  ASSERT_TRUE(log->Open().ok());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log->Append(absl::StrCat("/kept/", i)).ok());
  ASSERT_TRUE(log->ledger->Sync().ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(log->Append(absl::StrCat("/tail/", i)).ok());
    log->ledger->Flush();
  }
  *log->clock_ns += 1'000'000;  // closed blocks wait for the next write so long at most
  log->ledger->Tick();
  log->Crash();
}

size_t CountOpens(const std::string& dir, absl::string_view prefix) {
  size_t count = 0;
  ForEachRecord(dir, [&](const LoggedRecord& record) {
    count += record.record->type() == FILE_OPEN &&
             absl::StartsWith(record.record->file().path(), prefix);
  });
  return count;
}

bool HasRecovery(const std::string& dir, Recovery* out) {
  bool found = false;
  ForEachRecord(dir, [&](const LoggedRecord& record) {
    if (record.record->type() != AGENT_RECOVERY || std::exchange(found, true)) return;
    *out = record.record->recovery();
  });
  return found;
}

TEST(Recover, CleanStopNeedsNoRecovery) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Append("/a").ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  Recovery recovery;
  EXPECT_FALSE(HasRecovery(log.dir.path(), &recovery));
  EXPECT_EQ(log.Verify().verdict, Verdict::kOk);
}

TEST(Recover, CrashIsInTheLog) {
  TestLog log;
  MakeCrashed(&log);
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  Recovery recovery;
  ASSERT_TRUE(HasRecovery(log.dir.path(), &recovery));
  EXPECT_EQ(recovery.how(), "torn");
  EXPECT_GT(recovery.unknown_since_wall_ns(), 1'700'000'000'000'000'000u);
  EXPECT_EQ(log.Verify().verdict, Verdict::kOk);
  EXPECT_EQ(CountOpens(log.dir.path(), "/"), 10u);
}

// What a power cut may leave: the file up to any byte behind the last durable one.
TEST(Recover, EveryTruncationOfTheTailKeepsWhatWasCommitted) {
  TestLog made;
  MakeCrashed(&made);
  const std::string whole = ReadAll(made.SegmentPath(0));
  const uint64_t durable = ReadCheckpointFile(made.dir.path())->offset;
  for (size_t length = durable; length <= whole.size(); ++length) {
    TestLog log;
    CopyLog(made.dir.path(), log.dir.path());
    WriteAllTo(log.SegmentPath(0), whole.substr(0, length));
    ASSERT_TRUE(log.Open().ok()) << length;
    ASSERT_TRUE(log.ledger->Close("stop").ok());
    const Report report = log.Verify();
    ASSERT_EQ(report.verdict, Verdict::kOk) << length;
    ASSERT_EQ(CountOpens(log.dir.path(), "/kept/"), 5u) << length;
  }
}

TEST(Recover, DamageBelowTheDurablePointIsNeverTruncated) {
  TestLog made;
  MakeCrashed(&made);
  const std::string whole = ReadAll(made.SegmentPath(0));
  const uint64_t durable = ReadCheckpointFile(made.dir.path())->offset;
  for (size_t at = 0; at < durable; at += 7) {
    TestLog log;
    CopyLog(made.dir.path(), log.dir.path());
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    WriteAllTo(log.SegmentPath(0), bytes);
    EXPECT_TRUE(absl::IsDataLoss(log.Open())) << at;
    EXPECT_EQ(ReadAll(log.SegmentPath(0)), bytes) << at;
  }
  for (size_t length = 0; length < durable; length += 13) {
    TestLog log;
    CopyLog(made.dir.path(), log.dir.path());
    WriteAllTo(log.SegmentPath(0), whole.substr(0, length));
    EXPECT_TRUE(absl::IsDataLoss(log.Open())) << length;
  }
}

TEST(Recover, ZeroFilledAndGarbageTailsGoToQuarantine) {
  TestLog made;
  MakeCrashed(&made);
  for (const std::string& tail :
       {std::string(4096, '\0'), std::string(5000, '\xff'), std::string("garbage")}) {
    TestLog log;
    CopyLog(made.dir.path(), log.dir.path());
    WriteAllTo(log.SegmentPath(0), ReadAll(made.SegmentPath(0)) + tail);
    ASSERT_TRUE(log.Open().ok());
    ASSERT_TRUE(log.ledger->Close("stop").ok());
    Recovery recovery;
    ASSERT_TRUE(HasRecovery(log.dir.path(), &recovery));
    EXPECT_EQ(recovery.quarantined_bytes(), tail.size());
    EXPECT_EQ(ReadAll(absl::StrCat(log.dir.path(), "/quarantine/", recovery.quarantine_file())),
              tail);
    EXPECT_EQ(log.Verify().verdict, Verdict::kOk);
    EXPECT_EQ(CountOpens(log.dir.path(), "/"), 10u);
  }
}

// The next key was announced, and died with the run.
TEST(Recover, ACrashBetweenTwoEpochsIsNoTampering) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Append("/a").ok());
  ASSERT_TRUE(log.ledger->Rotate("signal").ok());
  log.Crash();
  std::filesystem::remove(log.SegmentPath(1));
  const CheckpointFile newest = *ReadCheckpointFile(log.dir.path());
  ASSERT_EQ(newest.segment, "0000000000.seg") << "the second epoch was never committed";
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  Recovery recovery;
  ASSERT_TRUE(HasRecovery(log.dir.path(), &recovery));
  EXPECT_EQ(recovery.how(), "interrupted");
  const Report report = log.Verify();
  EXPECT_EQ(report.verdict, Verdict::kOk)
      << (report.findings.empty() ? "" : report.findings[0].ToString());
}

TEST(Recover, EmptyOrHalfMadeNextSegmentIsSetAside) {
  TestLog made;
  MakeCrashed(&made);
  ASSERT_TRUE(made.Open().ok());
  made.Crash();
  const std::string second = ReadAll(made.SegmentPath(1));
  for (size_t length : {size_t{0}, size_t{5}, size_t{20}, size_t{150}}) {
    TestLog log;
    MakeCrashed(&log);
    WriteAllTo(log.SegmentPath(1), second.substr(0, length));
    ASSERT_TRUE(log.Open().ok()) << length;
    ASSERT_TRUE(log.ledger->Close("stop").ok());
    EXPECT_EQ(log.Verify().verdict, Verdict::kOk) << length;
  }
}

}  // namespace
}  // namespace cairn::ledger
