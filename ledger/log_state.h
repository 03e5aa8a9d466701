// Where a log stands between two segments, and whether the next one continues it.
// proto/FORMAT.md §2.
#ifndef CAIRN_LEDGER_LOG_STATE_H_
#define CAIRN_LEDGER_LOG_STATE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "ledger/hash.h"
#include "ledger/merkle.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// Where a log stands after some number of blocks: all that is needed to go on from there.
struct LogState {
  std::string origin;
  uint64_t size = 0;  // blocks
  uint64_t next_sequence = 0;
  uint64_t next_epoch = 0;
  Hash chain{};  // C after block size-1
  Frontier frontier;

  static LogState Beginning(absl::string_view origin);
  // The state a segment's header claims. `header` has been through ParseHeader.
  static LogState Claimed(const SegmentHeader& header);
};

// How a segment ended, as the next one must agree.
struct SegmentEnd {
  LogState state;
  bool sealed = false;
  uint64_t bytes = 0;         // that count
  std::string announced_key;  // by its epoch_close; empty: none
};

// Whether `header` continues a log that ended so: a finding's code and detail, or nothing.
struct Mismatch {
  std::string code;
  std::string detail;
};
std::optional<Mismatch> CheckLink(const SegmentEnd& before, const SegmentHeader& header);

// Whether an epoch's key is the one the epoch before announced. Only a run that ended between
// two epochs (`previous_end` interrupted, and a recovery record) could not keep its word.
bool KeyAsAnnounced(const SegmentEnd& before, const SegmentHeader& header,
                    absl::string_view epoch_key);

// Whether `header` says that the segment before it was sealed.
bool SaysSealed(const SegmentHeader& header);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_LOG_STATE_H_
