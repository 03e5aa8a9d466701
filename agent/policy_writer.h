// Who last wrote a policy file, as the probes saw it.
#ifndef CAIRN_AGENT_POLICY_WRITER_H_
#define CAIRN_AGENT_POLICY_WRITER_H_

#include <string>
#include <vector>

#include "agent/capture/capture.h"
#include "proto/record.pb.h"

namespace cairn::agent {

// Capture thread only.
class PolicyWriter {
 public:
  explicit PolicyWriter(const std::string& policy_dir) : prefix_(policy_dir + "/") {}

  // Remembers the process behind a change of a file in the policy directory.
  void See(const capture::Captured& captured);

  // The writer since the last call, then its ancestors; nothing when none was seen.
  std::vector<Ancestor> Take();

 private:
  bool Touches(const Record& record) const;

  const std::string prefix_;
  std::vector<Ancestor> writer_;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_POLICY_WRITER_H_
