// The Merkle tree over a log's blocks: RFC 9162 §2.1.
#ifndef CAIRN_LEDGER_MERKLE_H_
#define CAIRN_LEDGER_MERKLE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::ledger {

using Hash = std::array<uint8_t, 32>;

inline absl::string_view View(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

Hash LeafHash(absl::string_view block);              // H(0x00 ‖ block)
Hash NodeHash(const Hash& left, const Hash& right);  // H(0x01 ‖ left ‖ right)

// The roots of the perfect subtrees that `size` leaves fall into, largest first: enough to add
// leaves and to know the root. At most 64 hashes.
class Frontier {
 public:
  Frontier() = default;
  // InvalidArgument when `hashes` is not popcount(size) hashes of 32 bytes.
  static absl::StatusOr<Frontier> Restore(uint64_t size, const std::vector<std::string>& hashes);

  void Add(const Hash& leaf);
  Hash Root() const;  // of no leaves: H("")
  uint64_t size() const { return size_; }
  const std::vector<Hash>& hashes() const { return hashes_; }

 private:
  uint64_t size_ = 0;
  std::vector<Hash> hashes_;
};

// RFC 9162 §2.1.3.2 and §2.1.4.2. InvalidArgument: wrong length; DataLoss: does not verify.
absl::Status VerifyInclusion(const Hash& leaf, uint64_t index, uint64_t size, const Hash& root,
                             const std::vector<Hash>& proof);
absl::Status VerifyConsistency(uint64_t old_size, const Hash& old_root, uint64_t size,
                               const Hash& root, const std::vector<Hash>& proof);

// Proofs from all leaf hashes of the tree (RFC 9162 §2.1.3.1, §2.1.4.1).
std::vector<Hash> InclusionProof(const std::vector<Hash>& leaves, uint64_t index);
std::vector<Hash> ConsistencyProof(const std::vector<Hash>& leaves, uint64_t old_size);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_MERKLE_H_
