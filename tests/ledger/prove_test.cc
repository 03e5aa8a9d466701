#include "ledger/prove.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
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
