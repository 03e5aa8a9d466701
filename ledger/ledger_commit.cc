// Commits and checkpoints, and what happens when storage fails.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/frame.h"
#include "ledger/ledger.h"

namespace cairn::ledger {
namespace {

constexpr uint64_t kRetryNs = 1'000'000'000;

uint64_t Ns(absl::Duration duration) {
  return static_cast<uint64_t>(absl::ToInt64Nanoseconds(duration));
}

}  // namespace

absl::StatusOr<CommitJob> Ledger::MakeCommit(bool checkpoint) {
  WriteOut(Now());
  RETURN_IF_ERROR(fault_);
  Commit commit;
  commit.size = state_.size;
  commit.chain = state_.chain;
  commit.durable_offset = durable_offset_;
  CommitJob job;
  job.file = file_;
  ASSIGN_OR_RETURN(job.offset, file_->Append(ledger::MakeCommit(commit)));
  committed_ = state_;
  job.size = state_.size;
  job.root = std::string(View(state_.frontier.Root()));
  job.checkpoint = checkpoint;
  job.epoch_key = epoch_key_.get();
  job.epoch = state_.next_epoch;
  oldest_pending_ns_ = 0;
  commit_urgent_ = false;
  if (checkpoint) {
    oldest_unvouched_ns_ = 0;
    checkpoint_urgent_ = false;
  }
  return job;
}

bool Ledger::CommitDue(uint64_t now_ns) const {
  if (oldest_pending_ns_ == 0 && !CheckpointDue(now_ns)) return false;
  return commit_urgent_ || backlog_.bytes() >= options_.limits.commit_bytes ||
         oldest_pending_ns_ + Ns(options_.limits.commit_age) <= now_ns;
}

bool Ledger::CheckpointDue(uint64_t now_ns) const {
  if (checkpoint_urgent_) return true;
  // One commit early rather than one late.
  const uint64_t age = Ns(options_.limits.checkpoint_age - options_.limits.commit_age);
  return oldest_unvouched_ns_ != 0 && oldest_unvouched_ns_ + age <= now_ns;
}

void Ledger::StartCommit(bool checkpoint) {
  absl::StatusOr<CommitJob> job = MakeCommit(checkpoint);
  if (job.ok()) {
    committer_->Start(*std::move(job));
  } else {
    Fault(job.status());
  }
}

void Ledger::TakeResult(const CommitResult& result) {
  durable_offset_ = std::max(durable_offset_, result.offset);
  backlog_.Drop(durable_offset_, committed_, &durable_);
  if (result.checkpoint_size > 0) checkpoint_size_ = result.checkpoint_size;
  if (result.status.ok()) return;
  if (!file_->fault().ok()) {
    Fault(file_->fault());
  } else {
    // The segment is whole; only the file `checkpoint` could not be replaced.
    LogError("checkpoint: ", result.status.message());
    oldest_unvouched_ns_ = Now();
  }
}

void Ledger::CollectResult() {
  CommitResult result;
  if (committer_->TakeResult(&result)) TakeResult(result);
}

absl::Status Ledger::CommitNow() {
  CloseBlock();
  committer_->Wait();
  CollectResult();
  RETURN_IF_ERROR(fault_);
  absl::StatusOr<CommitJob> job = MakeCommit(true);
  if (!job.ok()) {
    Fault(job.status());
    return job.status();
  }
  const CommitResult result = committer_->Run(*job);
  TakeResult(result);
  return result.status;
}

absl::Status Ledger::Sync() { return CommitNow(); }

// ---- storage faults ----------------------------------------------------------------

void Ledger::Fault(const absl::Status& status) {
  if (!fault_.ok()) return;
  fault_ = status;
  retry_ns_ = Now() + kRetryNs;
  if (status.message() == logged_fault_) return;
  logged_fault_ = std::string(status.message());
  LogError("log: ", logged_fault_, "; trying again every second");
}

void Ledger::RetryAfterFault(uint64_t now_ns) {
  if (now_ns < retry_ns_) return;
  CloseBlock();  // what it holds is carried
  committer_->Wait();
  CollectResult();
  const std::string cause(fault_.message());
  fault_ = absl::OkStatus();
  if (const absl::Status reopened = Reopen(); !reopened.ok()) {
    Fault(reopened);
    return;
  }
  Record record;
  record.set_type(AGENT_STORAGE_FAULT);
  record.mutable_notice()->set_what("segment abandoned");
  record.mutable_notice()->set_detail(cause);
  AppendOwn(record, true);
  logged_fault_.clear();
  LogInfo("log: storage works again");
}

// Opens a new segment behind the abandoned one: the blocks that were not durable go into it
// with the same bytes (FORMAT.md §8). A file of which nothing was durable is removed, and its
// number used again.
absl::Status Ledger::Reopen() {
  if (durable_offset_ > 0) {
    AdvanceEpoch("storage", durable_offset_);
  } else {
    file_.reset();
    const std::string path = absl::StrCat(options_.dir, "/", SegmentName(state_.next_epoch));
    if (options_.io->Unlink(path.c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, absl::StrCat("unlink ", path));
    }
  }
  return OpenEpoch();
}

}  // namespace cairn::ledger
