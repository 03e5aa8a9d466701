// Who changed the policy, as the probes saw it: who wrote its files, and who asked for a reload.
#ifndef CAIRN_AGENT_POLICY_WITNESS_H_
#define CAIRN_AGENT_POLICY_WITNESS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/capture/capture.h"
#include "proto/record.pb.h"

namespace cairn::agent {

// Capture thread only.
class PolicyWitness {
 public:
  // A client of the service manager seen longer ago is not taken for one that asked just now.
  static constexpr uint64_t kClientNs = 30'000'000'000;

  explicit PolicyWitness(const std::string& policy_dir) : prefix_(policy_dir + "/") {}

  // Remembers the process behind a change of a file in the policy directory, and who last ran
  // systemctl, service or busctl to reload or restart something.
  void See(const capture::Captured& captured);

  // The writer since the last call, then its ancestors; nothing when none was seen.
  std::vector<Ancestor> TakeWriter();

  // Who probably asked process 1 for what it did just before `now_ns` (CLOCK_BOOTTIME).
  std::optional<Ancestor> LikelyClient(uint64_t now_ns) const;

 private:
  bool Touches(const Record& record) const;

  const std::string prefix_;
  std::vector<Ancestor> writer_;
  std::optional<Ancestor> client_;
  uint64_t client_ns_ = 0;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_POLICY_WITNESS_H_
