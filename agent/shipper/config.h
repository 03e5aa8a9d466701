// shipper.yaml. proto/config.proto has the keys, config/shipper.yaml explains them.
#ifndef CAIRN_AGENT_SHIPPER_CONFIG_H_
#define CAIRN_AGENT_SHIPPER_CONFIG_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/shipper/copies.h"
#include "agent/shipper/shipper.h"
#include "base/metrics_server.h"

namespace cairn::shipper {

inline constexpr absl::string_view kShipperConfigPath = "/etc/cairn/shipper.yaml";

struct ShipperSetup {
  std::string log_dir;     // one directory an incarnation in it, or one such directory
  ShipperOptions options;  // without log_dir
  MetricsWhere metrics;
  std::string control_socket;  // of cairnd
  bool renew = true;           // the certificate, in time
  std::optional<CopyOptions> copies;
};

// Reads `path` and its drop-ins (base/config_files.h). InvalidArgument "FILE:LINE:COLUMN: cause" or
// "FILE: key: cause".
absl::StatusOr<ShipperSetup> LoadShipperConfig(const std::string& path);

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_CONFIG_H_
