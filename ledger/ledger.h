// The tamper-evident log a host writes: one directory, one segment an epoch.
// Bytes: proto/FORMAT.md. Promises: docs/threat-model.md.
#ifndef CAIRN_LEDGER_LEDGER_H_
#define CAIRN_LEDGER_LEDGER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/io.h"
#include "ledger/backlog.h"
#include "ledger/block.h"
#include "ledger/hash.h"
#include "ledger/key.h"
#include "ledger/recover.h"
#include "ledger/segment_file.h"
#include "ledger/stream_verifier.h"
#include "ledger/tpm.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

struct LedgerLimits {
  uint64_t segment_bytes = 64 << 20;
  absl::Duration segment_age = absl::Minutes(10);
  absl::Duration block_age = absl::Milliseconds(1);
  uint32_t block_bytes = 60 << 10;  // of records, before compression
  absl::Duration commit_age = absl::Milliseconds(50);
  uint64_t commit_bytes = 1 << 20;
  absl::Duration checkpoint_age = absl::Milliseconds(500);
  bool compress = true;
};

// The incarnation this one follows: named in its first record.
struct Predecessor {
  std::string origin;  // empty: none
  uint64_t size = 0;   // blocks, and their root, by its newest checkpoint; 0: unknown
  std::string root;
  std::string reason;
};

struct LedgerOptions {
  std::string dir;     // of this incarnation; made 0750 if missing
  std::string origin;  // "<deployment>/h/<host-uuid>/<incarnation>"
  std::string environment;
  std::string boot_id;
  std::string binary_digest;            // 32 bytes
  std::vector<std::string> recipients;  // X25519 public keys, 32 bytes each
  Predecessor from;
  std::optional<KeyRotation> rotation;  // by which the predecessor's key names ours
  std::string kept;    // what outlived a run that did not end well, for agent.recovery; "": nothing
  Tpm* tpm = nullptr;  // counts epochs; not owned
  LedgerLimits limits;
  Io* io = Io::Real();  // not owned
  // Called on a thread of the ledger's when Tick has a commit to collect. Without, Tick wants to be
  // called each millisecond while one is under way.
  std::function<void()> committed;
  std::function<uint64_t()> boot_time_ns;  // CLOCK_BOOTTIME, the default; tests replace it
  std::function<uint64_t()> wall_time_ns;  // CLOCK_REALTIME, the default
  std::function<Secret32()> new_secret;    // Secret32::Random, the default; simulations replace it
};

struct LedgerStats {
  uint64_t size = 0;  // blocks
  uint64_t next_sequence = 0;
  uint64_t epoch = 0;
  uint64_t segment_bytes = 0;
  uint64_t checkpoint_size = 0;  // of the newest durable checkpoint
  uint64_t durable_size = 0;     // blocks
  uint64_t records = 0;          // since Open
  uint64_t stored_bytes = 0;     // of blocks, since Open
  bool committing = false;       // a commit is on its way
  absl::Status fault;            // why nothing can be written just now; OK: it can
};

// Writes one log. Append, Flush, Tick, Sync, Rotate, SetPolicy, Close and stats are for the
// capture thread. One committing thread of its own does fdatasync and signatures.
//
// A storage fault (ENOSPC, EIO, …) never ends it: the segment is abandoned, what was not yet
// durable stays in memory and opens the next segment, which Tick tries once a second; until
// then Append refuses.
class Ledger {
 public:
  // Recovers what a crash left (ledger/recover.h), then opens the next epoch. `key` is the log
  // key and is kept. DataLoss: the directory is damaged below what was durable, or older than a
  // receipt or the TPM's counter says; nothing was changed and this log must not be continued.
  // AlreadyExists: another process writes it. NotFound, PermissionDenied, ResourceExhausted: it
  // cannot be written.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(LedgerOptions options, SigningKey key);
  ~Ledger();

  // Adds a record to the open block, which closes when full, urgent, Flushed or 1 ms old. An
  // error means that the record was not taken. InvalidArgument: too large for a block (60 KiB).
  // Unavailable: closed, or a storage fault.
  absl::Status Append(const Entry& entry);

  // Closes the open block. Call when the rings are drained, then Tick.
  void Flush();

  // Writes what Tick would leave in memory for a moment.
  void Write();
  // Does a kill now take along anything that was appended? Not said of a storage fault, under which
  // all waits in memory until it passes.
  bool unwritten() const {
    return fault_.ok() && (!builder_.empty() || backlog_.unwritten_bytes() != 0);
  }

  // Hashes, chains and tags the closed blocks, writes them, does what time has made due (block,
  // commit, checkpoint, epoch, another try after a fault) and returns when to call again at the
  // latest. Call after each drain: no more than four blocks wait for it to be chained, and what is
  // chained waits at most 1 ms or 256 KiB to be written.
  absl::Duration Tick();

  // Makes all that was appended durable and checkpointed before it returns.
  absl::Status Sync();

  // Seals this epoch and opens the next. `reason` as in EpochClose; after "suspend" no key of the
  // next epoch comes from this one's.
  absl::Status Rotate(absl::string_view reason);

  // Appends agent.key_rotated, urgent: the last but one thing under the old key.
  absl::Status RecordRotation(const KeyRotation& rotation);

  // Records from now on carry this policy. Closes the open block.
  void SetPolicy(uint64_t generation, absl::string_view digest);

  // Seals the epoch; nothing can be appended afterwards.
  absl::Status Close(absl::string_view reason);

  LedgerStats stats() const;

 private:
  Ledger(LedgerOptions options, SigningKey key);

  absl::Duration NextDue(uint64_t now_ns) const;
  absl::Status OpenEpoch();
  void AdvanceEpoch(absl::string_view end, uint64_t valid_bytes);
  absl::Status Reopen();
  std::string Header() const;
  void AppendEpochOpen();
  uint64_t CountEpoch();
  void AppendOwn(const Record& record, bool urgent);
  void AppendBeginnings(const Recovered& recovered);
  void FinishBlock();
  void ChainBlocks();
  void CloseBlock();
  bool WriteDue(uint64_t now_ns) const;
  void WriteOut(uint64_t now_ns);
  absl::StatusOr<CommitJob> MakeCommit(bool checkpoint);
  bool CommitDue(uint64_t now_ns) const;
  bool CheckpointDue(uint64_t now_ns) const;
  void StartCommit(bool checkpoint);
  void TakeResult(const CommitResult& result);
  void CollectResult();  // of a commit that has ended
  absl::Status CommitNow();
  absl::Status SealEpoch(absl::string_view reason, bool silent);
  void RenewKeys();
  void Fault(const absl::Status& status);
  void RetryAfterFault(uint64_t now_ns);
  uint64_t Now() const { return options_.boot_time_ns(); }

  // Constant after construction.
  const LedgerOptions options_;
  const SigningKey log_key_;
  Fd directory_lock_;

  // Where the log stands.
  LogState state_;    // after the newest chained block (next_sequence: after the newest closed
                      // one); next_epoch is the open epoch
  LogState durable_;  // before the backlog
  TagKey tag_key_;
  BlockBuilder builder_;
  uint64_t block_opened_ns_ = 0;
  uint64_t policy_generation_ = 0;
  std::string policy_digest_;

  // The epoch.
  std::unique_ptr<SigningKey> epoch_key_;
  std::unique_ptr<SigningKey> next_epoch_key_;
  uint64_t tpm_counter_ = 0;  // of this epoch; 0: not raised yet, or no TPM
  std::shared_ptr<SegmentFile> file_;
  std::string previous_end_;  // of the segment before, as its header says
  uint64_t previous_valid_bytes_ = 0;
  Hash header_hash_{};
  uint64_t epoch_first_ = 0;
  uint64_t epoch_first_sequence_ = 0;
  uint64_t epoch_opened_ns_ = 0;

  // What is not durable yet.
  Backlog backlog_;
  LogState committed_;                // after the newest COMMIT
  uint64_t written_ns_ = 0;           // the last write
  uint64_t oldest_pending_ns_ = 0;    // 0: nothing to commit
  uint64_t oldest_unvouched_ns_ = 0;  // 0: no checkpoint due
  bool commit_urgent_ = false;
  bool checkpoint_urgent_ = false;
  uint64_t durable_offset_ = 0;
  uint64_t checkpoint_size_ = 0;

  absl::Status fault_;
  std::string logged_fault_;
  uint64_t retry_ns_ = 0;
  bool closed_ = false;
  uint64_t records_ = 0;
  uint64_t stored_bytes_ = 0;
  std::unique_ptr<Committer> committer_;  // last: its thread uses the keys
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_LEDGER_H_
