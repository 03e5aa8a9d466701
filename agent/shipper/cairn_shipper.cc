// cairn-shipper: takes the log to a collector and brings receipts back.
#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/shipper/config.h"
#include "agent/shipper/fleet.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/version.h"

namespace {

constexpr char kUsage[] =
    "usage: cairn-shipper [--config FILE] [--check-config] [--version]\n"
    "Ships the log that cairnd writes. See cairn-shipper(8).\n";

enum ExitCode { kOk = 0, kFailed = 1, kUsageError = 5, kBadConfig = 6 };

int Run(const std::string& path, bool check_only) {
  auto setup = cairn::shipper::LoadShipperConfig(path);
  if (!setup.ok()) {
    cairn::LogError(setup.status().message());
    return kBadConfig;
  }
  if (check_only) return kOk;
  cairn::ForbidDumps();
  const absl::Status status = cairn::shipper::RunShipper(*std::move(setup));
  if (!status.ok()) cairn::LogError(status.message());
  return status.ok() ? kOk : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  std::string path(cairn::shipper::kShipperConfigPath);
  bool check_only = false;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view arg = argv[i];
    if (arg == "--config" && i + 1 < argc) {
      path = argv[++i];
    } else if (arg == "--check-config") {
      check_only = true;
    } else if (arg == "--version") {
      return std::printf("cairn-shipper %s\n", cairn::kVersion) > 0 ? kOk : kFailed;
    } else {
      const bool help = arg == "--help";
      std::fputs(kUsage, help ? stdout : stderr);
      return help ? kOk : kUsageError;
    }
  }
  return Run(path, check_only);
}
