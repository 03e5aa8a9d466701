// cairn-collectord: verifies, stores and receipts the logs of many hosts.
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "base/daemon_main.h"
#include "base/status.h"
#include "collector/config.h"
#include "collector/console/run.h"
#include "collector/export/run.h"
#include "collector/run.h"

namespace {

absl::StatusOr<absl::AnyInvocable<absl::Status()>> Prepare(const std::string& path) {
  ASSIGN_OR_RETURN(cairn::collector::CollectorSetup setup,
                   cairn::collector::LoadCollectorConfig(path));
  return [setup = std::move(setup)]() mutable {
    return cairn::collector::RunCollector(std::move(setup));
  };
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && absl::StartsWith(argv[1], "console")) {
    return cairn::collector::ConsoleCommand(argc - 1, argv + 1);
  }
  if (argc > 1 && absl::string_view(argv[1]) == "export") {
    return cairn::collector::ExportCommand(argc - 1, argv + 1);
  }
  if (argc > 1 && argv[1][0] != '-') return cairn::collector::SetupCommand(argc - 1, argv + 1);
  const cairn::DaemonProgram program = {
      .name = "cairn-collectord",
      .summary = "Verifies, stores and receipts the logs of hosts.",
      .more_usage =
          "       cairn-collectord init|token|issue|trust|revoke|… DIR [OPTION]...\n"
          "       cairn-collectord console|console-token|console-certificate [OPTION]...\n"
          "       cairn-collectord export --to WHERE [OPTION]...\n",
      .config_path = cairn::collector::kCollectorConfigPath,
      .prepare = Prepare,
  };
  return cairn::DaemonMain(program, argc, argv);
}
