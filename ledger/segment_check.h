// One segment file verified by itself: from what its header claims to its end. Whether the claims
// fit the segment before is for log_state.h. proto/FORMAT.md §9.
#ifndef CAIRN_LEDGER_SEGMENT_CHECK_H_
#define CAIRN_LEDGER_SEGMENT_CHECK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ledger/segments.h"
#include "ledger/stream_verifier.h"

namespace cairn::ledger {

struct SegmentCheck {
  SegmentInfo info;
  SegmentHeader header;
  bool header_seen = false;
  SegmentEnd end;
  uint64_t checkpointed = 0;  // 0: none in this segment
  uint64_t durable_offset = 0;
  uint64_t tags_checked = 0;
  std::vector<BlockRange> redacted;
  std::optional<uint64_t> opened_at;  // index of the epoch_open block
  std::string epoch_key;
  // With a recipient key: what the segment says of tag keys, and the one it ends with.
  TagStart tag_start;
  std::optional<RunningTagKey> tag_key;
  uint64_t tpm_counter = 0;  // of its opening
  bool torn = false;         // ends within a frame
  std::optional<Finding> finding;
  std::string unreadable;  // why; empty: it was read
};

// Reads info.valid_bytes of info.path. `options` is for StreamVerifier; on_epoch and on_redacted
// are overwritten. `read` is told of each piece's bytes. Memory: 512 KiB and what
// StreamVerifier takes. Any thread.
SegmentCheck CheckSegment(const SegmentInfo& info, StreamOptions options,
                          const std::function<void(uint64_t bytes)>& read);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_SEGMENT_CHECK_H_
