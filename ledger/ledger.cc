#include "ledger/ledger.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include <cerrno>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/frame.h"
#include "ledger/hpke.h"
#include "ledger/note.h"
#include "ledger/recover.h"

namespace cairn::ledger {
namespace {

constexpr uint64_t kRetryNs = 1'000'000'000;
// Blocks kept in memory while fdatasync is slow, before Append waits for it.
constexpr uint64_t kMaxPendingBytes = 32 << 20;
constexpr size_t kMaxSpareBytes = 8 << 20;
constexpr absl::Duration kCommitterPoll = absl::Milliseconds(1);

uint64_t ClockNs(clockid_t clock) {
  timespec now;
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

LedgerOptions WithDefaults(LedgerOptions options) {
  if (!options.boot_time_ns) options.boot_time_ns = [] { return ClockNs(CLOCK_BOOTTIME); };
  if (!options.wall_time_ns) options.wall_time_ns = [] { return ClockNs(CLOCK_REALTIME); };
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

}  // namespace

Ledger::Ledger(LedgerOptions options, SigningKey key)
    : options_(WithDefaults(std::move(options))),
      log_key_(std::move(key)),
      tag_key_(Secret32::Random()),
      builder_(options_.limits.compress),
      epoch_key_(std::make_unique<SigningKey>(SigningKey::Generate())),
      next_epoch_key_(std::make_unique<SigningKey>(SigningKey::Generate())) {
  committer_ = std::make_unique<Committer>(options_.io, options_.dir, options_.origin, &log_key_);
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
  ASSIGN_OR_RETURN(const Recovered recovered, Recover(io, options.dir, vkey));

  auto ledger = std::unique_ptr<Ledger>(new Ledger(std::move(options), std::move(key)));
  ledger->directory_lock_ = std::move(lock);
  ledger->durable_ = ledger->state_ = recovered.state;
  ledger->checkpoint_size_ = recovered.state.size;
  ledger->previous_end_ = recovered.previous_end;
  ledger->previous_valid_bytes_ = recovered.previous_valid_bytes;
  RETURN_IF_ERROR(ledger->OpenEpoch());
  if (!recovered.clean) {
    Record record;
    record.set_type(AGENT_RECOVERY);
    *record.mutable_recovery() = recovered.record;
    ledger->AppendOwn(record, true);
  }
  RETURN_IF_ERROR(ledger->Sync());
  return ledger;
}

// ---- epochs --------------------------------------------------------------------

// The header speaks of the log before this file, hence before what is carried into it.
std::string Ledger::Header() const {
  SegmentHeader header;
  header.set_origin(options_.origin);
  header.set_epoch(state_.next_epoch);
  header.set_first_block(durable_.size);
  header.set_chain(std::string(View(durable_.chain)));
  for (const Hash& hash : durable_.frontier.hashes()) {
    header.add_frontier(std::string(View(hash)));
  }
  header.set_first_sequence(durable_.next_sequence);
  header.set_policy_generation(policy_generation_);
  header.set_environment(options_.environment);
  header.set_previous_end(previous_end_);
  header.set_previous_valid_bytes(previous_valid_bytes_);
  header.set_created_wall_ns(options_.wall_time_ns());
  header.set_carried_blocks(static_cast<uint32_t>(pending_.size()));
  return MakeHeader(header);
}

// Moves on to the next epoch's number and keys; the old ones are gone for good.
void Ledger::AdvanceEpoch(absl::string_view end, uint64_t valid_bytes) {
  ++state_.next_epoch;
  tag_key_.NextEpoch(state_.next_epoch);
  epoch_key_ = std::move(next_epoch_key_);
  next_epoch_key_ = std::make_unique<SigningKey>(SigningKey::Generate());
  previous_end_ = std::string(end);
  previous_valid_bytes_ = valid_bytes;
  durable_offset_ = 0;
  file_.reset();
}

// Writes the header, what the last segment could not keep, and the block that opens the epoch.
absl::Status Ledger::OpenEpoch() {
  ASSIGN_OR_RETURN(file_, SegmentFile::Create(options_.io, options_.dir, state_.next_epoch));
  const std::string header = Header();
  header_hash_ = Sha256({header});
  RETURN_IF_ERROR(WriteCarried(header));
  epoch_first_ = state_.size;
  epoch_first_sequence_ = state_.next_sequence;
  epoch_opened_ns_ = Now();
  builder_.StartSegment();
  AppendEpochOpen();
  return fault_;
}

absl::Status Ledger::WriteCarried(const std::string& header) {
  RETURN_IF_ERROR(file_->Append(header).status());
  for (Pending& pending : pending_) {
    ASSIGN_OR_RETURN(pending.end_offset, file_->Append(pending.frame));
  }
  return absl::OkStatus();
}

// The K of the opening's own block is the epoch's first, so it is sealed before that block closes.
void Ledger::AppendEpochOpen() {
  Record record;
  record.set_type(AGENT_EPOCH_OPEN);
  EpochOpen* open = record.mutable_epoch_open();
  open->set_epoch(state_.next_epoch);
  open->set_public_key(epoch_key_->public_key());
  open->set_header_hash(std::string(View(header_hash_)));
  open->set_size(state_.size);
  open->set_root(std::string(View(state_.frontier.Root())));
  open->set_chain(std::string(View(state_.chain)));
  open->set_boot_id(options_.boot_id);
  open->set_policy_digest(policy_digest_);
  open->set_binary_digest(options_.binary_digest);
  open->set_key_commitment(std::string(View(tag_key_.Commitment())));
  const std::string info =
      SealedKeyInfo(options_.origin, state_.next_epoch, state_.size, epoch_key_->public_key());
  for (const std::string& recipient : options_.recipients) {
    const absl::StatusOr<HpkeSealed> sealed =
        HpkeSeal(recipient, Secret32::Random(), {info, ""}, tag_key_.secret().view());
    if (!sealed.ok()) {
      LogError("recipient ", absl::BytesToHexString(recipient), ": ", sealed.status().message());
      continue;
    }
    SealedKey* key = open->add_sealed_keys();
    key->set_recipient(recipient);
    key->set_encapsulated(sealed->encapsulated);
    key->set_ciphertext(sealed->ciphertext);
  }
  if (state_.next_epoch == 0) {
    open->set_from_origin(options_.from.origin);
    open->set_from_size(options_.from.size);
    open->set_from_root(options_.from.root);
    open->set_from_reason(options_.from.reason);
  }
  AppendOwn(record, true);
}

void Ledger::AppendOwn(const Record& record, bool urgent) {
  CloseBlock();
  Record own = record;
  own.set_source(SOURCE_AGENT);
  Entry entry;
  entry.time_ns = Now();
  entry.record = &own;
  entry.urgent = urgent;
  const absl::Status added = builder_.Add(entry);
  if (!added.ok()) LogError("own record not taken: ", added.message());
  CloseBlock();
}

absl::Status Ledger::SealEpoch(absl::string_view reason, bool last) {
  Record record;
  record.set_type(AGENT_EPOCH_CLOSE);
  EpochClose* close = record.mutable_epoch_close();
  close->set_epoch(state_.next_epoch);
  close->set_reason(std::string(reason));
  if (!last) close->set_next_public_key(next_epoch_key_->public_key());
  CloseBlock();
  close->set_blocks(state_.size + 1 - epoch_first_);
  close->set_records(state_.next_sequence + 1 - epoch_first_sequence_);
  AppendOwn(record, true);
  RETURN_IF_ERROR(CommitNow());

  Seal seal;
  seal.size = state_.size;
  seal.chain = state_.chain;
  seal.header_hash = header_hash_;
  seal.blocks = state_.size - epoch_first_;
  seal.records = state_.next_sequence - epoch_first_sequence_;
  seal.signature = epoch_key_->Sign(SealedText(seal, options_.origin, state_.next_epoch));
  ASSIGN_OR_RETURN(const uint64_t end, file_->Append(MakeSeal(seal)));
  RETURN_IF_ERROR(file_->Sync());
  return committer_->MoveCheckpoint(file_->name(), end);
}

absl::Status Ledger::Rotate(absl::string_view reason) {
  if (closed_) return absl::UnavailableError("the log is closed");
  RETURN_IF_ERROR(fault_);
  if (const absl::Status sealed = SealEpoch(reason, false); !sealed.ok()) {
    Fault(sealed);
    return sealed;
  }
  AdvanceEpoch("sealed", file_->size());
  const absl::Status opened = OpenEpoch();
  if (!opened.ok()) Fault(opened);
  return opened;
}

absl::Status Ledger::Close(absl::string_view reason) {
  if (closed_) return absl::OkStatus();
  CloseBlock();
  closed_ = true;
  RETURN_IF_ERROR(fault_);
  return SealEpoch(reason, true);
}

// ---- blocks ----------------------------------------------------------------------

absl::Status Ledger::Append(const Entry& entry) {
  if (closed_) return absl::UnavailableError("the log is closed");
  if (!fault_.ok()) return absl::UnavailableError(fault_.message());
  if (builder_.empty()) block_opened_ns_ = entry.time_ns;
  absl::Status added = builder_.Add(entry);
  if (absl::IsResourceExhausted(added)) {
    CloseBlock();
    if (!fault_.ok()) return absl::UnavailableError(fault_.message());
    added = builder_.Add(entry);
  }
  RETURN_IF_ERROR(added);
  ++records_;
  if (entry.urgent || builder_.bytes() >= options_.limits.block_bytes) CloseBlock();
  return absl::OkStatus();
}

void Ledger::CloseBlock() {
  if (builder_.empty()) return;
  const uint32_t count = builder_.count();
  const uint32_t flags = builder_.flags();
  Pending pending;
  if (!spare_frames_.empty()) {
    pending.frame = std::move(spare_frames_.back());
    spare_bytes_ -= pending.frame.capacity();
    spare_frames_.pop_back();
  }
  pending.frame.assign(kFramePrefixBytes + kTagBytes, '\0');
  const uint64_t now = Now();
  builder_.Finish(state_.next_sequence, static_cast<int64_t>(options_.wall_time_ns() - now),
                  &pending.frame);
  const absl::string_view stored =
      absl::string_view(pending.frame).substr(kFramePrefixBytes + kTagBytes);
  const Hash leaf = LeafHash(stored);
  state_.chain = ChainNext(state_.chain, state_.size, leaf);
  state_.frontier.Add(leaf);
  const Tag tag = tag_key_.TagAndEvolve(state_.chain);
  std::copy(tag.begin(), tag.end(), pending.frame.begin() + kFramePrefixBytes);
  FinishFrame(FrameType::kBlock, &pending.frame);

  pending.leaf = leaf;
  pending.chain = state_.chain;
  pending.records = count;
  stored_bytes_ += stored.size();
  ++state_.size;
  state_.next_sequence += count;
  if (oldest_pending_ns_ == 0) oldest_pending_ns_ = now;
  if ((flags & kBlockReceiptsOnly) == 0 && oldest_unvouched_ns_ == 0) oldest_unvouched_ns_ = now;
  if ((flags & kBlockUrgent) != 0) commit_urgent_ = checkpoint_urgent_ = true;
  WriteFrame(&pending);
  pending_bytes_ += pending.frame.size();
  pending_.push_back(std::move(pending));
}

void Ledger::WriteFrame(Pending* pending) {
  if (!fault_.ok()) return;
  const absl::StatusOr<uint64_t> end = file_->Append(pending->frame);
  if (end.ok()) {
    pending->end_offset = *end;
  } else {
    Fault(end.status());
  }
}

void Ledger::Flush() { CloseBlock(); }

void Ledger::SetPolicy(uint64_t generation, absl::string_view digest) {
  CloseBlock();
  policy_generation_ = generation;
  policy_digest_ = std::string(digest);
  builder_.set_policy_generation(generation);
}

// ---- commits -----------------------------------------------------------------------

absl::StatusOr<CommitJob> Ledger::MakeCommit(bool checkpoint) {
  Commit commit;
  commit.size = state_.size;
  commit.chain = state_.chain;
  commit.durable_offset = durable_offset_;
  CommitJob job;
  job.file = file_;
  ASSIGN_OR_RETURN(job.offset, file_->Append(ledger::MakeCommit(commit)));
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
  return commit_urgent_ || pending_bytes_ >= options_.limits.commit_bytes ||
         now_ns - oldest_pending_ns_ >= Ns(options_.limits.commit_age);
}

bool Ledger::CheckpointDue(uint64_t now_ns) const {
  if (checkpoint_urgent_) return true;
  // One commit early rather than one late.
  const uint64_t age = Ns(options_.limits.checkpoint_age - options_.limits.commit_age);
  return oldest_unvouched_ns_ != 0 && now_ns - oldest_unvouched_ns_ >= age;
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
  while (!pending_.empty() && pending_.front().end_offset != 0 &&
         pending_.front().end_offset <= durable_offset_) {
    Pending& block = pending_.front();
    ++durable_.size;
    durable_.next_sequence += block.records;
    durable_.chain = block.chain;
    durable_.frontier.Add(block.leaf);
    pending_bytes_ -= block.frame.size();
    if (spare_bytes_ + block.frame.capacity() <= kMaxSpareBytes) {
      spare_bytes_ += block.frame.capacity();
      spare_frames_.push_back(std::move(block.frame));
    }
    pending_.pop_front();
  }
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

absl::Duration Ledger::Tick() {
  if (closed_) return absl::InfiniteDuration();
  CollectResult();
  const uint64_t now = Now();
  if (!fault_.ok()) {
    RetryAfterFault(now);
    return fault_.ok() ? absl::ZeroDuration() : absl::Nanoseconds(kRetryNs);
  }
  if (!builder_.empty() && now - block_opened_ns_ >= Ns(options_.limits.block_age)) CloseBlock();
  if (pending_bytes_ > kMaxPendingBytes) {
    committer_->Wait();
    CollectResult();
  }
  const bool rotate = file_->size() >= options_.limits.segment_bytes - kMaxFrameBody ||
                      now - epoch_opened_ns_ >= Ns(options_.limits.segment_age);
  if (rotate && fault_.ok()) {
    const bool full = now - epoch_opened_ns_ < Ns(options_.limits.segment_age);
    Rotate(full ? "size" : "age").IgnoreError();  // a fault is kept and retried
    return absl::ZeroDuration();
  }
  if (!committer_->idle()) return kCommitterPoll;
  if (fault_.ok() && CommitDue(now)) {
    StartCommit(CheckpointDue(now));
    return kCommitterPoll;
  }
  if (!builder_.empty()) return options_.limits.block_age;
  if (oldest_pending_ns_ != 0 || oldest_unvouched_ns_ != 0) return options_.limits.commit_age;
  return options_.limits.segment_age - absl::Nanoseconds(now - epoch_opened_ns_);
}

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

LedgerStats Ledger::stats() const {
  LedgerStats stats;
  stats.size = state_.size;
  stats.next_sequence = state_.next_sequence + builder_.count();
  stats.epoch = state_.next_epoch;
  stats.segment_bytes = file_ == nullptr ? 0 : file_->size();
  stats.checkpoint_size = checkpoint_size_;
  stats.durable_size = durable_.size;
  stats.records = records_;
  stats.stored_bytes = stored_bytes_;
  stats.fault = fault_;
  return stats;
}

}  // namespace cairn::ledger
