#include "ledger/prove.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "ledger/frame.h"
#include "ledger/segments.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

class Prove : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(log_.Open().ok());
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(log_.Append(absl::StrCat("/", i)).ok());
      if (i % 3 == 0) log_.ledger->Flush();
      if (i % 15 != 14) continue;
      ASSERT_TRUE(log_.ledger->Rotate("signal").ok());
    }
    ASSERT_TRUE(log_.ledger->Close("stop").ok());
  }
  TestLog log_;
};

TEST_F(Prove, EveryRecordsBlockIsProvenAndOnlyThat) {
  const uint64_t records = log_.ledger->stats().next_sequence;
  for (uint64_t sequence = 0; sequence < records; ++sequence) {
    const auto proof = ProveRecord(log_.dir.path(), sequence, nullptr);
    ASSERT_TRUE(proof.ok()) << sequence << proof.status();
    const auto parsed = BlockProof::Parse(proof->ToString());
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(CheckProof(*parsed, proof->block, log_.verifier_key()).ok()) << sequence;
    EXPECT_FALSE(CheckProof(*parsed, proof->block + "x", log_.verifier_key()).ok());
    VerifierKey other = log_.verifier_key();
    other.public_key = SigningKey::Generate().public_key();
    EXPECT_FALSE(CheckProof(*parsed, proof->block, other).ok());
  }
  EXPECT_TRUE(absl::IsNotFound(ProveRecord(log_.dir.path(), records, nullptr).status()));
}

TEST_F(Prove, AnySizeExtendsAnyEarlierOne) {
  const uint64_t blocks = log_.ledger->stats().size;
  for (uint64_t size = 0; size <= blocks; size += 3) {
    for (uint64_t old = 0; old <= size; ++old) {
      const auto report = ProveConsistency(log_.dir.path(), old, size, nullptr);
      ASSERT_TRUE(report.ok());
      EXPECT_TRUE(
          VerifyConsistency(old, report->old_root, size, report->root, report->hashes).ok());
    }
  }
  EXPECT_FALSE(ProveConsistency(log_.dir.path(), 0, blocks + 1, nullptr).ok());
  EXPECT_FALSE(ProveConsistency(log_.dir.path(), 2, 1, nullptr).ok());
}

// Sixty segments of one size: what is read for one record must not grow with their number.
class ProveInALongLog : public testing::Test {
 protected:
  static constexpr int kSegments = 60;
  static constexpr int kBlocks = 20;  // a segment, beside its opening and close

  void SetUp() override {
    ASSERT_TRUE(log_.Open().ok());
    for (int segment = 0; segment < kSegments; ++segment) {
      for (int i = 0; i < kBlocks; ++i) {
        ASSERT_TRUE(log_.Append(absl::StrCat("/", segment, "/", i)).ok());
        log_.ledger->Flush();
      }
      ASSERT_TRUE(log_.ledger->Rotate("signal").ok());
    }
    ASSERT_TRUE(log_.ledger->Close("stop").ok());
    records_ = log_.ledger->stats().next_sequence;
    segment_bytes_ = std::filesystem::file_size(log_.SegmentPath(kSegments / 2));
  }

  TestLog log_;
  uint64_t records_ = 0;
  uint64_t segment_bytes_ = 0;
};

TEST_F(ProveInALongLog, AFewSegmentsAreReadForAnyRecord) {
  for (uint64_t sequence = 0; sequence < records_; sequence += 7) {
    uint64_t read = 0;
    const auto proof =
        ProveRecord(log_.dir.path(), sequence, [&read](uint64_t done, uint64_t) { read = done; });
    ASSERT_TRUE(proof.ok()) << sequence << proof.status();
    EXPECT_TRUE(CheckProof(*proof, proof->block, log_.verifier_key()).ok()) << sequence;
    // To find the record, for its own segment's part of the path, and for each doubling behind it.
    EXPECT_LT(read, 9 * segment_bytes_) << sequence;
  }
}

TEST_F(ProveInALongLog, TheBeginningMayBeGone) {
  const uint64_t first = ReadHeader(log_.SegmentPath(21))->first_sequence();
  for (uint64_t epoch = 0; epoch <= 20; ++epoch) {
    std::filesystem::remove(log_.SegmentPath(epoch));
  }
  for (uint64_t sequence = 0; sequence < records_; sequence += 11) {
    const auto proof = ProveRecord(log_.dir.path(), sequence, nullptr);
    ASSERT_EQ(proof.ok(), sequence >= first) << sequence << proof.status();
    if (!proof.ok()) {
      EXPECT_TRUE(absl::IsNotFound(proof.status())) << proof.status();
    } else {
      EXPECT_TRUE(CheckProof(*proof, proof->block, log_.verifier_key()).ok()) << sequence;
    }
  }
  const uint64_t blocks = log_.ledger->stats().size;
  EXPECT_TRUE(ProveConsistency(log_.dir.path(), blocks / 2, blocks, nullptr).ok());
  EXPECT_TRUE(absl::IsNotFound(ProveConsistency(log_.dir.path(), 3, blocks, nullptr).status()));
}

// A header's frontier is taken as it stands: what comes of a wrong one is no proof.
TEST_F(ProveInALongLog, AWrongFrontierProvesNothing) {
  const uint64_t blocks = log_.ledger->stats().size;
  for (const uint64_t epoch : {1, 17, 32, 60}) {
    const std::string path = log_.SegmentPath(epoch);
    const std::string good = ReadAll(path);
    SegmentHeader header = *ReadHeader(path);
    for (int i = 0; i < header.frontier_size(); ++i) {
      SegmentHeader wrong = header;
      (*wrong.mutable_frontier(i))[7] ^= 1;
      WriteAllTo(path, MakeHeader(wrong) + good.substr(MakeHeader(header).size()));
      for (uint64_t sequence = 0; sequence < records_; sequence += 97) {
        const auto proof = ProveRecord(log_.dir.path(), sequence, nullptr);
        if (proof.ok()) {
          EXPECT_TRUE(CheckProof(*proof, proof->block, log_.verifier_key()).ok());
        } else {
          EXPECT_TRUE(absl::IsDataLoss(proof.status())) << proof.status();
        }
      }
      const auto report = ProveConsistency(log_.dir.path(), blocks / 3, blocks - 5, nullptr);
      EXPECT_TRUE(report.ok() || absl::IsDataLoss(report.status())) << report.status();
    }
    WriteAllTo(path, good);
  }
}

TEST_F(Prove, MalformedProofsAreRefused) {
  const std::string good = ProveRecord(log_.dir.path(), 5, nullptr)->ToString();
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"@v1", "@v2"},
                                                        {"index ", "index 0"},
                                                        {"index ", "index -"},
                                                        {"\n\n", "\n"},
                                                        {"=\n", "\n"}}) {
    const auto parsed = BlockProof::Parse(absl::StrReplaceAll(good, {{from, to}}));
    EXPECT_FALSE(parsed.ok() && parsed->ToString() == good) << from;
    EXPECT_FALSE(parsed.ok()) << from;
  }
  BlockProof beyond = *BlockProof::Parse(good);
  beyond.index = 1ull << 63;
  EXPECT_FALSE(CheckProof(beyond, "x", log_.verifier_key()).ok());
}

}  // namespace
}  // namespace cairn::ledger
