// Attacks on proofs: RFC 9162 §2.1 and c2sp.org/tlog-proof, by whoever chooses every byte.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "ledger/merkle.h"
#include "ledger/prove.h"
#include "tests/attack/attack.h"

namespace cairn::attack {
namespace {

using ledger::BlockProof;
using ledger::Hash;

constexpr uint64_t kMaxSize = 33;

std::vector<Hash> Leaves(uint64_t size) {
  std::vector<Hash> leaves;
  for (uint64_t i = 0; i < size; ++i) leaves.push_back(ledger::LeafHash(absl::StrCat("block ", i)));
  return leaves;
}

Hash RootOf(const std::vector<Hash>& leaves, uint64_t size) {
  ledger::Frontier frontier;
  for (uint64_t i = 0; i < size; ++i) frontier.Add(leaves[i]);
  return frontier.Root();
}

class AttackOnProofs : public AttackTest {};

TEST_F(AttackOnProofs, WrongLength) {
  ShownBy(Anchor::kNone);
  for (uint64_t size = 1; size <= kMaxSize; ++size) {
    const std::vector<Hash> leaves = Leaves(size);
    const Hash root = RootOf(leaves, size);
    for (uint64_t index = 0; index < size; ++index) {
      std::vector<Hash> proof = ledger::InclusionProof(leaves, index);
      ASSERT_TRUE(ledger::VerifyInclusion(leaves[index], index, size, root, proof).ok());
      proof.push_back(root);
      EXPECT_TRUE(absl::IsInvalidArgument(
          ledger::VerifyInclusion(leaves[index], index, size, root, proof)));
      proof.pop_back();
      if (proof.empty()) continue;
      proof.pop_back();
      EXPECT_TRUE(absl::IsInvalidArgument(
          ledger::VerifyInclusion(leaves[index], index, size, root, proof)));
    }
    for (uint64_t old = 0; old <= size; ++old) {
      const Hash old_root = RootOf(leaves, old);
      std::vector<Hash> proof = ledger::ConsistencyProof(leaves, old);
      ASSERT_TRUE(ledger::VerifyConsistency(old, old_root, size, root, proof).ok());
      proof.push_back(root);
      EXPECT_FALSE(ledger::VerifyConsistency(old, old_root, size, root, proof).ok()) << old;
      proof.pop_back();
      if (proof.empty()) continue;
      proof.pop_back();
      EXPECT_FALSE(ledger::VerifyConsistency(old, old_root, size, root, proof).ok()) << old;
    }
  }
}

TEST_F(AttackOnProofs, AnyFlippedBit) {
  ShownBy(Anchor::kNone);
  const std::vector<Hash> leaves = Leaves(kMaxSize);
  const Hash root = RootOf(leaves, kMaxSize);
  for (uint64_t index = 0; index < kMaxSize; index += 4) {
    const std::vector<Hash> good = ledger::InclusionProof(leaves, index);
    for (size_t bit = 0; bit < good.size() * 256; ++bit) {
      std::vector<Hash> bad = good;
      bad[bit / 256][bit % 256 / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
      EXPECT_FALSE(ledger::VerifyInclusion(leaves[index], index, kMaxSize, root, bad).ok());
    }
  }
}

TEST_F(AttackOnProofs, AnotherIndexOrSize) {
  ShownBy(Anchor::kNone);
  for (uint64_t size = 2; size <= kMaxSize; ++size) {
    const std::vector<Hash> leaves = Leaves(size);
    const Hash root = RootOf(leaves, size);
    for (uint64_t index = 0; index < size; ++index) {
      const std::vector<Hash> proof = ledger::InclusionProof(leaves, index);
      for (uint64_t other = 0; other < size + 3; ++other) {
        if (other == index) continue;
        EXPECT_FALSE(ledger::VerifyInclusion(leaves[index], other, size, root, proof).ok());
      }
    }
  }
}

TEST_F(AttackOnProofs, AnIndexBeyondTheSizeOrTwoToThe63) {
  ShownBy(Anchor::kNone);
  const Hash leaf = ledger::LeafHash("x");
  const std::vector<Hash> one = {leaf};
  for (const uint64_t index : {uint64_t{1}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ledger::VerifyInclusion(leaf, index, 1, leaf, {})));
    EXPECT_FALSE(ledger::VerifyInclusion(leaf, index, 1, leaf, one).ok());
    EXPECT_FALSE(ledger::VerifyInclusion(leaf, index, index, leaf, one).ok());
    EXPECT_FALSE(ledger::VerifyInclusion(leaf, 0, index + (index == 1), leaf, {}).ok());
    EXPECT_FALSE(ledger::VerifyConsistency(index, leaf, 1, leaf, {}).ok() && index != 1);
    EXPECT_FALSE(ledger::VerifyConsistency(1, leaf, UINT64_MAX, leaf, one).ok());
  }
  EXPECT_FALSE(ledger::VerifyInclusion(leaf, 0, 0, leaf, {}).ok());
  const auto proof = ledger::ProveRecord(log_.dir.path(), 3, nullptr);
  ASSERT_TRUE(proof.ok()) << proof.status();
  for (const uint64_t index : {kBlocks, uint64_t{1} << 63, UINT64_MAX}) {
    BlockProof bad = *proof;
    bad.index = index;
    EXPECT_FALSE(ledger::CheckProof(bad, proof->block, log_.verifier_key()).ok()) << index;
  }
}

TEST_F(AttackOnProofs, LeadingZerosAndOtherSpellingsOfNumbers) {
  ShownBy(Anchor::kNone);
  const auto proof = ledger::ProveRecord(log_.dir.path(), 3, nullptr);
  ASSERT_TRUE(proof.ok());
  const std::string text = proof->ToString();
  ASSERT_TRUE(BlockProof::Parse(text).ok());
  for (const char* index : {"03", "+3", " 3", "3 ", "0x3", "3.0", "", "-3", "3\t",
                            "18446744073709551616", "9223372036854775808000"}) {
    const std::string bad =
        absl::StrReplaceAll(text, {{"\nindex 3\n", absl::StrCat("\nindex ", index, "\n")}});
    ASSERT_NE(bad, text);
    EXPECT_FALSE(BlockProof::Parse(bad).ok()) << index;
  }
}

TEST_F(AttackOnProofs, MoreHashesThanAnyTreeHasLevels) {
  ShownBy(Anchor::kNone);
  auto proof = ledger::ProveRecord(log_.dir.path(), 3, nullptr);
  ASSERT_TRUE(proof.ok());
  proof->hashes.resize(64);
  EXPECT_TRUE(BlockProof::Parse(proof->ToString()).ok());
  EXPECT_FALSE(ledger::CheckProof(*proof, proof->block, log_.verifier_key()).ok());
  proof->hashes.resize(65);
  EXPECT_FALSE(BlockProof::Parse(proof->ToString()).ok());
  proof->hashes.resize(100'000);
  EXPECT_FALSE(BlockProof::Parse(proof->ToString()).ok());
}

// An inner node is no leaf and a leaf no inner node: they are hashed with other first bytes.
TEST_F(AttackOnProofs, SecondPreimageOfALeafOrANode) {
  ShownBy(Anchor::kNone);
  for (uint64_t size = 2; size <= kMaxSize; size += 3) {
    const std::vector<Hash> leaves = Leaves(size);
    const Hash root = RootOf(leaves, size);
    // A block whose bytes are two hashes: its leaf is not their node.
    const std::string pair = absl::StrCat(ledger::View(leaves[0]), ledger::View(leaves[1]));
    ASSERT_NE(ledger::LeafHash(pair), ledger::NodeHash(leaves[0], leaves[1]));
    ASSERT_NE(ledger::LeafHash(absl::StrCat("\x01", pair)), ledger::NodeHash(leaves[0], leaves[1]));
    for (uint64_t index = 0; index < size; ++index) {
      std::vector<Hash> proof = ledger::InclusionProof(leaves, index);
      if (proof.empty()) continue;
      // The parent shown as a leaf, with the rest of the path.
      const Hash sibling = proof.front();
      proof.erase(proof.begin());
      for (const Hash& parent :
           {ledger::NodeHash(leaves[index], sibling), ledger::NodeHash(sibling, leaves[index])}) {
        for (uint64_t at = 0; at < size; ++at) {
          EXPECT_FALSE(ledger::VerifyInclusion(parent, at, size, root, proof).ok());
        }
      }
    }
  }
}

TEST_F(AttackOnProofs, AProofOfAnotherBlockOrByAnotherKey) {
  ShownBy(Anchor::kNone);
  const auto three = ledger::ProveRecord(log_.dir.path(), 3, nullptr);
  const auto four = ledger::ProveRecord(log_.dir.path(), 4, nullptr);
  ASSERT_TRUE(three.ok() && four.ok());
  EXPECT_TRUE(ledger::CheckProof(*three, three->block, log_.verifier_key()).ok());
  EXPECT_FALSE(ledger::CheckProof(*three, four->block, log_.verifier_key()).ok());
  BlockProof mixed = *three;
  mixed.hashes = four->hashes;
  EXPECT_FALSE(ledger::CheckProof(mixed, three->block, log_.verifier_key()).ok());
  ledger::VerifierKey other = log_.verifier_key();
  other.public_key = ledger::SigningKey::Generate().public_key();
  EXPECT_FALSE(ledger::CheckProof(*three, three->block, other).ok());
  other = log_.verifier_key();
  other.name = kOtherOrigin;
  EXPECT_FALSE(ledger::CheckProof(*three, three->block, other).ok());
}

}  // namespace
}  // namespace cairn::attack
