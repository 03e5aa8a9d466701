// Which log a command means.
#ifndef CAIRN_CLI_LOGS_H_
#define CAIRN_CLI_LOGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/command.h"
#include "ledger/note.h"
#include "proto/config.pb.h"

namespace cairn::cli {

// "--config FILE": where the agent's own places stand.
extern const Option kConfigOption;

// agent.yaml as --config names it; the defaults when the default file is not there.
absl::StatusOr<config::AgentConfig> AgentConfigOf(const Arguments& arguments);

// Writes a drop-in of it, agent.d/NAME beside it (0644); the lines are YAML.
absl::Status WriteAgentDropIn(const Arguments& arguments, const std::string& name,
                              absl::string_view lines);

// The logs that `words` name: segment files, log directories, and of a directory of incarnations
// its newest; without words, this host's newest. NotFound, PermissionDenied.
absl::StatusOr<std::vector<std::string>> LogsOf(const Arguments& arguments);

// The one log that `--log` names; without it, this host's newest. Errors as LogsOf.
absl::StatusOr<std::string> LogOption(const Arguments& arguments);

// The origin that a log says it has: the header of its first segment. Nothing is verified.
absl::StatusOr<std::string> OriginOf(const std::string& log);

// A verifier key from the command line: its text, or a file that holds it.
absl::StatusOr<ledger::VerifierKey> VerifierKeyOf(const std::string& text_or_file);

// The keys of /etc/cairn/trusted.vkeys: one a line, '#' begins a comment. None: no such file.
absl::StatusOr<std::vector<ledger::VerifierKey>> TrustedKeys();

}  // namespace cairn::cli

#endif  // CAIRN_CLI_LOGS_H_
