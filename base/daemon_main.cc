#include "base/daemon_main.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/version.h"

namespace cairn {
namespace {

enum ExitCode { kOk = 0, kFailed = 1, kUsageError = 5, kBadConfig = 6 };

std::string Help(const DaemonProgram& program) {
  return absl::StrCat("usage: ", program.name, " [--config FILE] [--check-config] [--version]\n",
                      program.more_usage, "\n", program.summary, " See ", program.name,
                      "(8).\n\noptions:\n"
                      "  --config FILE   what to read instead of ",
                      program.config_path,
                      "\n"
                      "  --check-config  read the configuration, say what is wrong with it, end\n"
                      "  --version       print the version\n"
                      "\nexit codes:\n"
                      "  0 ok   1 failed   5 usage   6 bad configuration\n");
}

void TakePriority(const DaemonProgram& program) {
  if (::getpriority(PRIO_PROCESS, 0) <= program.nice) return;
  if (::setpriority(PRIO_PROCESS, 0, program.nice) == 0) return;
  LogWarning(program.name, ": not at nice ", program.nice, ": ", std::strerror(errno));
}

int Run(const DaemonProgram& program, const std::string& config_path, bool check_only) {
  auto run = program.prepare(config_path);
  if (!run.ok()) {
    LogError(run.status().message());
    return kBadConfig;
  }
  if (check_only) return kOk;
  ForbidDumps();
  TakePriority(program);
  const absl::Status restricted = Restrict(program.capabilities, program.network);
  if (!restricted.ok()) LogWarning(program.name, ": not restricted: ", restricted.message());
  const absl::Status status = (*run)();
  if (!status.ok()) LogError(status.message());
  return status.ok() ? kOk : kFailed;
}

}  // namespace

int DaemonMain(const DaemonProgram& program, int argc, char** argv) {
  std::string config_path(program.config_path);
  bool check_only = false;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view arg = argv[i];
    if (arg == "--config" && i + 1 < argc) {
      config_path = argv[++i];
    } else if (arg == "--check-config") {
      check_only = true;
    } else if (arg == "--version") {
      return std::printf("%s %s\n", std::string(program.name).c_str(), kVersion) > 0 ? kOk
                                                                                     : kFailed;
    } else {
      const bool help = arg == "--help";
      std::fputs(Help(program).c_str(), help ? stdout : stderr);
      return help ? kOk : kUsageError;
    }
  }
  return Run(program, config_path, check_only);
}

}  // namespace cairn
