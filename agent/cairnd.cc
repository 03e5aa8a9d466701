// cairnd: records what the kernel tells, in a log that shows every change made to it.
#include <cstdio>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/daemon.h"
#include "base/agent_config.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/version.h"

namespace {

constexpr char kUsage[] =
    "usage: cairnd [--config FILE] [--check-config] [--version]\n"
    "Records kernel events as the policy asks. See cairnd(8).\n";

enum ExitCode { kOk = 0, kFailed = 1, kUsageError = 5, kBadConfig = 6 };

int Run(const std::string& config_path, bool check_only) {
  const auto config = cairn::LoadAgentConfig(config_path);
  if (!config.ok()) {
    cairn::LogError(config.status().message());
    return kBadConfig;
  }
  if (check_only) return kOk;
  cairn::ForbidDumps();
  auto daemon = cairn::agent::Daemon::Start(*config, config_path);
  const absl::Status status = daemon.ok() ? (*daemon)->Run() : daemon.status();
  if (!status.ok()) cairn::LogError(status.message());
  return status.ok() ? kOk : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  std::string config_path(cairn::kAgentConfigPath);
  bool check_only = false;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view arg = argv[i];
    if (arg == "--config" && i + 1 < argc) {
      config_path = argv[++i];
    } else if (arg == "--check-config") {
      check_only = true;
    } else if (arg == "--version") {
      return std::printf("cairnd %s\n", cairn::kVersion) > 0 ? kOk : kFailed;
    } else {
      const bool help = arg == "--help";
      std::fputs(kUsage, help ? stdout : stderr);
      return help ? kOk : kUsageError;
    }
  }
  return Run(config_path, check_only);
}
