#include "ledger/backlog.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "base/status.h"
#include "ledger/format.h"

namespace cairn::ledger {
namespace {

constexpr size_t kChunkBytes = 512 << 10;
// A block's frame, and what compression may need beyond it for a while.
constexpr size_t kFrameRoom = 2 * kMaxFrameBody + 4096;
constexpr size_t kMaxSpare = 16;

}  // namespace

std::string* Backlog::Room() {
  if (chunks_.empty() || chunks_.back().added + kFrameRoom > kChunkBytes) {
    Chunk& chunk = chunks_.emplace_back();
    if (!spare_.empty()) {
      chunk.bytes = std::move(spare_.back());
      spare_.pop_back();
      chunk.bytes.clear();
    } else {
      chunk.bytes.reserve(kChunkBytes);
    }
  }
  return &chunks_.back().bytes;
}

void Backlog::Add(uint32_t records) {
  Chunk& chunk = chunks_.back();
  Block& block = blocks_.emplace_back();
  block.chunk = first_chunk_ + chunks_.size() - 1;
  block.start = static_cast<uint32_t>(chunk.added);
  block.size = static_cast<uint32_t>(chunk.bytes.size() - chunk.added);
  block.records = records;
  chunk.added = chunk.bytes.size();
  bytes_ += block.size;
  unwritten_bytes_ += block.size;
}

absl::Span<char> Backlog::Unchained(size_t index) {
  const Block& block = blocks_[chained_ + index];
  return absl::MakeSpan(ChunkOf(block.chunk).bytes).subspan(block.start, block.size);
}

void Backlog::Chained(const Hash& leaf, const Hash& chain) {
  Block& block = blocks_[chained_++];
  block.leaf = leaf;
  block.chain = chain;
}

absl::Status Backlog::Write(SegmentFile* file) {
  while (written_ < blocks_.size()) {
    const uint64_t serial = blocks_[written_].chunk;
    Chunk& chunk = ChunkOf(serial);
    const absl::string_view fresh =
        absl::string_view(chunk.bytes).substr(chunk.written, chunk.added - chunk.written);
    ASSIGN_OR_RETURN(const uint64_t end, file->Append(fresh));
    uint64_t at = end - fresh.size();
    for (; written_ < blocks_.size() && blocks_[written_].chunk == serial; ++written_) {
      at += blocks_[written_].size;
      blocks_[written_].end_offset = at;
    }
    chunk.written = chunk.added;
    unwritten_bytes_ -= fresh.size();
  }
  return absl::OkStatus();
}

// The first chunk may begin with blocks that are gone already: they are not written again.
void Backlog::ForgetWrites() {
  for (Chunk& chunk : chunks_) chunk.written = 0;
  if (!blocks_.empty()) {
    size_t kept = 0;
    for (const Block& block : blocks_) {
      if (block.chunk != blocks_.front().chunk) break;
      kept += block.size;
    }
    Chunk& first = ChunkOf(blocks_.front().chunk);
    first.written = first.added - kept;
  }
  for (Block& block : blocks_) block.end_offset = 0;
  written_ = 0;
  unwritten_bytes_ = bytes_;
}

void Backlog::Drop(uint64_t offset, const LogState& commit, LogState* state) {
  size_t gone = 0;
  for (const Block& block : blocks_) {
    if (block.end_offset == 0 || block.end_offset > offset) break;
    bytes_ -= block.size;
    ++gone;
  }
  size_t at = 0;
  if (commit.size > state->size && commit.size <= state->size + gone) {
    at = commit.size - state->size;
    const uint64_t next_epoch = state->next_epoch;
    *state = commit;
    state->next_epoch = next_epoch;
  }
  for (; at < gone; ++at) {
    const Block& block = blocks_[at];
    ++state->size;
    state->next_sequence += block.records;
    state->chain = block.chain;
    state->frontier.Add(block.leaf);
  }
  blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(gone));
  written_ -= gone;
  chained_ -= gone;
  Recycle();
}

// The chunk that is being filled stays, and begins anew where nothing in it is needed.
void Backlog::Recycle() {
  while (chunks_.size() > 1 && (blocks_.empty() || blocks_.front().chunk > first_chunk_)) {
    if (spare_.size() < kMaxSpare) spare_.push_back(std::move(chunks_.front().bytes));
    chunks_.pop_front();
    ++first_chunk_;
  }
  if (blocks_.empty() && !chunks_.empty()) {
    chunks_.front().bytes.clear();
    chunks_.front().written = chunks_.front().added = 0;
  }
}

}  // namespace cairn::ledger
