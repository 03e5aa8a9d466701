// What is verified, durable and receipted of a host's log.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "collector/host_log.h"
#include "ledger/format.h"
#include "ledger/segments.h"

namespace cairn::collector {

void HostLog::OnCheckpoint(const ledger::Checkpoint& checkpoint, absl::string_view note) {
  // The verifier still stands before the frame.
  staged_anchor_ = {verifier_->header().epoch(),
                    verifier_->offset() + ledger::kFramePrefixBytes + note.size()};
  staged_.note = std::string(note);
  staged_.size = checkpoint.size;
  staged_.records = verifier_->state().next_sequence;
  staged_.wall_ns = verifier_->last_wall_ns();
  staged_.urgent = staged_.urgent || verifier_->urgent_blocks() > urgent_seen_;
  urgent_seen_ = verifier_->urgent_blocks();
}

void HostLog::TakeStaged() {
  if (!staged_anchor_.has_value()) return;
  anchor_ = *std::exchange(staged_anchor_, std::nullopt);
  staged_.urgent = staged_.urgent || pending_.urgent;
  // The log may state one size twice; it is receipted once, as whoever sent both expects.
  if (staged_.size > receipt_.size) pending_ = std::move(staged_);
  staged_ = {};
}

absl::Status HostLog::LoadReceipt() {
  const absl::StatusOr<ledger::CheckpointFile> file = ledger::ReadCheckpointFile(dir_);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  if (!file.ok()) {
    LogWarning(file.status().message(), "; the segments will tell");
    return absl::OkStatus();
  }
  const absl::StatusOr<ledger::Note> note = ledger::Note::Parse(file->note);
  const absl::StatusOr<ledger::Checkpoint> checkpoint =
      note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
  uint64_t time_s = 0;
  if (!checkpoint.ok() || checkpoint->origin != log_key_.name ||
      ledger::CheckNote(*note, log_key_) != ledger::NoteCheck::kValid ||
      ledger::CheckNote(*note, cosigner_->key(), &time_s) != ledger::NoteCheck::kValid) {
    LogWarning(dir_, "/", ledger::kCheckpointFile, ": not a receipt of ours for this log; ignored");
    return absl::OkStatus();
  }
  receipt_.size = saved_size_ = checkpoint->size;
  receipt_.time_s = time_s;
  receipt_.note = file->note;
  ledger::ParseSegmentName(file->segment, &receipt_.place.epoch);
  receipt_.place.offset = file->offset;
  return absl::OkStatus();
}

DueReceipt HostLog::BeginReceipt() const {
  DueReceipt due;
  due.file_ = file_;
  due.vouched_ = pending_;
  due.place_ = anchor_;
  return due;
}

// A receipt says: on stable storage. After an fsync error nothing more is said of this file.
absl::StatusOr<GivenReceipt> HostLog::GiveReceipt(const DueReceipt& due,
                                                  const absl::Status& synced) {
  RETURN_IF_ERROR(synced);
  const Vouched& vouched = due.vouched_;
  ASSIGN_OR_RETURN(const Cosigner::Cosignature signature, cosigner_->Sign(vouched.note));
  receipt_.size = vouched.size;
  receipt_.records = vouched.records;
  receipt_.newest_ns = vouched.wall_ns;
  receipt_.time_s = signature.time_s;
  receipt_.line = signature.line;
  receipt_.note = absl::StrCat(vouched.note, signature.line, "\n");
  receipt_.place = due.place_;
  if (pending_.size == vouched.size) pending_ = {};
  return receipt_;
}

std::optional<ledger::CheckpointFile> HostLog::TakeUnsaved() {
  if (receipt_.size == saved_size_) return std::nullopt;
  saved_size_ = receipt_.size;
  return ledger::CheckpointFile{.segment = ledger::SegmentName(receipt_.place.epoch),
                                .offset = receipt_.place.offset,
                                .note = receipt_.note};
}

}  // namespace cairn::collector
