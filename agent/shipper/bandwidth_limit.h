// What a host may send a second, and what that must not hold back.
#ifndef CAIRN_AGENT_SHIPPER_BANDWIDTH_LIMIT_H_
#define CAIRN_AGENT_SHIPPER_BANDWIDTH_LIMIT_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/shipper/source.h"

namespace cairn::shipper {

// A bucket of one second's bytes, which nobody asks while an urgent record waits to be sent: it is
// looked for ahead of what was sent. One thread.
class BandwidthLimit {
 public:
  // `ahead`: the log, once more; it is read apart from what is sent.
  BandwidthLimit(uint64_t bytes_per_second, LogSource ahead)
      : rate_(static_cast<double>(bytes_per_second)), ahead_(std::move(ahead)) {}

  // Whether a piece of the log may be sent from `shipped` on. Looks at 1 MiB a call: a log that
  // waited for long is looked through by and by. `now` is of a steady clock. Errors as
  // LogSource::Read.
  absl::StatusOr<bool> MaySend(absl::Time now, const Cursor& shipped);
  // What was sent then. It counts unless it was on the way to an urgent record.
  void Sent(uint64_t bytes);
  bool spent() const { return left_ < 1; }

 private:
  absl::Status Look(const Cursor& shipped);

  const double rate_;
  LogSource ahead_;
  Cursor looked_;                 // so far
  std::optional<Cursor> urgent_;  // the end of the newest piece that has such a record
  bool lifted_ = false;
  double left_ = 0;
  absl::Time filled_ = absl::InfiniteFuture();
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_BANDWIDTH_LIMIT_H_
