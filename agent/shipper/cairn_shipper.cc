// cairn-shipper: takes the log to a collector and brings receipts back.
#include <string>
#include <utility>

#include "agent/shipper/config.h"
#include "agent/shipper/fleet.h"
#include "base/daemon_main.h"
#include "base/status.h"

namespace {

absl::StatusOr<absl::AnyInvocable<absl::Status()>> Prepare(const std::string& path) {
  ASSIGN_OR_RETURN(cairn::shipper::ShipperSetup setup, cairn::shipper::LoadShipperConfig(path));
  return
      [setup = std::move(setup)]() mutable { return cairn::shipper::RunShipper(std::move(setup)); };
}

}  // namespace

int main(int argc, char** argv) {
  const cairn::DaemonProgram program = {
      .name = "cairn-shipper",
      .summary = "Ships the log that cairnd writes.",
      .config_path = cairn::shipper::kShipperConfigPath,
      .prepare = Prepare,
  };
  return cairn::DaemonMain(program, argc, argv);
}
