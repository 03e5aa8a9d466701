#include "ledger/merkle.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "ledger/format.h"
#include "ledger/hash.h"

namespace cairn::ledger {
namespace {

void InclusionPath(uint64_t index, const LeafRange& range, std::vector<LeafRange>* proof) {
  if (range.end - range.begin == 1) return;
  const uint64_t middle = SplitPoint(range);
  const LeafRange left = {range.begin, middle};
  const LeafRange right = {middle, range.end};
  InclusionPath(index, index < middle ? left : right, proof);
  proof->push_back(index < middle ? right : left);
}

// `complete`: the old tree is all of the range's beginning, and its root known to who checks.
void ConsistencyPath(uint64_t old_end, const LeafRange& range, bool complete,
                     std::vector<LeafRange>* proof) {
  if (old_end == range.end) {
    if (!complete) proof->push_back(range);
    return;
  }
  const uint64_t middle = SplitPoint(range);
  const LeafRange left = {range.begin, middle};
  const LeafRange right = {middle, range.end};
  if (old_end <= middle) {
    ConsistencyPath(old_end, left, complete, proof);
    proof->push_back(right);
  } else {
    ConsistencyPath(old_end, right, false, proof);
    proof->push_back(left);
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

uint64_t SplitPoint(const LeafRange& range) {
  return range.begin + std::bit_floor(range.end - range.begin - 1);
}

Hash RangeRoot(absl::Span<const Hash> leaves) {
  if (leaves.size() == 1) return leaves[0];
  const size_t left = SplitPoint({0, leaves.size()});
  return NodeHash(RangeRoot(leaves.first(left)), RangeRoot(leaves.subspan(left)));
}

std::vector<LeafRange> InclusionRanges(uint64_t index, uint64_t size) {
  std::vector<LeafRange> proof;
  InclusionPath(index, {0, size}, &proof);
  return proof;
}

std::vector<LeafRange> ConsistencyRanges(uint64_t old_size, uint64_t size) {
  std::vector<LeafRange> proof;
  if (old_size > 0 && old_size < size) ConsistencyPath(old_size, {0, size}, true, &proof);
  return proof;
}

}  // namespace cairn::ledger
