// The blocks that are not known to be durable. Their frames stay in memory, so that they can be
// written again, with the same bytes, after a storage fault (proto/FORMAT.md §8).
#ifndef CAIRN_LEDGER_BACKLOG_H_
#define CAIRN_LEDGER_BACKLOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ledger/log_state.h"
#include "ledger/merkle.h"
#include "ledger/segment_file.h"

namespace cairn::ledger {

// Frames are built at the end of a chunk and stay there until a commit covers them: no copy, no
// allocation once it has grown. One write(2) takes all frames that a chunk gained since the last.
// Capture thread only.
class Backlog {
 public:
  // Where the next frame goes: append it, then call Add. It does not move
  // while no more than one is appended.
  std::string* Room();

  // Takes what was appended to Room() since the last Add as the frame of the next block, which is
  // closed but not chained yet.
  void Add(uint32_t records);

  // Frames of the closed blocks that are not chained yet, oldest first: index < unchained().
  size_t unchained() const { return blocks_.size() - chained_; }
  absl::Span<char> Unchained(size_t index);
  // The oldest of them is chained now, and its frame complete.
  void Chained(const Hash& leaf, const Hash& chain);

  // Writes what no Write has written, in order; all blocks are chained. After an error nothing of
  // this call counts.
  absl::Status Write(SegmentFile* file);
  // Nothing was written: another file takes them all.
  void ForgetWrites();

  // Lets go of the blocks that end at or before byte `offset` of the file, adding them to
  // `state`, the log's state before them. `commit` is that after some of them: a short cut.
  void Drop(uint64_t offset, const LogState& commit, LogState* state);

  size_t blocks() const { return blocks_.size(); }
  uint64_t bytes() const { return bytes_; }
  uint64_t unwritten_bytes() const { return unwritten_bytes_; }

 private:
  struct Block {
    uint64_t chunk = 0;  // serial
    uint32_t start = 0;  // of the frame in its chunk
    uint32_t size = 0;   // of the frame
    uint32_t records = 0;
    uint64_t end_offset = 0;  // in the file; 0: not written
    Hash leaf{};
    Hash chain{};
  };
  struct Chunk {
    std::string bytes;
    size_t written = 0;
    size_t added = 0;
  };

  Chunk& ChunkOf(uint64_t serial) { return chunks_[serial - first_chunk_]; }
  void Recycle();

  std::deque<Chunk> chunks_;
  uint64_t first_chunk_ = 0;  // serial of chunks_.front()
  std::vector<std::string> spare_;
  std::deque<Block> blocks_;
  size_t chained_ = 0;  // of blocks_
  size_t written_ = 0;  // of blocks_
  uint64_t bytes_ = 0;
  uint64_t unwritten_bytes_ = 0;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_BACKLOG_H_
