// The command line that all our daemons have: --config FILE, --check-config, --version, --help.
#ifndef CAIRN_BASE_DAEMON_MAIN_H_
#define CAIRN_BASE_DAEMON_MAIN_H_

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/restrict.h"

namespace cairn {

struct DaemonProgram {
  absl::string_view name;         // "cairnd"
  absl::string_view summary;      // one line with a full stop
  absl::string_view more_usage;   // further usage lines, each with its newline; may be empty
  absl::string_view config_path;  // when --config is not given
  // Reads the configuration; what it returns runs the daemon until it is told to end.
  absl::StatusOr<absl::AnyInvocable<absl::Status()>> (*prepare)(const std::string& config_path);
  std::vector<int> capabilities;  // that it keeps
  Network network = Network::kIp;
  int nice = 0;  // what setpriority(2) is asked for, where it is not lower already
};

// `main`: prepares, forbids dumps, takes its priority, restricts, runs. 0 ok, 1 failed, 5 usage, 6
// bad configuration.
int DaemonMain(const DaemonProgram& program, int argc, char** argv);

}  // namespace cairn

#endif  // CAIRN_BASE_DAEMON_MAIN_H_
