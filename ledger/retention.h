// Which of the oldest segments may go, and whether what is gone went rightly.
// proto/FORMAT.md §8.
#ifndef CAIRN_LEDGER_RETENTION_H_
#define CAIRN_LEDGER_RETENTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/io.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

struct RetentionWish {
  uint64_t keep_bytes = UINT64_MAX;  // of segment files
  uint64_t free_bytes = 0;           // to be freed at least, whatever keep_bytes says
  uint64_t oldest_wall_ns = 0;       // segments that ended before this go
};

struct RetentionPlan {
  std::vector<std::string> paths;  // oldest first; empty: nothing may or need go
  Retention record;                // what agent.retention says, but for the receipt
};

// Plans which segments of `dir` go: the oldest ones, as many as `wish` asks for, of those that
// another follows and whose blocks are all within the first `receipted` of the log.
absl::StatusOr<RetentionPlan> PlanRetention(const std::string& dir, const RetentionWish& wish,
                                            uint64_t receipted);

// Deletes what is planned, oldest first: unlink ... fsync(dir). Call when the plan's record is
// durable. May be interrupted anywhere.
absl::Status DeleteSegments(Io* io, const std::string& dir, const RetentionPlan& plan);

// Whether `record` accounts for a log that begins with block `first_block`, the tree of whose
// blocks before `record.end_block` has `root`: DataLoss says why it does not. The receipt in it
// must be signed by `log_key`, and cosigned by `collector` when there is one.
absl::Status CheckRetention(const Retention& record, uint64_t first_block, const Hash& root,
                            const VerifierKey& log_key,
                            const std::optional<VerifierKey>& collector);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_RETENTION_H_
