// Does what DiskRoom asks for: deletes segments that a collector has, tells the recorder what to
// give up, and records each step. DESIGN §8.
#ifndef CAIRN_AGENT_ROOM_KEEPER_H_
#define CAIRN_AGENT_ROOM_KEEPER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "agent/disk_room.h"
#include "agent/receipts.h"
#include "agent/recorder.h"
#include "ledger/ledger.h"

namespace cairn::agent {

// Capture thread only. Not owned: all that it is given.
class RoomKeeper {
 public:
  struct Parts {
    std::string log_dir;  // of the open incarnation
    ledger::Ledger* ledger = nullptr;
    Recorder* recorder = nullptr;
    Receipts* receipts = nullptr;
  };

  explicit RoomKeeper(const config::Log& log) : min_free_bytes_(log.min_free_bytes()), room_(log) {}
  void Connect(const Parts& parts) { parts_ = parts; }

  // Looks and acts. Call every 10 s, and every second while urgent(). `own`: the agent's process,
  // whose records these are; may be null.
  void Keep(uint64_t wall_ns, ledger::Subject* own);
  bool urgent() const { return room_.step() != DiskStep::kNormal || parts_.recorder->faulty(); }

  const DiskRoom& room() const { return room_; }

 private:
  void Retain(ledger::Subject* own);

  const uint64_t min_free_bytes_;
  DiskRoom room_;
  Parts parts_;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_ROOM_KEEPER_H_
