#include "ledger/retention.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/log_state.h"
#include "ledger/segments.h"

namespace cairn::ledger {

absl::StatusOr<RetentionPlan> PlanRetention(const std::string& dir, const RetentionWish& wish,
                                            uint64_t receipted) {
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, ListSegments(dir));
  uint64_t kept_bytes = 0;
  for (const SegmentInfo& segment : segments) kept_bytes += segment.file_bytes;
  RetentionPlan plan;
  uint64_t freed = 0;
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    // The next header says where this segment's blocks end, and when.
    ASSIGN_OR_RETURN(const SegmentHeader next, ReadHeader(segments[i + 1].path));
    const bool due = kept_bytes > wish.keep_bytes || freed < wish.free_bytes ||
                     next.created_wall_ns() < wish.oldest_wall_ns;
    if (!due || next.first_block() > receipted) break;
    if (plan.paths.empty()) {
      ASSIGN_OR_RETURN(const SegmentHeader first, ReadHeader(segments[i].path));
      plan.record.set_first_epoch(segments[i].epoch);
      plan.record.set_first_block(first.first_block());
    }
    plan.paths.push_back(segments[i].path);
    plan.record.set_last_epoch(segments[i].epoch);
    plan.record.set_end_block(next.first_block());
    plan.record.set_root(std::string(View(LogState::Claimed(next).frontier.Root())));
    plan.record.set_reason(kept_bytes > wish.keep_bytes ? "size"
                           : freed < wish.free_bytes    ? "disk"
                                                        : "age");
    kept_bytes -= segments[i].file_bytes;
    freed += segments[i].file_bytes;
  }
  plan.record.set_bytes(freed);
  return plan;
}

absl::Status DeleteSegments(Io* io, const std::string& dir, const RetentionPlan& plan) {
  for (const std::string& path : plan.paths) {
    if (io->Unlink(path.c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, absl::StrCat("unlink ", path));
    }
  }
  return SyncDirectory(io, dir);
}

absl::Status CheckRetention(const Retention& record, uint64_t first_block, const Hash& root,
                            const VerifierKey& log_key,
                            const std::optional<VerifierKey>& collector) {
  if (first_block < record.first_block() || first_block > record.end_block()) {
    return absl::DataLossError("the retention record is for other blocks than those that are gone");
  }
  if (record.root() != View(root)) {
    return absl::DataLossError("the retention record's root is not that of the blocks before");
  }
  const absl::StatusOr<Note> receipt = Note::Parse(record.receipt());
  const absl::StatusOr<Checkpoint> checkpoint =
      receipt.ok() ? Checkpoint::Parse(receipt->text) : receipt.status();
  if (!checkpoint.ok() || checkpoint->origin != log_key.name ||
      CheckNote(*receipt, log_key) != NoteCheck::kValid) {
    return absl::DataLossError("the retention record's receipt is not of this log");
  }
  if (collector.has_value() && CheckNote(*receipt, *collector) != NoteCheck::kValid) {
    return absl::DataLossError("the retention record's receipt is not by the trusted collector");
  }
  if (checkpoint->size < record.end_block()) {
    return absl::DataLossError("the retention record's receipt covers fewer blocks than are gone");
  }
  return absl::OkStatus();
}

}  // namespace cairn::ledger
