// The last configuration that could be read, for the day an edit or an upgrade breaks the files:
// the agent starts all the same, as it was, and says so.
#ifndef CAIRN_AGENT_LAST_CONFIG_H_
#define CAIRN_AGENT_LAST_CONFIG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/config.pb.h"

namespace cairn::agent {

struct Configuration {
  config::AgentConfig config;
  std::string error;  // of the files, when `config` is the last good one; else empty
};

// Reads PATH and its drop-ins; where they are wrong, what SaveLastConfig kept in systemd's
// $STATE_DIRECTORY. Without such a copy the files' error.
absl::StatusOr<Configuration> LoadConfiguration(const std::string& path);

// Keeps `config` for that day; nothing without a $STATE_DIRECTORY.
absl::Status SaveLastConfig(const config::AgentConfig& config);

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_LAST_CONFIG_H_
