#include "ledger/ledger.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/frame.h"
#include "ledger/leaf_hash.h"
#include "ledger/note.h"

namespace cairn::ledger {
namespace {

// Closed blocks are written together: at this many bytes, or this long after the last write. (A
// write of 13 KB costs twice as much a byte as one of 256 KiB.)
constexpr uint64_t kWriteBytes = 256 << 10;
constexpr uint64_t kWriteNs = 400'000;  // less than the capture thread's shortest nap
// Blocks kept in memory while fdatasync is slow, before Append waits for it.
constexpr uint64_t kMaxPendingBytes = 32 << 20;
// What a segment may gain between two looks at its size.
constexpr uint64_t kMaxMargin = 1 << 20;
constexpr absl::Duration kRetry = absl::Seconds(1);
constexpr absl::Duration kCommitterPoll = absl::Milliseconds(1);

LedgerOptions WithDefaults(LedgerOptions options) {
  if (!options.boot_time_ns) options.boot_time_ns = BootNs;
  if (!options.wall_time_ns) options.wall_time_ns = WallNs;
  if (!options.new_secret) options.new_secret = Secret32::Random;
  return options;
}

uint64_t Ns(absl::Duration duration) {
  return static_cast<uint64_t>(absl::ToInt64Nanoseconds(duration));
}

absl::StatusOr<Fd> LockDirectory(Io* io, const std::string& dir) {
  ASSIGN_OR_RETURN(Fd fd, OpenFile(io, dir, O_RDONLY | O_DIRECTORY));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return absl::AlreadyExistsError(absl::StrCat(dir, ": another process writes this log"));
    }
    return ErrnoStatus(errno, absl::StrCat("lock ", dir));
  }
  return fd;
}

// The counter is raised just before an epoch opens: one raise ahead is an opening that a crash
// cut short, more are openings that this disk does not know.
absl::Status CheckCounter(Tpm* tpm, uint64_t newest, const std::string& dir) {
  if (tpm == nullptr || newest == 0) return absl::OkStatus();
  const absl::StatusOr<uint64_t> counter = tpm->ReadCounter();
  if (!counter.ok()) {
    LogError("TPM: ", counter.status().message(), "; an older copy of this disk is not noticed");
    return absl::OkStatus();
  }
  if (*counter <= newest + 1) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(dir, ": the TPM counted ", *counter,
                                          " epochs, the newest one here is number ", newest,
                                          ": this disk is older than the truth"));
}

}  // namespace

Ledger::Ledger(LedgerOptions options, SigningKey key)
    : options_(WithDefaults(std::move(options))),
      log_key_(std::move(key)),
      tag_key_(options_.new_secret()),
      builder_(options_.limits.compress),
      epoch_key_(std::make_unique<SigningKey>(SigningKey::FromSeed(options_.new_secret()))),
      next_epoch_key_(std::make_unique<SigningKey>(SigningKey::FromSeed(options_.new_secret()))) {
  committer_ = std::make_unique<Committer>(options_.io, options_.dir, options_.origin, &log_key_,
                                           options_.committed);
}

Ledger::~Ledger() = default;

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(LedgerOptions options, SigningKey key) {
  Io* const io = options.io;
  RETURN_IF_ERROR(MakeDirectories(io, options.dir, 0750));
  ASSIGN_OR_RETURN(Fd lock, LockDirectory(io, options.dir));
  RETURN_IF_ERROR(MakeDirectories(io, absl::StrCat(options.dir, "/", kReceiptsDir), 0770));
  VerifierKey vkey;
  vkey.name = options.origin;
  vkey.public_key = key.public_key();
  RETURN_IF_ERROR(WriteFileDurably(io, options.dir, kKeyFile, vkey.ToString() + "\n", 0444));
  if (options.rotation.has_value()) {
    RETURN_IF_ERROR(WriteFileDurably(io, options.dir, kRotationFile,
                                     options.rotation->cross_signature(), 0444));
  }
  ASSIGN_OR_RETURN(const Recovered recovered, Recover(io, options.dir, vkey));
  RETURN_IF_ERROR(CheckCounter(options.tpm, recovered.tpm_counter, options.dir));

  auto ledger = std::unique_ptr<Ledger>(new Ledger(std::move(options), std::move(key)));
  ledger->directory_lock_ = std::move(lock);
  ledger->durable_ = ledger->state_ = recovered.state;
  ledger->checkpoint_size_ = recovered.state.size;
  ledger->previous_end_ = recovered.previous_end;
  ledger->previous_valid_bytes_ = recovered.previous_valid_bytes;
  RETURN_IF_ERROR(ledger->OpenEpoch());
  ledger->AppendBeginnings(recovered);
  RETURN_IF_ERROR(ledger->Sync());
  return ledger;
}

// What the first epoch of a run has to say.
void Ledger::AppendBeginnings(const Recovered& recovered) {
  if (!recovered.clean) {
    Record record;
    record.set_type(AGENT_RECOVERY);
    *record.mutable_recovery() = recovered.record;
    if (!options_.kept.empty()) {
      std::string* detail = record.mutable_recovery()->mutable_detail();
      absl::StrAppend(detail, detail->empty() ? "" : "; ", options_.kept);
    }
    AppendOwn(record, true);
  }
  if (options_.rotation.has_value() && recovered.state.size == 0) {
    RecordRotation(*options_.rotation).IgnoreError();  // a fault is kept and retried
  }
}

absl::Status Ledger::RecordRotation(const KeyRotation& rotation) {
  Record record;
  record.set_type(AGENT_KEY_ROTATED);
  *record.mutable_key_rotated() = rotation;
  AppendOwn(record, true);
  return fault_;
}

absl::Status Ledger::Append(const Entry& entry) {
  if (closed_) return absl::UnavailableError("the log is closed");
  if (!fault_.ok()) return absl::UnavailableError(fault_.message());
  if (builder_.empty()) block_opened_ns_ = entry.time_ns;
  absl::Status added = builder_.Add(entry);
  if (!added.ok() && absl::IsResourceExhausted(added)) {
    FinishBlock();
    if (!fault_.ok()) return absl::UnavailableError(fault_.message());
    added = builder_.Add(entry);
  }
  RETURN_IF_ERROR(added);
  ++records_;
  if (entry.urgent || builder_.bytes() >= options_.limits.block_bytes) FinishBlock();
  return absl::OkStatus();
}

// The open block's bytes stand from here on. An urgent one is in the file when this returns;
// others are chained a few together, by the next Tick at the latest.
void Ledger::FinishBlock() {
  if (builder_.empty()) return;
  const uint32_t count = builder_.count();
  const uint32_t flags = builder_.flags();
  std::string* const frames = backlog_.Room();
  frames->append(kFramePrefixBytes + kTagBytes, '\0');
  const size_t start = frames->size();
  const uint64_t now = Now();
  builder_.Finish(state_.next_sequence, static_cast<int64_t>(options_.wall_time_ns() - now),
                  frames);
  stored_bytes_ += frames->size() - start;
  backlog_.Add(count);
  state_.next_sequence += count;
  if (oldest_pending_ns_ == 0) oldest_pending_ns_ = now;
  if ((flags & kBlockReceiptsOnly) == 0 && oldest_unvouched_ns_ == 0) oldest_unvouched_ns_ = now;
  const bool urgent = (flags & kBlockUrgent) != 0;
  if (urgent) commit_urgent_ = checkpoint_urgent_ = true;
  if (urgent || backlog_.unchained() == kHashLanes) ChainBlocks();
  if (urgent || WriteDue(now)) WriteOut(now);
}

// Hashes, chains and tags what FinishBlock left.
void Ledger::ChainBlocks() {
  absl::string_view stored[kHashLanes];
  Hash leaves[kHashLanes];
  const size_t blocks = backlog_.unchained();
  for (size_t i = 0; i < blocks; ++i) {
    const absl::Span<char> frame = backlog_.Unchained(i);
    stored[i] = absl::string_view(frame.data(), frame.size()).substr(kFramePrefixBytes + kTagBytes);
  }
  LeafHashes(absl::MakeConstSpan(stored, blocks), leaves);
  for (size_t i = 0; i < blocks; ++i) {
    state_.chain = ChainNext(state_.chain, state_.size, leaves[i]);
    state_.frontier.Add(leaves[i]);
    ++state_.size;
    const Tag tag = tag_key_.TagAndEvolve(state_.chain);
    const absl::Span<char> frame = backlog_.Unchained(0);
    std::copy(tag.begin(), tag.end(), frame.data() + kFramePrefixBytes);
    FinishFrame(FrameType::kBlock, frame.data(), frame.size());
    backlog_.Chained(leaves[i], state_.chain);
  }
}

void Ledger::CloseBlock() {
  FinishBlock();
  ChainBlocks();
}

bool Ledger::WriteDue(uint64_t now_ns) const {
  const uint64_t bytes = backlog_.unwritten_bytes();
  return bytes >= kWriteBytes || (bytes > 0 && now_ns - written_ns_ >= kWriteNs);
}

void Ledger::WriteOut(uint64_t now_ns) {
  if (!fault_.ok()) return;
  ChainBlocks();
  if (backlog_.unwritten_bytes() > 0) written_ns_ = now_ns;
  if (const absl::Status written = backlog_.Write(file_.get()); !written.ok()) Fault(written);
}

void Ledger::Flush() { FinishBlock(); }

void Ledger::Write() {
  FinishBlock();
  WriteOut(Now());
}

void Ledger::SetPolicy(uint64_t generation, absl::string_view digest) {
  CloseBlock();
  policy_generation_ = generation;
  policy_digest_ = std::string(digest);
  builder_.set_policy_generation(generation);
}

absl::Duration Ledger::Tick() {
  if (closed_) return absl::InfiniteDuration();
  ChainBlocks();
  CollectResult();
  bool waits = !committer_->idle();  // also for one that has ended since: the next Tick takes it
  const uint64_t now = Now();
  if (!fault_.ok()) {
    RetryAfterFault(now);
    return fault_.ok() ? absl::ZeroDuration() : kRetry;
  }
  if (!builder_.empty() && now - block_opened_ns_ >= Ns(options_.limits.block_age)) CloseBlock();
  if (WriteDue(now)) WriteOut(now);
  if (backlog_.bytes() > kMaxPendingBytes) {
    committer_->Wait();
    CollectResult();
  }
  const uint64_t margin = std::min(options_.limits.segment_bytes / 8, kMaxMargin);
  const bool rotate = file_->size() >= options_.limits.segment_bytes - margin ||
                      now - epoch_opened_ns_ >= Ns(options_.limits.segment_age);
  if (rotate && fault_.ok()) {
    const bool full = now - epoch_opened_ns_ < Ns(options_.limits.segment_age);
    Rotate(full ? "size" : "age").IgnoreError();  // a fault is kept and retried
    return absl::ZeroDuration();
  }
  if (!waits && fault_.ok() && CommitDue(now)) {
    StartCommit(CheckpointDue(now));
    waits = true;
  }
  if (waits && options_.committed == nullptr) return kCommitterPoll;
  if (!builder_.empty()) return options_.limits.block_age;
  if (backlog_.unwritten_bytes() > 0) return absl::Nanoseconds(written_ns_ + kWriteNs - now);
  return waits ? options_.limits.commit_age : NextDue(now);
}

// Until a commit, a checkpoint or the next epoch is due.
absl::Duration Ledger::NextDue(uint64_t now_ns) const {
  const LedgerLimits& limits = options_.limits;
  uint64_t due = epoch_opened_ns_ + Ns(limits.segment_age);
  if (oldest_pending_ns_ != 0) {  // a checkpoint goes with that commit
    due = std::min(due, oldest_pending_ns_ + Ns(limits.commit_age));
  } else if (oldest_unvouched_ns_ != 0) {
    due = std::min(due, oldest_unvouched_ns_ + Ns(limits.checkpoint_age - limits.commit_age));
  }
  return absl::Nanoseconds(due > now_ns ? due - now_ns : 0);
}

LedgerStats Ledger::stats() const {
  LedgerStats stats;
  stats.size = state_.size + backlog_.unchained();
  stats.next_sequence = state_.next_sequence + builder_.count();
  stats.epoch = state_.next_epoch;
  stats.segment_bytes = file_ == nullptr ? 0 : file_->size();
  stats.checkpoint_size = checkpoint_size_;
  stats.durable_size = durable_.size;
  stats.records = records_;
  stats.stored_bytes = stored_bytes_;
  stats.committing = !committer_->idle();
  stats.fault = fault_;
  return stats;
}

}  // namespace cairn::ledger
