// Receipts as the shipper keeps them for cairnd and `cairn verify`: DIR/receipts/.
//   <key id, 8 hex>.receipt             the collector's newest, replaced durably
//   <key id>-<size, 20 digits>.receipt  history, the last 8
//   <key id>.archived                   the newest for what is in the collector's archive
// Each is a signed note: the host's checkpoint with the collector's cosignature line added.
#ifndef CAIRN_AGENT_SHIPPER_RECEIPTS_H_
#define CAIRN_AGENT_SHIPPER_RECEIPTS_H_

#include <cstdint>
#include <deque>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/io.h"
#include "ledger/note.h"

namespace cairn::shipper {

struct CheckedReceipt {
  uint64_t size = 0;
  uint64_t time_s = 0;  // as the collector signed it
  std::string note;     // the whole, to be stored
};

// `line` ("— name base64") over `note`, checked against the collector's key: a collector that
// answers with anything but a good signature is not believed. DataLoss, InvalidArgument.
absl::StatusOr<CheckedReceipt> CheckReceipt(absl::string_view note, absl::string_view line,
                                            const ledger::VerifierKey& collector);
// The same for a whole note with the line in it (Welcome.checkpoint). `log_key` must have
// signed it too: a collector must not sell one log's receipt for another's.
absl::StatusOr<CheckedReceipt> CheckReceiptNote(absl::string_view note,
                                                const ledger::VerifierKey& log_key,
                                                const ledger::VerifierKey& collector);

// The directory. One thread.
class ReceiptBook {
 public:
  // `io` is not owned.
  explicit ReceiptBook(std::string dir, Io* io = Io::Real()) : io_(io), dir_(std::move(dir)) {}

  // Makes the directory and learns what history it has.
  absl::Status Open();
  // Stores a receipt that is not older than the newest; an older one is ignored.
  absl::Status Store(const ledger::VerifierKey& collector, const CheckedReceipt& receipt);
  // The same for what is archived.
  absl::Status StoreArchived(const ledger::VerifierKey& collector, const CheckedReceipt& receipt);
  uint64_t newest_size() const { return newest_size_; }

 private:
  Io* const io_;
  const std::string dir_;
  uint64_t newest_size_ = 0;
  uint64_t archived_size_ = 0;
  std::deque<std::string> history_;  // file names, oldest first
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_RECEIPTS_H_
