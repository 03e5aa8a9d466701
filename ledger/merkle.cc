#include "ledger/merkle.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "ledger/format.h"
#include "ledger/hash.h"

namespace cairn::ledger {
namespace {

// Largest power of two below `n`; n >= 2.
uint64_t Split(uint64_t n) { return std::bit_floor(n - 1); }

Hash RangeRoot(const std::vector<Hash>& leaves, uint64_t begin, uint64_t end) {
  if (end - begin == 1) return leaves[begin];
  const uint64_t k = Split(end - begin);
  return NodeHash(RangeRoot(leaves, begin, begin + k), RangeRoot(leaves, begin + k, end));
}

void InclusionPath(const std::vector<Hash>& leaves, uint64_t index, uint64_t begin, uint64_t end,
                   std::vector<Hash>* proof) {
  if (end - begin == 1) return;
  const uint64_t k = Split(end - begin);
  if (index < begin + k) {
    InclusionPath(leaves, index, begin, begin + k, proof);
    proof->push_back(RangeRoot(leaves, begin + k, end));
  } else {
    InclusionPath(leaves, index, begin + k, end, proof);
    proof->push_back(RangeRoot(leaves, begin, begin + k));
  }
}

void ConsistencyPath(const std::vector<Hash>& leaves, uint64_t old_end, uint64_t begin,
                     uint64_t end, bool complete, std::vector<Hash>* proof) {
  if (old_end == end) {
    if (!complete) proof->push_back(RangeRoot(leaves, begin, end));
    return;
  }
  const uint64_t k = Split(end - begin);
  if (old_end <= begin + k) {
    ConsistencyPath(leaves, old_end, begin, begin + k, complete, proof);
    proof->push_back(RangeRoot(leaves, begin + k, end));
  } else {
    ConsistencyPath(leaves, old_end, begin + k, end, false, proof);
    proof->push_back(RangeRoot(leaves, begin, begin + k));
  }
}

absl::Status Mismatch(absl::string_view what) {
  return absl::DataLossError(absl::StrCat(what, " proof does not lead to the given root"));
}

absl::Status WrongLength(absl::string_view what, size_t have) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " proof has ", have, " hashes, not as many as these sizes need"));
}

}  // namespace

Hash LeafHash(absl::string_view block) {
  const char prefix = static_cast<char>(kLeafByte);
  return Sha256({absl::string_view(&prefix, 1), block});
}

Hash NodeHash(const Hash& left, const Hash& right) {
  uint8_t text[128];
  text[0] = kNodeByte;
  std::memcpy(text + 1, left.data(), 32);
  std::memcpy(text + 33, right.data(), 32);
  return Sha256Short(text, 65);
}

absl::StatusOr<Frontier> Frontier::Restore(uint64_t size, const std::vector<std::string>& hashes) {
  if (hashes.size() != static_cast<size_t>(std::popcount(size))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "frontier of ", size, " leaves has ", hashes.size(), " hashes, not ", std::popcount(size)));
  }
  Frontier frontier;
  frontier.size_ = size;
  for (const std::string& bytes : hashes) {
    if (bytes.size() != kHashBytes) {
      return absl::InvalidArgumentError("frontier hash is not 32 bytes long");
    }
    std::memcpy(frontier.hashes_.emplace_back().data(), bytes.data(), kHashBytes);
  }
  return frontier;
}

void Frontier::Add(const Hash& leaf) {
  Hash node = leaf;
  for (uint64_t n = size_; n & 1; n >>= 1) {
    node = NodeHash(hashes_.back(), node);
    hashes_.pop_back();
  }
  hashes_.push_back(node);
  ++size_;
}

Hash Frontier::Root() const {
  if (hashes_.empty()) return Sha256({});
  Hash root = hashes_.back();
  for (size_t i = hashes_.size() - 1; i-- > 0;) root = NodeHash(hashes_[i], root);
  return root;
}

absl::Status VerifyInclusion(const Hash& leaf, uint64_t index, uint64_t size, const Hash& root,
                             const std::vector<Hash>& proof) {
  if (index >= size) {
    return absl::InvalidArgumentError(absl::StrCat("index ", index, " is not below size ", size));
  }
  uint64_t fn = index;
  uint64_t sn = size - 1;
  Hash node = leaf;
  for (const Hash& sibling : proof) {
    if (sn == 0) return WrongLength("inclusion", proof.size());
    if ((fn & 1) || fn == sn) {
      node = NodeHash(sibling, node);
      while (!(fn & 1) && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      node = NodeHash(node, sibling);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return WrongLength("inclusion", proof.size());
  return node == root ? absl::OkStatus() : Mismatch("inclusion");
}

absl::Status VerifyConsistency(uint64_t old_size, const Hash& old_root, uint64_t size,
                               const Hash& root, const std::vector<Hash>& proof) {
  if (old_size > size) {
    return absl::InvalidArgumentError(absl::StrCat("old size ", old_size, " is above size ", size));
  }
  if (old_size == 0 || old_size == size) {
    if (!proof.empty()) return WrongLength("consistency", proof.size());
    if (old_size == 0) return absl::OkStatus();
    return old_root == root ? absl::OkStatus() : Mismatch("consistency");
  }
  size_t next = 0;
  uint64_t fn = old_size - 1;
  uint64_t sn = size - 1;
  while (fn & 1) {
    fn >>= 1;
    sn >>= 1;
  }
  Hash old_node = old_root;
  if (fn != 0) {
    if (proof.empty()) return WrongLength("consistency", 0);
    old_node = proof[next++];
  }
  Hash node = old_node;
  for (; next < proof.size(); ++next) {
    if (sn == 0) return WrongLength("consistency", proof.size());
    if ((fn & 1) || fn == sn) {
      old_node = NodeHash(proof[next], old_node);
      node = NodeHash(proof[next], node);
      while (!(fn & 1) && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      node = NodeHash(node, proof[next]);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return WrongLength("consistency", proof.size());
  return old_node == old_root && node == root ? absl::OkStatus() : Mismatch("consistency");
}

std::vector<Hash> InclusionProof(const std::vector<Hash>& leaves, uint64_t index) {
  std::vector<Hash> proof;
  InclusionPath(leaves, index, 0, leaves.size(), &proof);
  return proof;
}

std::vector<Hash> ConsistencyProof(const std::vector<Hash>& leaves, uint64_t old_size) {
  std::vector<Hash> proof;
  if (old_size > 0 && old_size < leaves.size()) {
    ConsistencyPath(leaves, old_size, 0, leaves.size(), true, &proof);
  }
  return proof;
}

}  // namespace cairn::ledger
