// cairn-collectord: verifies, stores and receipts the logs of many hosts.
#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/version.h"
#include "collector/config.h"
#include "collector/run.h"

namespace {

constexpr char kUsage[] =
    "usage: cairn-collectord [--config FILE] [--check-config] [--version]\n"
    "       cairn-collectord init|issue …\n"
    "Verifies, stores and receipts the logs of hosts. See cairn-collectord(8).\n";

enum ExitCode { kOk = 0, kFailed = 1, kUsageError = 5, kBadConfig = 6 };

int Run(const std::string& path, bool check_only) {
  auto setup = cairn::collector::LoadCollectorConfig(path);
  if (!setup.ok()) {
    cairn::LogError(setup.status().message());
    return kBadConfig;
  }
  if (check_only) return kOk;
  cairn::ForbidDumps();
  const absl::Status status = cairn::collector::RunCollector(*std::move(setup));
  if (!status.ok()) cairn::LogError(status.message());
  return status.ok() ? kOk : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  std::string path(cairn::collector::kCollectorConfigPath);
  bool check_only = false;
  if (argc > 1 && argv[1][0] != '-') return cairn::collector::SetupCommand(argc - 1, argv + 1);
  for (int i = 1; i < argc; ++i) {
    const absl::string_view arg = argv[i];
    if (arg == "--config" && i + 1 < argc) {
      path = argv[++i];
    } else if (arg == "--check-config") {
      check_only = true;
    } else if (arg == "--version") {
      return std::printf("cairn-collectord %s\n", cairn::kVersion) > 0 ? kOk : kFailed;
    } else {
      const bool help = arg == "--help";
      std::fputs(kUsage, help ? stdout : stderr);
      return help ? kOk : kUsageError;
    }
  }
  return Run(path, check_only);
}
