// What is stated about blocks: COMMIT, CHECKPOINT and SEAL.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/stream_verifier_impl.h"

namespace cairn::ledger {

absl::Status StreamVerifier::Impl::TakeCommit(absl::string_view body) {
  const absl::StatusOr<Commit> commit = ParseCommit(body);
  if (!commit.ok()) return FailHere("commit", commit.status().message());
  if (commit->size != state_.size) {
    const absl::Status failed = FailSinceCheckpoint(
        "commit", absl::StrCat("COMMIT of ", commit->size, " blocks stands behind ", state_.size));
    if (commit->size < state_.size) return failed;
    finding_->end_block = state_.size + 1;  // one is missing, wherever it stood
    finding_->end_sequence = state_.next_sequence + 1;
    return absl::DataLossError(finding_->ToString());
  }
  if (commit->chain != state_.chain) {
    return FailSinceCheckpoint("chain", "the blocks do not hash to the chain value of the COMMIT");
  }
  if (commit->durable_offset > offset_ && !redacted_) {
    return FailHere("commit", "a COMMIT states more durable bytes than stand before it");
  }
  durable_offset_ = std::max(durable_offset_, commit->durable_offset);
  commits_.push_back({state_.size, state_.next_sequence, state_.frontier.Root()});
  if (commits_.size() > kCommitWindow) commits_.pop_front();
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeCheckpoint(absl::string_view body) {
  const absl::StatusOr<Note> note = Note::Parse(body);
  if (!note.ok()) return FailHere("checkpoint", note.status().message());
  const absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Parse(note->text);
  if (!checkpoint.ok()) return FailHere("checkpoint", checkpoint.status().message());
  if (checkpoint->origin != state_.origin) {
    return FailHere("checkpoint", "a checkpoint of another log");
  }
  const auto commit = std::find_if(commits_.begin(), commits_.end(), [&](const CommittedRoot& c) {
    return c.size == checkpoint->size;
  });
  if (commit == commits_.end()) {
    return FailSinceCheckpoint("checkpoint", absl::StrCat("a checkpoint of ", checkpoint->size,
                                                          " blocks follows no such COMMIT"));
  }
  if (!opened_ || checkpoint->size <= epoch_first_ || checkpoint->size < checkpointed_) {
    return FailHere("checkpoint", "a checkpoint of a size outside its epoch");
  }
  if (checkpoint->root != View(commit->root)) {
    return FailSinceCheckpoint("root", "the blocks do not hash to the root of the checkpoint");
  }
  RETURN_IF_ERROR(CheckSignatures(*note));
  checkpointed_ = checkpoint->size;
  checkpointed_sequence_ = commit->next_sequence;
  commits_.erase(commits_.begin(), commit);
  if (options_.on_checkpoint) options_.on_checkpoint(*checkpoint, body);
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::CheckSignatures(const Note& note) {
  VerifierKey epoch_key;
  epoch_key.name = absl::StrCat(state_.origin, "/e/", header_.epoch());
  epoch_key.public_key = epoch_key_;
  if (CheckNote(note, epoch_key) != NoteCheck::kValid) {
    return FailSinceCheckpoint("signature",
                               "the checkpoint lacks a good signature by its epoch's key");
  }
  if (options_.log_key.has_value() && CheckNote(note, *options_.log_key) != NoteCheck::kValid) {
    return FailSinceCheckpoint("signature",
                               "the checkpoint lacks a good signature by the log's key");
  }
  return absl::OkStatus();
}

absl::Status StreamVerifier::Impl::TakeSeal(absl::string_view body) {
  const absl::StatusOr<Seal> seal = ParseSeal(body);
  if (!seal.ok()) return FailHere("seal", seal.status().message());
  if (close_reason_.empty()) return FailHere("seal", "a seal without the epoch's close");
  if (checkpointed_ != state_.size) {
    return FailSinceCheckpoint("seal", "the seal's checkpoint is not of exactly its size");
  }
  if (seal->size != state_.size || seal->chain != state_.chain ||
      seal->header_hash != header_hash_ || seal->blocks != state_.size - epoch_first_ ||
      seal->records != epoch_records_) {
    return FailSinceCheckpoint("seal", "the seal does not fit the segment");
  }
  if (!VerifySignature(epoch_key_, SealedText(*seal, state_.origin, header_.epoch()),
                       seal->signature)) {
    return FailSinceCheckpoint("seal", "the seal's signature is not by its epoch's key");
  }
  sealed_ = true;
  ++state_.next_epoch;
  return absl::OkStatus();
}

}  // namespace cairn::ledger
