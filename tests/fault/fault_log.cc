#include "tests/fault/fault_log.h"

#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "ledger/segments.h"
#include "tests/ledger/each_record.h"

namespace cairn::ledger {
namespace {

struct Found {
  std::vector<uint64_t> numbers;
  bool recovery = false;
};

Found ReadNumbers(const std::string& dir) {
  Found found;
  ForEachRecord(dir, [&found](const LoggedRecord& record) {
    found.recovery = found.recovery || record.record->type() == AGENT_RECOVERY;
    absl::string_view path = record.record->file().path();
    uint64_t number = 0;
    if (absl::ConsumePrefix(&path, "/n/") && absl::SimpleAtoi(path, &number)) {
      found.numbers.push_back(number);
    }
  });
  return found;
}

}  // namespace

void FaultLog::Live(int records) {
  for (int i = 0; i < records; ++i) {
    const absl::Status taken = log_.Append(absl::StrCat("/n/", generated_));
    taken.ok() ? taken_.push_back(generated_) : void(++refused_);
    ++generated_;
    if (random_() % 4 == 0) log_.ledger->Flush();
    if (random_() % 5 == 0) Sync();
    if (i == records / 2) {
      log_.ledger->Rotate("size").IgnoreError();
      Sync();
    }
    RetryWhileFaulty();
  }
}

void FaultLog::Sync() {
  if (!log_.ledger->Sync().ok()) return;
  durable_ = taken_.size();
  if (random_() % 2 == 0) TakeReceipt();
}

// As the shipper would: what the file `checkpoint` vouches for has been shipped and receipted.
void FaultLog::TakeReceipt() {
  const auto file = ReadCheckpointFile(log_.dir.path());
  if (!file.ok()) return;
  const auto note = Note::Parse(file->note);
  ASSERT_TRUE(note.ok()) << note.status();
  const auto checkpoint = Checkpoint::Parse(note->text);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  receipted_ = checkpoint->size;
  WriteAllTo(absl::StrCat(log_.dir.path(), "/receipts/newest"), file->note);
}

void FaultLog::RetryWhileFaulty() {
  if (log_.ledger->stats().fault.ok()) return;
  *log_.clock_ns += 1'000'000'000;
  log_.ledger->Tick();
  if (log_.ledger->stats().fault.ok()) Sync();
}

void FaultLog::MendAndClose() {
  disk_.Mend();
  RetryWhileFaulty();
  ASSERT_TRUE(log_.ledger->stats().fault.ok()) << log_.ledger->stats().fault;
  const absl::Status closed = log_.ledger->Close("stop");
  ASSERT_TRUE(closed.ok()) << closed;
  durable_ = taken_.size();
  log_.ledger.reset();
}

void FaultLog::CrashAndReopen() {
  log_.Crash();
  disk_.Crash();
  crashed_ = true;
  const absl::Status opened = Open();
  ASSERT_TRUE(opened.ok()) << opened;
  const absl::Status closed = log_.ledger->Close("stop");
  ASSERT_TRUE(closed.ok()) << closed;
  log_.ledger.reset();
}

void FaultLog::Check() {
  const Report report = log_.Verify();
  ASSERT_EQ(report.verdict, Verdict::kOk)
      << (report.findings.empty() ? "" : report.findings.front().ToString());
  EXPECT_EQ(report.tags_checked, report.size) << "the keys go on through faults";
  EXPECT_GE(report.size, receipted_) << "a receipted block is gone";
  const Found found = ReadNumbers(log_.dir.path());
  ASSERT_LE(found.numbers.size(), taken_.size());
  for (size_t i = 0; i < found.numbers.size(); ++i) ASSERT_EQ(found.numbers[i], taken_[i]);
  EXPECT_GE(found.numbers.size(), durable_) << "a durable record is gone";
  EXPECT_EQ(taken_.size() + refused_, generated_);
  if (found.numbers.size() < taken_.size()) {
    EXPECT_TRUE(crashed_) << "records are gone without a crash";
    EXPECT_TRUE(found.recovery) << "records are gone, and no record says so";
  }
}

}  // namespace cairn::ledger
