// cairn-collectord init, token, issue, trust, revoke, decommission, hold, unhold.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/status.h"
#include "base/yaml.h"
#include "collector/run.h"
#include "collector/setup.h"

namespace cairn::collector {
namespace {

constexpr char kUsage[] =
    "usage: cairn-collectord init DIR --deployment NAME --host NAME… [--name NAME]\n"
    "                             [--listen HOST:PORT] [--enrol HOST:PORT] [--store DIR]\n"
    "       cairn-collectord token DIR [--uuid HOST-UUID] [--valid 24h]\n"
    "       cairn-collectord issue DIR --deployment NAME --uuid HOST-UUID --out DIR\n"
    "       cairn-collectord trust DIR --key LOG.VKEY\n"
    "       cairn-collectord revoke DIR --uuid HOST-UUID --reason TEXT\n"
    "       cairn-collectord decommission DIR --uuid HOST-UUID --reason TEXT\n"
    "       cairn-collectord hold DIR --uuid HOST-UUID --reason TEXT\n"
    "       cairn-collectord unhold DIR --uuid HOST-UUID\n";
enum ExitCode { kOk = 0, kFailed = 1, kUsageError = 5 };

using Options = std::multimap<std::string, std::string>;

std::string Value(const Options& options, const char* key) {
  const auto found = options.find(key);
  return found == options.end() ? std::string() : found->second;
}

// "--key value" pairs and the one positional argument; false: not of that form.
bool ParseArguments(int argc, char** argv, std::string* positional, Options* options) {
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

absl::Status Init(const std::string& dir, const Options& options) {
  InitOptions init{.dir = dir,
                   .deployment = Value(options, "deployment"),
                   .name = Value(options, "name"),
                   .enrol = Value(options, "enrol"),
                   .store = Value(options, "store")};
  if (!Value(options, "listen").empty()) init.listen = Value(options, "listen");
  for (auto [at, end] = options.equal_range("host"); at != end; ++at) {
    init.hosts.push_back(at->second);
  }
  return InitCollector(init);
}

absl::Status Token(const std::string& dir, const Options& options) {
  const std::string valid = Value(options, "valid");
  ASSIGN_OR_RETURN(const int64_t valid_ns, ParseDurationNs(valid.empty() ? "24h" : valid));
  ASSIGN_OR_RETURN(const std::string token,
                   MakeToken(dir, absl::Nanoseconds(valid_ns), Value(options, "uuid")));
  std::puts(token.c_str());
  return absl::OkStatus();
}

absl::Status Decommission(const std::string& dir, const Options& options) {
  ASSIGN_OR_RETURN(const std::vector<LastReceipt> last,
                   DecommissionHost(dir, Value(options, "uuid"), Value(options, "reason")));
  for (const LastReceipt& receipt : last) {
    std::printf("%s: %llu blocks receipted, %s\n", receipt.origin.c_str(),
                static_cast<unsigned long long>(receipt.size), receipt.path.c_str());
  }
  return absl::OkStatus();
}

struct Setup {
  absl::string_view name;
  std::vector<const char*> needed;
  absl::Status (*run)(const std::string& dir, const Options& options);
};

const std::vector<Setup>& Setups() {
  using Dir = const std::string&;
  static const auto* setups = new std::vector<Setup>{
      {"init", {"deployment", "host"}, Init},
      {"token", {}, Token},
      {"issue",
       {"deployment", "uuid", "out"},
       [](Dir dir, const Options& o) {
         return IssueHost(dir, Value(o, "deployment"), Value(o, "uuid"), Value(o, "out"));
       }},
      {"trust", {"key"}, [](Dir dir, const Options& o) { return TrustKey(dir, Value(o, "key")); }},
      {"revoke",
       {"uuid", "reason"},
       [](Dir dir, const Options& o) {
         return RevokeHost(dir, Value(o, "uuid"), Value(o, "reason"));
       }},
      {"decommission", {"uuid", "reason"}, Decommission},
      {"hold",
       {"uuid", "reason"},
       [](Dir dir, const Options& o) {
         return HoldHost(dir, Value(o, "uuid"), Value(o, "reason"));
       }},
      {"unhold",
       {"uuid"},
       [](Dir dir, const Options& o) { return HoldHost(dir, Value(o, "uuid"), ""); }},
  };
  return *setups;
}

}  // namespace

int SetupCommand(int argc, char** argv) {
  std::string dir;
  Options options;
  const bool parsed = ParseArguments(argc - 1, argv + 1, &dir, &options);
  for (const Setup& setup : Setups()) {
    if (setup.name != argv[0] || !parsed) continue;
    bool whole = true;
    for (const char* needed : setup.needed) whole = whole && !Value(options, needed).empty();
    if (!whole) break;
    const absl::Status status = setup.run(dir, options);
    if (!status.ok()) LogError(status.message());
    return status.ok() ? kOk : kFailed;
  }
  std::fputs(kUsage, stderr);
  return kUsageError;
}

}  // namespace cairn::collector
