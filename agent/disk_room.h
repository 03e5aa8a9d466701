// How full the disk is, and what is given up for it, in this order: segments that a collector
// has, records that are not on the floor, the reserve, everything but counts. DESIGN §8.
#ifndef CAIRN_AGENT_DISK_ROOM_H_
#define CAIRN_AGENT_DISK_ROOM_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/io.h"
#include "ledger/retention.h"
#include "proto/config.pb.h"

namespace cairn::agent {

enum class DiskStep { kNormal, kFloorOnly, kReserve, kCountsOnly };
absl::string_view DiskStepName(DiskStep step);  // as control.proto, Status.disk_step

// Capture thread only.
class DiskRoom {
 public:
  // The reserve is LOG_DIR/reserve: `log.dir` of the configuration.
  explicit DiskRoom(const config::Log& log) : log_(log) {}

  // What the segments in `dir` and the file system look like, and what should go because of it.
  // Call about every second.
  absl::Status Look(const std::string& dir, uint64_t wall_ns);

  const ledger::RetentionWish& wish() const { return wish_; }
  bool wants_room() const { return wants_room_; }
  DiskStep step() const { return step_; }
  uint64_t log_bytes() const { return log_bytes_; }
  uint64_t free_bytes() const { return free_bytes_; }
  uint64_t first_epoch() const { return first_epoch_; }

  // Takes the step that the last Look asks for, once nothing more can be deleted: gives the
  // reserve up or sets it aside again. True: it is another one than before.
  bool TakeStep();

 private:
  DiskStep StepFor(uint64_t free_bytes) const;
  void SetReserve(bool wanted);

  const config::Log log_;
  ledger::RetentionWish wish_;
  bool wants_room_ = false;
  DiskStep step_ = DiskStep::kNormal;
  uint64_t log_bytes_ = 0;
  uint64_t free_bytes_ = UINT64_MAX;
  uint64_t first_epoch_ = 0;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_DISK_ROOM_H_
