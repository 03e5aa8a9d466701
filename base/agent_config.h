// agent.yaml: what it says, with defaults filled in. proto/config.proto has the keys.
#ifndef CAIRN_BASE_AGENT_CONFIG_H_
#define CAIRN_BASE_AGENT_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/config.pb.h"

namespace cairn {

inline constexpr absl::string_view kAgentConfigPath = "/etc/cairn/agent.yaml";

// The configuration of an empty file.
config::AgentConfig DefaultAgentConfig();

// Parses `text`; `file` is for errors. InvalidArgument "FILE:LINE:COLUMN: cause".
absl::StatusOr<config::AgentConfig> ParseAgentConfig(absl::string_view text,
                                                     absl::string_view file);

// Reads the file at `path` (<= 1 MiB).
absl::StatusOr<config::AgentConfig> LoadAgentConfig(const std::string& path);

}  // namespace cairn

#endif  // CAIRN_BASE_AGENT_CONFIG_H_
