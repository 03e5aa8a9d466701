// The tamper-evident log a host writes: one directory, one segment an epoch.
// Bytes: proto/FORMAT.md. Promises: docs/threat-model.md.
#ifndef CAIRN_LEDGER_LEDGER_H_
#define CAIRN_LEDGER_LEDGER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/io.h"
#include "ledger/key.h"
#include "ledger/subject.h"
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

struct LedgerOptions {
  std::string dir;     // of this incarnation; made 0750 if missing
  std::string origin;  // "<deployment>/h/<host-uuid>/<incarnation>"
  std::string environment;
  std::string boot_id;
  std::string binary_digest;                 // 32 bytes
  std::vector<std::string> recipients;       // X25519 public keys, 32 bytes each
  LedgerLimits limits;
  Io* io = Io::Real();                       // not owned
  std::function<uint64_t()> boot_time_ns;    // CLOCK_BOOTTIME; tests replace it
  std::function<uint64_t()> wall_time_ns;    // CLOCK_REALTIME
};

// One record to append. Nothing is kept after the call.
struct Entry {
  uint64_t time_ns = 0;                 // CLOCK_BOOTTIME of the act
  const Record* record = nullptr;       // fields 1-3 unset: the ledger writes them
  Subject* subject = nullptr;           // who did it; null: nobody
  absl::Span<const std::string* const> rules;  // ids; the strings outlive the open block
  bool urgent = false;                  // commit and checkpoint at once
};

struct LedgerStats {
  uint64_t size = 0;             // blocks
  uint64_t next_sequence = 0;
  uint64_t epoch = 0;
  uint64_t segment_bytes = 0;
  uint64_t checkpoint_size = 0;  // of the newest durable checkpoint
  uint64_t records = 0;          // since Open
  uint64_t stored_bytes = 0;     // of blocks, since Open
  absl::Status fault;            // why nothing can be written just now; OK: it can
};

// Writes one log. Append, Flush, Tick, Rotate, SetPolicy and Close are for the capture
// thread; stats() for any. One committing thread of its own does fdatasync and signatures.
class Ledger {
 public:
  // Recovers what a crash left (ledger/recover.h), then opens the next epoch. `key` is the log
  // key and is kept. DataLoss: the directory's newest durable state is damaged below what
  // a checkpoint vouches for; the new epoch still opens and its record says so. Errors are
  // for what makes writing impossible: NotFound, PermissionDenied, ResourceExhausted.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(LedgerOptions options, SigningKey key);
  virtual ~Ledger() = default;

  // Adds a record to the open block, which closes when full, urgent, Flushed or 1 ms old.
  // InvalidArgument: one record too large for a block (> 60 KiB). ResourceExhausted,
  // DataLoss, Unavailable: storage fault; the record was not taken.
  virtual absl::Status Append(const Entry& entry) = 0;

  // Closes the open block: hashes, chains, tags and writes it. Call when the rings are drained.
  virtual absl::Status Flush() = 0;

  // Does what time has made due (block, commit, checkpoint, epoch) and returns when to call
  // again at the latest; absl::InfiniteDuration() when nothing is pending.
  virtual absl::StatusOr<absl::Duration> Tick() = 0;

  // Makes all that was appended durable and checkpointed before it returns.
  virtual absl::Status Sync() = 0;

  // Seals this epoch and opens the next. `reason` as in EpochClose.
  virtual absl::Status Rotate(absl::string_view reason) = 0;

  // Records from now on carry this policy. Closes the open block.
  virtual absl::Status SetPolicy(uint64_t generation, absl::string_view digest) = 0;

  // Seals the epoch; nothing can be appended afterwards.
  virtual absl::Status Close(absl::string_view reason) = 0;

  virtual LedgerStats stats() const = 0;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_LEDGER_H_
