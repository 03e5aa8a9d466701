// One session with a collector, without the network: bytes in, bytes out. The whole protocol
// of proto/wire.proto from the shipper's side; nothing a collector says is believed unchecked.
#ifndef CAIRN_AGENT_SHIPPER_UPLINK_H_
#define CAIRN_AGENT_SHIPPER_UPLINK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/shipper/exposure.h"
#include "agent/shipper/receipts.h"
#include "agent/shipper/source.h"
#include "proto/wire.h"

namespace cairn::shipper {

struct UplinkOptions {
  std::string collector_key;  // pinned verifier key; empty: the one Welcome states
  bool compress = true;
  std::string agent_version;
  std::function<uint64_t()> boot_time_ns;  // CLOCK_BOOTTIME
};

// One thread.
class Uplink {
 public:
  // `source`, `receipts` and `exposure` outlive the uplink.
  Uplink(UplinkOptions options, LogSource* source, ReceiptBook* receipts, Exposure* exposure);

  // Appends the Hello to `out`.
  absl::Status Start(std::string* out);

  // Takes what the collector sent and appends what is to be answered. An error ends the
  // session: FailedPrecondition: it holds a larger log than we do (fork: the note is stored in
  // receipts/ for cairnd); Unavailable: refused, see refusal(); InvalidArgument, DataLoss: it
  // breaks the protocol or lies.
  absl::Status OnBytes(absl::string_view bytes, std::string* out);

  // Appends what may be shipped now, while `out` is shorter than `max_bytes`. Adds the bytes
  // of log it took to `taken`. Errors as LogSource::Read.
  absl::Status Fill(size_t max_bytes, std::string* out, uint64_t* taken);

  void KeepAlive(std::string* out);

  bool welcomed() const { return welcomed_; }
  uint32_t keep_alive_s() const { return keep_alive_s_; }
  const std::optional<wire::Refusal>& refusal() const { return refusal_; }
  uint64_t receipted() const { return receipted_; }  // blocks
  uint64_t archived() const { return archived_; }    // blocks
  uint64_t receipt_time_s() const { return receipt_time_s_; }
  Cursor cursor() const { return cursor_; }
  bool idle() const { return notes_.empty(); }  // nothing awaits a receipt
  uint64_t owed_bytes() const;  // of the log, up to the oldest note that awaits its receipt
  bool partial() const { return parser_.buffered() > 0; }  // the collector's frame has not ended
  uint64_t frames() const { return frames_; }              // taken from the collector

 private:
  struct Waiting {
    SentNote note;
    uint64_t sent_bytes;  // of the log in this session, up to and with this note
  };

  absl::Status OnFrame(const wire::Frame& frame, std::string* out);
  absl::Status OnWelcome(const wire::Welcome& welcome);
  absl::Status CheckHeld(const wire::Welcome& welcome);
  absl::Status OnReceipt(const wire::Receipt& receipt);
  absl::Status OnArchived(absl::string_view note);
  absl::Status OnRefusal(const wire::Refusal& refusal);
  absl::Status ForkIfLarger(const CheckedReceipt& receipt);
  void Enqueue(Piece piece, std::string* out);

  const UplinkOptions options_;
  LogSource* const source_;
  ReceiptBook* const receipts_;
  Exposure* const exposure_;
  wire::FrameParser parser_;
  uint64_t frames_ = 0;
  ledger::VerifierKey log_key_;
  ledger::VerifierKey collector_;
  bool welcomed_ = false;
  bool compress_ = false;
  uint32_t compress_pause_ = 0;  // appends to send plain after one that did not shrink
  uint32_t keep_alive_s_ = 10;
  Cursor cursor_;
  std::deque<Waiting> notes_;
  uint64_t sent_bytes_ = 0;
  uint64_t receipted_bytes_ = 0;
  uint64_t receipted_ = 0;
  uint64_t archived_ = 0;
  uint64_t receipt_time_s_ = 0;
  bool archive_only_ = false;  // receipts come for whole segments, with their notes
  std::optional<wire::Refusal> refusal_;
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_UPLINK_H_
