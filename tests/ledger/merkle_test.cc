#include "ledger/merkle.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

std::vector<Hash> Leaves(uint64_t n) {
  std::vector<Hash> leaves;
  for (uint64_t i = 0; i < n; ++i) leaves.push_back(LeafHash(absl::StrCat("leaf ", i)));
  return leaves;
}

Hash RootOf(const std::vector<Hash>& leaves, uint64_t n) {
  Frontier frontier;
  for (uint64_t i = 0; i < n; ++i) frontier.Add(leaves[i]);
  return frontier.Root();
}

TEST(Merkle, EmptyTreeIsTheHashOfNothing) {
  EXPECT_EQ(absl::BytesToHexString(View(Frontier().Root())),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Merkle, EveryInclusionProofUpToAHundredVerifiesAndNoOther) {
  const std::vector<Hash> all = Leaves(100);
  for (uint64_t size = 1; size <= all.size(); ++size) {
    const std::vector<Hash> leaves(all.begin(), all.begin() + static_cast<long>(size));
    const Hash root = RootOf(all, size);
    for (uint64_t index = 0; index < size; ++index) {
      std::vector<Hash> proof = InclusionProof(leaves, index);
      ASSERT_TRUE(VerifyInclusion(leaves[index], index, size, root, proof).ok());
      if (size > 1) {
        ASSERT_FALSE(VerifyInclusion(leaves[index], (index + 1) % size, size, root, proof).ok());
      }
      proof.push_back(root);
      ASSERT_TRUE(
          absl::IsInvalidArgument(VerifyInclusion(leaves[index], index, size, root, proof)));
      if (proof.size() > 1) {
        proof.resize(proof.size() - 2);
        ASSERT_FALSE(VerifyInclusion(leaves[index], index, size, root, proof).ok());
      }
    }
    ASSERT_FALSE(VerifyInclusion(leaves[0], size, size, root, {}).ok());
    ASSERT_FALSE(VerifyInclusion(leaves[0], 1ull << 63, size, root, {}).ok());
  }
}

TEST(Merkle, EveryConsistencyProofUpToSixtyVerifiesAndNoOther) {
  const std::vector<Hash> all = Leaves(60);
  for (uint64_t size = 0; size <= all.size(); ++size) {
    const std::vector<Hash> leaves(all.begin(), all.begin() + static_cast<long>(size));
    for (uint64_t old = 0; old <= size; ++old) {
      std::vector<Hash> proof = ConsistencyProof(leaves, old);
      ASSERT_TRUE(VerifyConsistency(old, RootOf(all, old), size, RootOf(all, size), proof).ok())
          << old << " " << size;
      if (old == 0) continue;
      Hash wrong = RootOf(all, old);
      wrong[0] ^= 1;
      ASSERT_FALSE(VerifyConsistency(old, wrong, size, RootOf(all, size), proof).ok());
      proof.push_back(wrong);
      ASSERT_FALSE(VerifyConsistency(old, RootOf(all, old), size, RootOf(all, size), proof).ok());
    }
  }
}

TEST(Merkle, FrontierIsRestoredOnlyFromAsManyHashesAsItsSizeNeeds) {
  const std::vector<Hash> leaves = Leaves(13);
  Frontier frontier;
  for (const Hash& leaf : leaves) frontier.Add(leaf);
  std::vector<std::string> hashes;
  for (const Hash& hash : frontier.hashes()) hashes.emplace_back(View(hash));
  const auto restored = Frontier::Restore(13, hashes);
  ASSERT_TRUE(restored.ok());
  EXPECT_EQ(restored->Root(), frontier.Root());
  EXPECT_FALSE(Frontier::Restore(14, {hashes[0]}).ok());
  hashes[0].pop_back();
  EXPECT_FALSE(Frontier::Restore(13, hashes).ok());
}

}  // namespace
}  // namespace cairn::ledger
