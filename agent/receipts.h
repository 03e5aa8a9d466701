// The receipts that the shipper leaves in LOG_DIR/receipts/ (agent/shipper/receipts.h): each file
// a checkpoint note with a collector's cosignature (type 0x04) on it.
#ifndef CAIRN_AGENT_RECEIPTS_H_
#define CAIRN_AGENT_RECEIPTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "ledger/note.h"
#include "proto/record.pb.h"

namespace cairn::agent {

// What the directory holds comes from a less trusted program: at most 64 files of 32 KiB are
// read, O_NOFOLLOW, regular ones only, and only signatures make them count. Capture thread only.
class Receipts {
 public:
  // Watches `dir` (made 0750 if missing, given to user `cairn-shipper` where there is one). A
  // receipt in a file NAME.archived is of what is archived; with `only_archived` nothing else
  // allows to delete.
  static absl::StatusOr<std::unique_ptr<Receipts>> Watch(
      const std::string& dir, ledger::VerifierKey log_key,
      std::vector<ledger::VerifierKey> collectors, bool only_archived = false);

  int wait_fd() const { return inotify_.get(); }

  // Reads what is new: for each collector its newest receipt, when that covers more than the
  // last one did. A receipt beyond `size` blocks is none of this log: `error` says so.
  std::vector<ReceiptSeen> Read(uint64_t size, std::string* error);

  // The newest receipt of each collector, by name.
  const std::map<std::string, ReceiptSeen>& newest() const { return newest_; }
  // Blocks that some collector vouches for.
  uint64_t covered() const;
  bool expected() const { return !collectors_.empty(); }
  // The receipt that allows the most to be deleted.
  struct Deletable {
    uint64_t size = 0;  // blocks; 0: nothing may be deleted
    std::string note;
  };
  const Deletable& deletable() const { return deletable_; }

 private:
  Receipts(std::string dir, Fd inotify, ledger::VerifierKey log_key,
           std::vector<ledger::VerifierKey> collectors, bool only_archived);
  // One file's receipt by `signer`; false when it is none, or not newer than that one's newest.
  bool Take(const ledger::Note& note, const std::string& bytes, const ledger::VerifierKey& signer,
            bool archived, uint64_t size, ReceiptSeen* receipt, std::string* error);
  void ReadOne(const std::string& name, uint64_t size, std::vector<ReceiptSeen>* seen,
               std::string* error);

  const std::string dir_;
  const Fd inotify_;
  const ledger::VerifierKey log_key_;
  const std::vector<ledger::VerifierKey> collectors_;
  const bool only_archived_;
  std::map<std::string, ReceiptSeen> newest_;
  Deletable deletable_;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_RECEIPTS_H_
