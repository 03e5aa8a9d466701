#include "ledger/ledger.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ledger/prove.h"
#include "ledger/reader.h"
#include "ledger/segments.h"
#include "tests/ledger/each_record.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

std::vector<std::string> Paths(const std::string& dir) {
  std::vector<std::string> paths;
  uint64_t sequence = 0;
  ForEachRecord(dir, [&](const LoggedRecord& record) {
    EXPECT_EQ(record.sequence, sequence++);
    if (record.record->type() == FILE_OPEN) paths.push_back(record.record->file().path());
  });
  return paths;
}

TEST(Ledger, ClosedLogIsOkThroughItsEnd) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(log.Append(absl::StrCat("/file/", i)).ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  const Report report = log.Verify();
  EXPECT_EQ(report.verdict, Verdict::kOk)
      << (report.findings.empty() ? "" : report.findings[0].ToString());
  EXPECT_EQ(report.through, report.size);
  EXPECT_EQ(report.records, 502u) << "500, and the epoch's opening and close";
  EXPECT_EQ(Paths(log.dir.path()).size(), 500u);
}

TEST(Ledger, RecordsComeBackWithProcessRuleAndTime) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Append("/a", 42).ok());
  const uint64_t time = *log.clock_ns;
  log.ledger->Flush();
  ASSERT_TRUE(log.Append("/b", 42).ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  auto reader = LogReader::Open(log.dir.path());
  ASSERT_TRUE(reader.ok());
  LoggedRecord record;
  for (int i = 0; i < 2; ++i) ASSERT_EQ(*(*reader)->Next(&record), ReadEnd::kRecord);
  EXPECT_EQ(record.time_ns, time);
  EXPECT_EQ(record.wall_ns, time + 1'700'000'000'000'000'000);
  EXPECT_EQ(record.rules, std::vector<absl::string_view>{"test-rule"});
  EXPECT_EQ(record.process->argv(1), "--pid=42");
  ASSERT_EQ(*(*reader)->Next(&record), ReadEnd::kRecord);
  EXPECT_EQ(record.block, 2u);
  EXPECT_EQ(record.process->argv(1), "--pid=42") << "details from an earlier block";
}

TEST(Ledger, EveryRotationSealsAndLinks) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  for (int epoch = 0; epoch < 5; ++epoch) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(log.Append("/x").ok());
    ASSERT_TRUE(log.ledger->Rotate("signal").ok());
  }
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  const Report report = log.Verify();
  EXPECT_EQ(report.verdict, Verdict::kOk)
      << (report.findings.empty() ? "" : report.findings[0].ToString());
  EXPECT_EQ(report.segments, 6u);
  EXPECT_THAT(report.notes, testing::IsEmpty());
}

TEST(Ledger, BlocksThatCloseBetweenTwoTicksAreChainedInOrder) {
  for (uint64_t blocks = 1; blocks <= 9; ++blocks) {
    TestLog log;
    ASSERT_TRUE(log.Open().ok());
    const uint64_t before = log.ledger->stats().size;
    for (uint64_t i = 0; i < blocks; ++i) {
      ASSERT_TRUE(log.Append(absl::StrCat("/", i)).ok());
      log.ledger->Flush();
      ASSERT_EQ(log.ledger->stats().size, before + i + 1);
    }
    ASSERT_TRUE(log.Append("/urgent", 1, true).ok());
    log.Advance(absl::ZeroDuration());
    EXPECT_EQ(log.ledger->stats().checkpoint_size, before + blocks + 1);
    for (uint64_t i = 0; i < blocks; ++i) {
      ASSERT_TRUE(log.Append(absl::StrCat("/", i)).ok());
      log.ledger->Flush();
    }
    ASSERT_TRUE(log.ledger->Close("stop").ok());
    const Report report = log.Verify();
    EXPECT_EQ(report.verdict, Verdict::kOk)
        << (report.findings.empty() ? "" : report.findings[0].ToString());
    EXPECT_EQ(Paths(log.dir.path()).size(), 2 * blocks + 1);
  }
}

// Whoever handed a record over may forget it only then: a kill takes what is in memory.
TEST(Ledger, SaysWhatAKillWouldTake) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  EXPECT_FALSE(log.ledger->unwritten());
  const auto take = [&log](const std::string& path) {
    EXPECT_TRUE(log.Append(path).ok());
    EXPECT_TRUE(log.ledger->unwritten());
    log.ledger->Flush();
    log.ledger->Tick();
  };
  *log.clock_ns += 1'000'000'000;
  take("/after a while");
  EXPECT_FALSE(log.ledger->unwritten());
  take("/at once again");  // its write waits
  EXPECT_TRUE(log.ledger->unwritten());
  EXPECT_THAT(Paths(log.dir.path()), testing::ElementsAre("/after a while"));
  log.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(log.ledger->unwritten());
  take("/and again");
  log.ledger->Write();
  EXPECT_FALSE(log.ledger->unwritten());
  EXPECT_EQ(Paths(log.dir.path()).size(), 3u);
}

// Also while a checkpoint is due that goes with the next commit.
TEST(Ledger, WhoeverCallsTickMaySleepBetween) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  for (int ms = 0; ms < 1200; ++ms) {
    ASSERT_TRUE(log.Append(absl::StrCat("/", ms)).ok());
    log.Advance(absl::Milliseconds(1));
    ASSERT_GT(log.ledger->Tick(), absl::ZeroDuration()) << "after " << ms << " ms";
  }
}

// Writes are a millisecond apart; the first of them waits for nothing.
TEST(Ledger, WhatComesAloneIsWrittenAtOnce) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  const auto append = [&log](const std::string& path) {
    EXPECT_TRUE(log.Append(path).ok());
    log.ledger->Flush();
    (void)log.ledger->Tick();
  };
  const auto size = [&log] { return std::filesystem::file_size(log.SegmentPath(0)); };
  log.Advance(absl::Milliseconds(3));  // a Tick that finds nothing to write is no write
  *log.clock_ns += 100'000;
  const auto before = size();
  append("/alone");
  const auto after = size();
  EXPECT_GT(after, before);
  *log.clock_ns += 100'000;
  append("/soon after");
  EXPECT_EQ(size(), after);
  *log.clock_ns += 500'000;
  (void)log.ledger->Tick();
  EXPECT_GT(size(), after);
}

// What vouches for its end is newer than what was there when the reading began.
TEST(Ledger, ReadWhileItIsWrittenNothingIsMissing) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  const std::string receipts = log.dir.path() + "/receipts/";
  std::filesystem::create_directory(receipts);
  for (int i = 0; i < 2000; ++i)
    WriteAllTo(absl::StrCat(receipts, "a", i), "takes a while to read");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      EXPECT_TRUE(log.Append(absl::StrCat("/", i)).ok());
      EXPECT_TRUE(log.ledger->Sync().ok());
      WriteAllTo(receipts + "new", ReadCheckpointFile(log.dir.path())->note);
      std::filesystem::rename(receipts + "new", receipts + "z.receipt");
    }
  });
  while (!std::filesystem::exists(receipts + "z.receipt")) absl::SleepFor(absl::Milliseconds(1));
  for (int i = 0; i < 10 && !HasFailure(); ++i) {
    const Report report = log.Verify();
    EXPECT_EQ(report.verdict, Verdict::kOk)
        << (report.findings.empty() ? "" : report.findings[0].ToString());
    const auto proof = ProveRecord(log.dir.path(), 1, {});
    EXPECT_TRUE(proof.ok()) << proof.status();
  }
  done = true;
  writer.join();
}

TEST(Ledger, UrgentRecordIsVouchedForAtOnceOthersWithinHalfASecond) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Append("/urgent", 1, true).ok());
  log.Advance(absl::ZeroDuration());
  EXPECT_EQ(log.ledger->stats().checkpoint_size, log.ledger->stats().size);
  ASSERT_TRUE(log.Append("/calm").ok());
  log.Advance(absl::Milliseconds(2));
  const uint64_t size = log.ledger->stats().size;
  EXPECT_LT(log.ledger->stats().checkpoint_size, size);
  log.Advance(absl::Milliseconds(60));
  EXPECT_EQ(log.ledger->stats().durable_size, size);
  log.Advance(absl::Milliseconds(440));
  EXPECT_EQ(log.ledger->stats().checkpoint_size, size);
}

TEST(Ledger, ReceiptRecordsMakeNoCheckpointDue) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  Record record;
  record.set_type(AGENT_RECEIPT);
  Entry entry;
  entry.time_ns = *log.clock_ns;
  entry.record = &record;
  ASSERT_TRUE(log.ledger->Append(entry).ok());
  const uint64_t before = log.ledger->stats().checkpoint_size;
  log.Advance(absl::Milliseconds(2));
  log.Advance(absl::Seconds(5));
  EXPECT_EQ(log.ledger->stats().checkpoint_size, before);
  EXPECT_EQ(log.ledger->stats().durable_size, log.ledger->stats().size);
}

TEST(Ledger, SegmentsRotateBySizeAndAge) {
  TestLog log;
  log.limits.segment_bytes = 300 << 10;
  log.limits.compress = false;
  ASSERT_TRUE(log.Open().ok());
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(log.Append(absl::StrCat("/a/rather/long/path/so/that/segments/fill/", i)).ok());
    if (i % 50 == 0) log.Advance(absl::Milliseconds(1));
  }
  EXPECT_GE(log.ledger->stats().epoch, 1u);
  const uint64_t epoch = log.ledger->stats().epoch;
  log.Advance(absl::Minutes(11));
  EXPECT_EQ(log.ledger->stats().epoch, epoch + 1);
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  EXPECT_EQ(log.Verify().verdict, Verdict::kOk);
  const auto segments = ListSegments(log.dir.path());
  for (const SegmentInfo& segment : *segments) EXPECT_LE(segment.file_bytes, 320u << 10);
}

TEST(Ledger, TwoWritersAreRefused) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  const auto second = Ledger::Open(log.options(), log.key());
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
}

TEST(Ledger, RecordTooLargeForABlockIsRefusedAndNothingChanges) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  EXPECT_TRUE(absl::IsInvalidArgument(log.Append(std::string(70000, 'x'), 1)));
  ASSERT_TRUE(log.Append("/fits").ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  EXPECT_EQ(Paths(log.dir.path()), std::vector<std::string>{"/fits"});
  EXPECT_EQ(log.Verify().verdict, Verdict::kOk);
}

// Fails every call of one kind while `broken`.
class BrokenIo : public Io {
 public:
  ssize_t Write(int fd, const void* data, size_t size) override {
    return Fails() ? -1 : Io::Write(fd, data, size);
  }
  int Fdatasync(int fd) override { return Fails() ? -1 : Io::Fdatasync(fd); }
  int Open(const char* path, int flags, mode_t mode) override {
    return (flags & O_CREAT) != 0 && Fails() ? -1 : Io::Open(path, flags, mode);
  }
  bool broken = false;

 private:
  bool Fails() {
    if (broken) errno = EIO;
    return broken;
  }
};

TEST(Ledger, StorageFaultLosesNothingThatWasTaken) {
  BrokenIo io;
  TestLog log(&io);
  ASSERT_TRUE(log.Open().ok());
  uint64_t taken = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 100; ++i) {
      if (i == 50) io.broken = true;
      if (log.Append(absl::StrCat("/", round, "/", i)).ok()) ++taken;
      if (i % 10 == 0) log.Advance(absl::Milliseconds(60));
    }
    EXPECT_FALSE(log.ledger->stats().fault.ok());
    io.broken = false;
    log.Advance(absl::Seconds(2));
    EXPECT_TRUE(log.ledger->stats().fault.ok()) << log.ledger->stats().fault;
  }
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  const Report report = log.Verify();
  EXPECT_EQ(report.verdict, Verdict::kOk)
      << (report.findings.empty() ? "" : report.findings[0].ToString());
  EXPECT_EQ(Paths(log.dir.path()).size(), taken);
  // Also those in blocks that were carried, and were written when the reader had been told already.
  auto reader = LogReader::Open(log.dir.path());
  ASSERT_TRUE(reader.ok());
  LoggedRecord logged;
  uint64_t described = 0;
  for (auto end = (*reader)->Next(&logged); end.ok() && *end == ReadEnd::kRecord;
       end = (*reader)->Next(&logged)) {
    if (logged.record->type() != FILE_OPEN) continue;
    ASSERT_NE(logged.process, nullptr);
    described += logged.process->argv_size() > 0;
  }
  EXPECT_EQ(described, taken);
}

}  // namespace
}  // namespace cairn::ledger
