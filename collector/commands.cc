// cairn-collectord init, issue, trust, revoke.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "collector/run.h"
#include "collector/setup.h"

namespace cairn::collector {
namespace {

constexpr char kUsage[] =
    "usage: cairn-collectord init DIR --deployment NAME --host NAME… [--name NAME]\n"
    "                             [--listen HOST:PORT]\n"
    "       cairn-collectord issue DIR --deployment NAME --uuid HOST-UUID --out DIR\n"
    "       cairn-collectord trust DIR --key LOG.VKEY\n"
    "       cairn-collectord revoke DIR --uuid HOST-UUID --reason TEXT\n";
enum ExitCode { kOk = 0, kFailed = 1, kUsageError = 5 };

// "--key value" pairs and the one positional argument; false: not of that form.
bool ParseArguments(int argc, char** argv, std::string* positional,
                    std::multimap<std::string, std::string>* options) {
  for (int i = 0; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg.rfind("--", 0) == 0) {
      if (++i == argc) return false;
      options->emplace(arg.substr(2), argv[i]);
    } else if (positional->empty()) {
      *positional = arg;
    } else {
      return false;
    }
  }
  return !positional->empty();
}

}  // namespace

int SetupCommand(int argc, char** argv) {
  std::string dir;
  std::multimap<std::string, std::string> options;
  const absl::string_view command = argv[0];
  const auto value = [&](const char* key) {
    const auto found = options.find(key);
    return found == options.end() ? std::string() : found->second;
  };
  const bool makes = command == "init" || command == "issue";
  const bool known = makes || command == "trust" || command == "revoke";
  if (!known || !ParseArguments(argc - 1, argv + 1, &dir, &options) ||
      (makes && value("deployment").empty())) {
    std::fputs(kUsage, stderr);
    return kUsageError;
  }
  absl::Status status;
  if (command == "init") {
    InitOptions init{.dir = dir, .deployment = value("deployment"), .name = value("name")};
    if (!value("listen").empty()) init.listen = value("listen");
    for (auto [at, end] = options.equal_range("host"); at != end; ++at) {
      init.hosts.push_back(at->second);
    }
    status = InitCollector(init);
  } else if (command == "trust") {
    status = TrustKey(dir, value("key"));
  } else if (command == "revoke") {
    status = RevokeHost(dir, value("uuid"), value("reason"));
  } else {
    status = IssueHost(dir, value("deployment"), value("uuid"), value("out"));
  }
  if (!status.ok()) LogError(status.message());
  return status.ok() ? kOk : kFailed;
}

}  // namespace cairn::collector
