// The one verifier of segment bytes: `cairn verify` runs it over files, the collector over
// bytes as they arrive, recovery over what a crash left. proto/FORMAT.md §9.
#ifndef CAIRN_LEDGER_STREAM_VERIFIER_H_
#define CAIRN_LEDGER_STREAM_VERIFIER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/secret.h"
#include "ledger/finding.h"
#include "ledger/log_state.h"
#include "ledger/note.h"
#include "ledger/tag_run.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

struct StreamOptions {
  // Whose signature counts; its name is the origin. None: hashes are checked, signatures of
  // the log key are not, and nothing is vouched for.
  std::optional<VerifierKey> log_key;
  bool allow_redacted = false;  // exported copies
  // X25519 private key of a recipient: opens each epoch's first tag key, and with it every tag is
  // checked; those of carried blocks are for CheckTagRun. Null: none. Outlives the verifier.
  const Secret32* recipient_key = nullptr;
  // For each checkpoint that verified, after the blocks it covers.
  std::function<void(const Checkpoint&, absl::string_view note)> on_checkpoint;
  // For each block that parsed: its index, T_i and stored bytes. Nothing vouches for it yet.
  std::function<void(uint64_t index, absl::string_view tag, absl::string_view stored)> on_block;
  // For each redacted block, when they are allowed.
  std::function<void(const BlockRange&)> on_redacted;
  // For each agent.retention, with the index of its block. Nothing vouches for it yet.
  std::function<void(const Retention&, uint64_t block)> on_retention;
  // For each epoch opening that parsed.
  std::function<void(const SegmentHeader&, const EpochOpen&, uint64_t block)> on_epoch;
};

// Follows the segments of one log, byte by byte, in order. Feed may cut anywhere. One thread.
// Memory: one frame (64 KiB) and the frontier.
class StreamVerifier {
 public:
  // `from`: where the log stood at the start of the first segment given; none: take it from
  // that segment's header (a log whose beginning is elsewhere).
  StreamVerifier(StreamOptions options, std::optional<LogState> from);
  ~StreamVerifier();

  // Starts the next segment file. `file` is for findings. DataLoss as Feed.
  absl::Status BeginSegment(absl::string_view file);
  // DataLoss: tampered or corrupt; finding() says what and where. Sticky.
  absl::Status Feed(absl::string_view bytes);
  // The segment has no more bytes. DataLoss: it ends within a frame.
  absl::Status EndSegment();

  const Finding* finding() const;  // null while all is well
  const LogState& state() const;   // after the last whole frame
  const SegmentHeader& header() const;
  uint64_t offset() const;  // bytes of this segment in whole, good frames
  bool header_seen() const;
  bool opened() const;  // this segment's epoch_open was seen
  bool sealed() const;
  uint64_t checkpointed() const;            // blocks the log key vouched for so far
  uint64_t durable_offset() const;          // highest stated by a COMMIT of this segment
  uint64_t last_wall_ns() const;            // of the last block
  uint64_t urgent_blocks() const;           // so far
  uint64_t tags_checked() const;            // blocks whose tag verified, of all segments
  const std::string& close_reason() const;  // of this segment's epoch_close; empty: none
  const std::string& epoch_key() const;     // of this segment's epoch_open; 32 bytes
  SegmentEnd end() const;                   // of this segment so far
  // With a recipient key, of this segment: what it says of tag keys; and K of its next block.
  TagStart TakeTagStart();
  std::optional<RunningTagKey> TakeTagKey();  // none: its opening is not sealed to the recipient

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_STREAM_VERIFIER_H_
