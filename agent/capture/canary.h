// Acts of our own that have to come back through the kernel: what stays away was taken from us.
#ifndef CAIRN_AGENT_CAPTURE_CANARY_H_
#define CAIRN_AGENT_CAPTURE_CANARY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/capture/audit_source.h"
#include "agent/capture/event_view.h"

namespace cairn::capture {

// One way an act can come back.
class Canary {
 public:
  explicit Canary(std::string way) : way_(std::move(way)) {}

  // The act is on its way. `lost`: how much was lost on that way until now; an act that stays
  // away while more is lost was lost with it.
  void Sent(uint64_t lost);
  void Seen();  // only what is on its way can be seen

  // Says how it ended: "bpf seen", "bpf lost", "bpf missing", "bpf not tried". When it begins to
  // stay away, adds to `alarms`.
  std::string Judge(uint64_t lost, std::vector<std::string>* alarms);

 private:
  enum class State { kNone, kPending, kSeen };

  const std::string way_;
  State state_ = State::kNone;
  uint64_t lost_ = 0;
  bool missing_ = false;
};

// One act for BPF: capset(2) with what we have, which changes nothing, is always wanted
// (credentials are on the floor) and goes to the critical ring. One for audit: a user message.
// Capture thread.
class Canaries {
 public:
  // Says how the acts of the last beat ended, and acts again. `bpf`: credentials are captured;
  // `bpf_lost`: what the critical rings lost. Beside another audit daemon, which stores our
  // message too, audit is tried in every sixth beat.
  std::string Beat(bool bpf, uint64_t bpf_lost, AuditSource* audit);

  // Is this event our act, and so nobody else's business?
  bool Take(const EventView& view);

  // What began to stay away since the last call.
  std::vector<std::string> TakeAlarms() { return std::exchange(alarms_, {}); }

 private:
  Canary bpf_{"bpf"}, audit_{"audit"};
  uint32_t beats_ = 0;
  bool acted_ = false;  // our capset did not come back yet
  std::vector<std::string> alarms_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_CANARY_H_
