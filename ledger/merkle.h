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
#include "absl/types/span.h"

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

// Leaves [begin, end), begin < end.
struct LeafRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};
// Where RFC 9162 divides a range of two leaves or more.
uint64_t SplitPoint(const LeafRange& range);
// MTH of all of these leaves, of which there is one at least: the root of their range.
Hash RangeRoot(absl::Span<const Hash> leaves);

// The ranges whose roots are the proof, in its order (RFC 9162 §2.1.3.1, §2.1.4.1). index < size;
// old_size <= size.
std::vector<LeafRange> InclusionRanges(uint64_t index, uint64_t size);
std::vector<LeafRange> ConsistencyRanges(uint64_t old_size, uint64_t size);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_MERKLE_H_
