// The parts of StreamVerifier: the frame loop and its findings (stream_verifier.cc), blocks
// (stream_blocks.cc), and what is stated about blocks (stream_statements.cc).
#ifndef CAIRN_LEDGER_STREAM_VERIFIER_IMPL_H_
#define CAIRN_LEDGER_STREAM_VERIFIER_IMPL_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "ledger/frame.h"
#include "ledger/hash.h"
#include "ledger/stream_verifier.h"

namespace cairn::ledger {

class StreamVerifier::Impl {
 public:
  Impl(StreamOptions options, std::optional<LogState> from)
      : options_(std::move(options)), known_start_(from.has_value()) {
    if (from.has_value()) state_ = *std::move(from);
  }

  absl::Status BeginSegment(absl::string_view file);
  absl::Status Feed(absl::string_view bytes);
  absl::Status EndSegment();
  SegmentEnd End() const {
    SegmentEnd end;
    end.state = state_;
    if (header_seen_ && !sealed_) ++end.state.next_epoch;
    end.sealed = sealed_;
    end.bytes = offset_;
    end.announced_key = announced_key_;
    return end;
  }

  StreamOptions options_;
  LogState state_;
  SegmentHeader header_;
  std::optional<Finding> finding_;
  std::string file_;
  std::string buffer_;   // an incomplete frame
  size_t wanted_ = 0;    // its bytes, as far as known
  uint64_t offset_ = 0;  // in this file
  uint64_t checkpointed_ = 0;
  uint64_t durable_offset_ = 0;
  uint64_t last_wall_ns_ = 0;
  uint64_t urgent_blocks_ = 0;
  uint64_t tags_checked_ = 0;
  std::optional<TagKey> tag_key_;  // of the next block
  TagStart tag_start_;
  std::string close_reason_;
  std::string announced_key_;
  std::string epoch_key_;
  bool header_seen_ = false;
  bool opened_ = false;
  bool sealed_ = false;
  bool redacted_ = false;  // offsets stated in this segment are the log's, not this copy's

 private:
  struct CommittedRoot {
    uint64_t size;
    uint64_t next_sequence;
    Hash root;
  };

  absl::Status Fail(absl::string_view code, absl::string_view detail, uint64_t from_block,
                    uint64_t from_sequence);
  // The next block is at fault.
  absl::Status FailHere(absl::string_view code, absl::string_view detail);
  // The frame is bad: says which records it held, as far as the block behind it tells.
  absl::Status FailFrame(const FrameView& frame, absl::string_view behind, absl::string_view cause);
  // Something since the last good checkpoint is at fault.
  absl::Status FailSinceCheckpoint(absl::string_view code, absl::string_view detail);

  // Takes the header or frame at the start of `bytes`, of wanted_ bytes; false when not all of it
  // is there. `behind`: what follows `bytes`, as far as known.
  absl::StatusOr<bool> TakeFirst(absl::string_view bytes, absl::string_view behind);
  void HashAhead(absl::string_view bytes);
  Hash LeafOf(absl::string_view stored);
  absl::Status TakeHeader(absl::string_view bytes);
  absl::Status CheckHeader();
  absl::Status TakeFrame(const FrameView& frame);
  absl::Status TakeBlock(absl::string_view body);
  absl::Status TakeUrgentBlock(absl::string_view stored);
  absl::Status TakeOpen(const EpochOpen& open);
  absl::Status MayBeCarried(const EpochOpen* open);
  absl::Status TakeCarried(const Record& record);
  absl::Status TakeClose(const EpochClose& close);
  absl::StatusOr<std::optional<TagKey>> Unseal(const EpochOpen& open);
  absl::Status CheckTag(uint64_t index, absl::string_view tag);
  absl::Status TakeRedacted(absl::string_view body);
  absl::Status TakeCommit(absl::string_view body);
  absl::Status TakeCheckpoint(absl::string_view body);
  absl::Status CheckSignatures(const Note& note);
  absl::Status TakeSeal(absl::string_view body);
  void Extend(const Hash& leaf, uint64_t records);

  // The leaf of a block that stands further on in the bytes being fed.
  struct AheadLeaf {
    const char* stored;
    Hash leaf;
  };

  bool known_start_;             // state_ is where the next segment must begin
  std::deque<AheadLeaf> ahead_;  // in order
  Hash header_hash_{};
  std::optional<uint64_t> carried_open_;  // the epoch that the carried block at hand opens
  std::optional<TagKey> carried_key_;     // and that epoch's first
  uint64_t epoch_first_ = 0;              // index of the epoch_open block
  uint64_t epoch_records_ = 0;
  uint64_t checkpointed_sequence_ = 0;
  bool had_segment_ = false;
  SegmentEnd previous_;
  std::deque<CommittedRoot> commits_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_STREAM_VERIFIER_IMPL_H_
