#include "ledger/retention.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ledger/segments.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

constexpr char kCollector[] = "collector.example/1";

// A log of several epochs, and a collector that has receipted some of it.
class RetentionTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(log_.Open().ok());
    for (int epoch = 0; epoch < 6; ++epoch) {
      for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(log_.Append(absl::StrCat("/", epoch, "/", i)).ok());
        log_.ledger->Flush();
      }
      ASSERT_TRUE(log_.ledger->Sync().ok());
      *log_.clock_ns += 1'000'000'000;
      ASSERT_TRUE(log_.ledger->Rotate("size").ok());
    }
    ASSERT_TRUE(log_.ledger->Sync().ok());
    receipted_ = log_.ledger->stats().checkpoint_size;
    const auto file = ReadCheckpointFile(log_.dir.path());
    ASSERT_TRUE(file.ok());
    auto note = Note::Parse(file->note);
    ASSERT_TRUE(note.ok());
    note->signatures.push_back(CosignNote(note->text, kCollector, collector_, 1'790'000'000));
    receipt_ = note->ToString();
  }

  VerifierKey CollectorKey() const {
    return {kCollector, SignatureType::kCosignature, collector_.public_key()};
  }

  // As cairnd does: record, durable, delete.
  void Retain(RetentionPlan plan) {
    plan.record.set_receipt(receipt_);
    Record record;
    record.set_type(AGENT_RETENTION);
    *record.mutable_retention() = plan.record;
    Entry entry;
    entry.time_ns = ++*log_.clock_ns;
    entry.record = &record;
    entry.urgent = true;
    ASSERT_TRUE(log_.ledger->Append(entry).ok());
    ASSERT_TRUE(log_.ledger->Sync().ok());
    ASSERT_TRUE(DeleteSegments(Io::Real(), log_.dir.path(), plan).ok());
  }

  RetentionPlan Plan(const RetentionWish& wish, uint64_t receipted) {
    auto plan = PlanRetention(log_.dir.path(), wish, receipted);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return *plan;
  }

  Report Verify() {
    VerifyOptions options;
    options.key = log_.verifier_key();
    options.collector_key = CollectorKey();
    return VerifyLog(log_.dir.path(), options);
  }

  TestLog log_;
  SigningKey collector_ = SigningKey::Generate();
  uint64_t receipted_ = 0;
  std::string receipt_;
};

TEST_F(RetentionTest, WhatIsDeletedAfterItsRecordLeavesALogThatIsOk) {
  const RetentionPlan plan = Plan({.keep_bytes = 1}, receipted_);
  ASSERT_EQ(plan.paths.size(), 6u);
  EXPECT_EQ(plan.record.first_epoch(), 0u);
  EXPECT_EQ(plan.record.last_epoch(), 5u);
  EXPECT_EQ(plan.record.reason(), "size");
  Retain(plan);
  const Report report = Verify();
  EXPECT_EQ(report.verdict, Verdict::kOk);
  EXPECT_EQ(report.first_epoch, 6u);
  EXPECT_EQ(report.first_block, plan.record.end_block());
  // And the log goes on.
  ASSERT_TRUE(log_.ledger->Close("stop").ok());
  ASSERT_TRUE(log_.Open().ok());
  EXPECT_EQ(Verify().verdict, Verdict::kOk);
}

TEST_F(RetentionTest, WithoutTheRecordTheBeginningIsMissing) {
  const RetentionPlan plan = Plan({.keep_bytes = 1}, receipted_);
  ASSERT_TRUE(DeleteSegments(Io::Real(), log_.dir.path(), plan).ok());
  const Report report = Verify();
  EXPECT_EQ(report.verdict, Verdict::kIncomplete);
  EXPECT_EQ(report.incomplete_from, 0u);
}

// Power may fail between two unlinks.
TEST_F(RetentionTest, AnInterruptedDeletionIsOkAtEveryPlace) {
  RetentionPlan plan = Plan({.keep_bytes = 1}, receipted_);
  const std::vector<std::string> paths = std::exchange(plan.paths, {});
  Retain(plan);
  for (const std::string& path : paths) {
    ASSERT_TRUE(std::filesystem::remove(path));
    EXPECT_EQ(Verify().verdict, Verdict::kOk) << path;
  }
}

// More than the record names is gone.
TEST_F(RetentionTest, DeletingMoreThanWasRecordedIsSeen) {
  RetentionPlan plan = Plan({.free_bytes = 1}, receipted_);
  ASSERT_EQ(plan.paths.size(), 1u);
  EXPECT_EQ(plan.record.reason(), "disk");
  Retain(plan);
  EXPECT_EQ(Verify().verdict, Verdict::kOk);
  ASSERT_TRUE(std::filesystem::remove(log_.SegmentPath(1)));
  EXPECT_EQ(Verify().verdict, Verdict::kIncomplete);
  ASSERT_TRUE(std::filesystem::remove(log_.SegmentPath(3)));
  EXPECT_EQ(Verify().verdict, Verdict::kTampered);
}

TEST_F(RetentionTest, OnlyWhatIsReceiptedMayGo) {
  EXPECT_TRUE(Plan({.keep_bytes = 1}, 0).paths.empty());
  const auto header = ReadHeader(log_.SegmentPath(2));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(Plan({.keep_bytes = 1}, header->first_block()).paths.size(), 2u);
  EXPECT_EQ(Plan({.keep_bytes = 1}, header->first_block() - 1).paths.size(), 1u);
  // The open segment never.
  EXPECT_EQ(Plan({.keep_bytes = 1}, UINT64_MAX).paths.size(), 6u);
}

TEST_F(RetentionTest, SizeAndAgeDecideHowMuchGoes) {
  EXPECT_TRUE(Plan({}, receipted_).paths.empty());
  uint64_t all = 0;
  const auto segments = ListSegments(log_.dir.path());
  ASSERT_TRUE(segments.ok());
  for (const SegmentInfo& segment : *segments) all += segment.file_bytes;
  EXPECT_EQ(Plan({.keep_bytes = all - 1}, receipted_).paths.size(), 1u);
  const auto header = ReadHeader(log_.SegmentPath(3));
  ASSERT_TRUE(header.ok());
  const RetentionPlan old = Plan({.oldest_wall_ns = header->created_wall_ns() + 1}, receipted_);
  EXPECT_EQ(old.paths.size(), 3u);
  EXPECT_EQ(old.record.reason(), "age");
}

TEST_F(RetentionTest, ARecordThatProvesNothingIsRefused) {
  Retention record = Plan({.keep_bytes = 1}, receipted_).record;
  record.set_receipt(receipt_);
  Hash root;
  std::copy(record.root().begin(), record.root().end(), root.begin());
  const uint64_t first = record.end_block();
  const VerifierKey key = log_.verifier_key();
  EXPECT_TRUE(CheckRetention(record, first, root, key, CollectorKey()).ok());

  EXPECT_TRUE(absl::IsDataLoss(CheckRetention(record, first + 1, root, key, CollectorKey())));
  EXPECT_TRUE(absl::IsDataLoss(CheckRetention(record, first, Hash{}, key, CollectorKey())));
  VerifierKey stranger = CollectorKey();
  stranger.public_key = SigningKey::Generate().public_key();
  EXPECT_TRUE(absl::IsDataLoss(CheckRetention(record, first, root, key, stranger)));
  VerifierKey other_log = key;
  other_log.public_key = SigningKey::Generate().public_key();
  EXPECT_TRUE(absl::IsDataLoss(CheckRetention(record, first, root, other_log, CollectorKey())));
  Retention beyond = record;
  beyond.set_end_block(receipted_ + 1);
  EXPECT_TRUE(absl::IsDataLoss(CheckRetention(beyond, receipted_ + 1, root, key, CollectorKey())));
  Retention bare = record;
  bare.set_receipt("nothing");
  EXPECT_TRUE(absl::IsDataLoss(CheckRetention(bare, first, root, key, CollectorKey())));
}

}  // namespace
}  // namespace cairn::ledger
