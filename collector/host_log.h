// One host's log at the collector: verified as it arrives, stored bit for bit, receipted.
//
//   <store>/<deployment>/<host-uuid>/<incarnation>/
//     0000000017.seg   the host's file
//     log.vkey         the key it is verified with
//     checkpoint       newest receipted note, with our cosignature (follows the receipts within
//                      seconds; what it should say stands in the segments)
//     evidence/        what was refused, and why
#ifndef CAIRN_COLLECTOR_HOST_LOG_H_
#define CAIRN_COLLECTOR_HOST_LOG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/io.h"
#include "collector/cosigner.h"
#include "collector/receipt.h"
#include "collector/stored_file.h"
#include "ledger/frame.h"
#include "ledger/stream_verifier.h"

namespace cairn::collector {

// One thread at a time.
class HostLog {
 public:
  // Recovers what is stored: verifies the newest segment again, drops what a crash left torn
  // behind its last whole frame (never below a receipt), makes the rest durable. DataLoss: the
  // store lost or damaged receipted bytes; nothing is changed then.
  static absl::StatusOr<std::unique_ptr<HostLog>> Open(Io* io, std::string dir,
                                                       ledger::VerifierKey log_key,
                                                       const Cosigner* cosigner);

  // Where the host has to go on.
  Place next() const { return next_; }
  bool empty() const { return next_ == Place{} && receipt_.size == 0; }
  // Takes `first_epoch`.. of a log whose earlier segments nobody will send. The copy says
  // INCOMPLETE, and the gap is recorded. FailedPrecondition: it would go backwards.
  absl::Status StartAt(uint64_t first_epoch);

  // Verifies and writes whole frames at `place`. What is already held is compared instead.
  // OutOfRange: not where the log goes on. Aborted: other bytes are held there (fork).
  // DataLoss: does not verify. InvalidArgument: not whole frames. Else: storage.
  // After any error but OutOfRange this object is done for: drop it, open it again.
  absl::Status Append(const Place& place, absl::string_view bytes);

  // A checkpoint verified since the last receipt.
  bool receipt_due() const { return !pending_.note.empty(); }
  // Of the newest checkpoint. Nothing is signed that is not on disk: first its Sync, then, with
  // what that returned, GiveReceipt. Bytes may be appended meanwhile; it does not cover them.
  DueReceipt BeginReceipt() const;
  absl::StatusOr<GivenReceipt> GiveReceipt(const DueReceipt& due, const absl::Status& synced);
  // The newest; size 0: none.
  const GivenReceipt& receipt() const { return receipt_; }
  // What the file `checkpoint` should say now; none: it does. Counts as written then.
  std::optional<ledger::CheckpointFile> TakeUnsaved();

  // Keeps bytes and notes that prove what went wrong, in evidence/; drops what was stored after
  // the last receipt. Bounded: 16 pieces a log.
  absl::Status KeepEvidence(absl::string_view code, absl::string_view why,
                            absl::string_view shown_note, absl::string_view bytes);
  const ledger::Finding* finding() const { return verifier_->finding(); }
  // True once after a segment came to its end.
  bool TakeClosed() { return std::exchange(closed_, false); }
  uint64_t stored_bytes() const { return stored_bytes_; }
  // Counts what is stored anew: retention and the archive remove files.
  absl::Status Recount();
  const std::string& dir() const { return dir_; }
  const ledger::VerifierKey& log_key() const { return log_key_; }

 private:
  HostLog(Io* io, std::string dir, ledger::VerifierKey log_key, const Cosigner* cosigner);
  absl::Status Recover();
  absl::StatusOr<bool> RecoverFrom(uint64_t epoch);
  absl::StatusOr<uint64_t> VerifyStored(uint64_t epoch, uint64_t limit);
  absl::Status LoadReceipt();
  void NewVerifier(std::optional<ledger::LogState> from);
  void OnCheckpoint(const ledger::Checkpoint& checkpoint, absl::string_view note);
  void TakeStaged();
  absl::Status NextSegment(uint64_t epoch);
  absl::Status Create(const std::string& path, absl::string_view bytes);
  absl::Status Write(absl::string_view bytes);
  absl::Status Compare(const Place& place, absl::string_view bytes) const;
  absl::Status CopyTail(const std::string& to) const;
  absl::Status DropBehindAnchor();
  absl::Status DropAfter(const Place& place);
  std::string SegmentPath(uint64_t epoch) const;

  Io* const io_;
  const std::string dir_;
  const ledger::VerifierKey log_key_;
  const Cosigner* const cosigner_;
  std::unique_ptr<ledger::StreamVerifier> verifier_;
  std::shared_ptr<StoredFile> file_;  // segment next_.epoch, once it has bytes
  Place next_;
  Place anchor_;  // behind the newest verified checkpoint; offset 0: in an older segment
  uint64_t stored_bytes_ = 0;
  bool closed_ = false;
  uint64_t at_least_ = 0;  // blocks a log that skips segments must start with
  Vouched pending_;        // the newest; note empty: receipted
  // The same two for bytes that were verified but are not yet in the file.
  std::optional<Place> staged_anchor_;
  Vouched staged_;
  uint64_t urgent_seen_ = 0;  // of verifier_, at its newest checkpoint
  GivenReceipt receipt_;
  uint64_t saved_size_ = 0;  // of the file `checkpoint`
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_HOST_LOG_H_
