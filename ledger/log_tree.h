// The Merkle tree over the blocks of one log directory, read from its segments as far as it must
// be. Every segment's header states the roots of the perfect subtrees before it (its frontier), so
// the blocks of a few segments are enough for any proof: about one for each doubling of their
// number.
#ifndef CAIRN_LEDGER_LOG_TREE_H_
#define CAIRN_LEDGER_LOG_TREE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ledger/frame.h"
#include "ledger/merkle.h"
#include "ledger/segments.h"

namespace cairn::ledger {

// Nothing of it is to be believed before what is made of it leads to a signed root: frontiers and
// blocks are taken as they stand. Memory: 32 bytes for each block of the segments that were read.
// Errors of all: NotFound: the log does not have this (yet, or any more); DataLoss: a segment is
// damaged; FailedPrecondition: the block is redacted in this copy. One thread.
class LogTree {
 public:
  // `total` is what a proof may have to read, at most.
  using Progress = std::function<void(uint64_t done_bytes, uint64_t total_bytes)>;

  // Reads the headers of all segments.
  static absl::StatusOr<LogTree> Open(const std::string& dir, Progress progress);

  struct FoundBlock {
    uint64_t index = 0;
    std::string stored;
  };
  // The block that holds record `sequence`.
  absl::StatusOr<FoundBlock> Find(uint64_t sequence);

  // RFC 9162's MTH over the blocks of `range`: one of a proof's (ledger/merkle.h), or [0, n).
  absl::StatusOr<Hash> Root(const LeafRange& range);
  absl::StatusOr<std::vector<Hash>> Roots(absl::Span<const LeafRange> ranges);

 private:
  struct Segment {
    SegmentInfo info;
    uint64_t first_block = 0;
    uint64_t first_sequence = 0;
  };

  explicit LogTree(Progress progress) : progress_(std::move(progress)) {}

  absl::Status AddSegment(const SegmentInfo& info);
  absl::Status ReadBlocks(const Segment& segment,
                          const std::function<absl::Status(absl::Span<const FrameView>)>& take);
  absl::StatusOr<absl::Span<const Hash>> LeavesOf(size_t segment);

  const Progress progress_;
  uint64_t done_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  std::vector<Segment> segments_;
  absl::flat_hash_map<std::pair<uint64_t, uint64_t>, Hash> known_;  // [begin, end): by headers
  std::map<size_t, std::vector<Hash>> leaves_;                      // by segment
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_LOG_TREE_H_
