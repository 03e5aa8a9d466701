// A receipt of a host's log, from the checkpoint that verified to what is sent.
#ifndef CAIRN_COLLECTOR_RECEIPT_H_
#define CAIRN_COLLECTOR_RECEIPT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "collector/stored_file.h"

namespace cairn::collector {

struct Place {
  uint64_t epoch = 0;
  uint64_t offset = 0;
  friend bool operator==(const Place&, const Place&) = default;
};

struct GivenReceipt {
  uint64_t size = 0;     // blocks
  uint64_t records = 0;  // in the log so far
  uint64_t time_s = 0;
  uint64_t newest_ns = 0;  // wall time of the newest event covered
  std::string line;        // our cosignature
  std::string note;        // the checkpoint with it
  Place place;
};

// A checkpoint that verified, and what it vouches for.
struct Vouched {
  std::string note;
  uint64_t size = 0;     // blocks
  uint64_t records = 0;  // in the log so far
  uint64_t wall_ns = 0;  // of its newest block
  bool urgent = false;   // it covers an urgent block that no receipt covers
};

// A receipt on its way: what it will cover waits for stable storage.
class DueReceipt {
 public:
  // Any thread. Unavailable, DataLoss, …: it must not be given.
  absl::Status Sync() const { return file_ == nullptr ? absl::OkStatus() : file_->Sync(); }
  bool urgent() const { return vouched_.urgent; }

 private:
  friend class HostLog;
  std::shared_ptr<StoredFile> file_;  // null: what was written is durable
  Vouched vouched_;
  Place place_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_RECEIPT_H_
