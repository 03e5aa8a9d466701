// collector.yaml. proto/config.proto has the keys, config/collector.yaml explains them.
#ifndef CAIRN_COLLECTOR_CONFIG_H_
#define CAIRN_COLLECTOR_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/metrics_server.h"
#include "collector/core.h"
#include "collector/server.h"

namespace cairn::collector {

inline constexpr absl::string_view kCollectorConfigPath = "/etc/cairn-collector/collector.yaml";

struct CollectorSetup {
  CoreOptions core;
  ServerOptions server;
  std::string name;         // of the receipt key
  std::string signing_key;  // file
  MetricsWhere metrics;
};

// Reads `path` and its drop-ins (base/config_files.h). InvalidArgument "FILE:LINE:COLUMN: cause" or
// "FILE: key: cause".
absl::StatusOr<CollectorSetup> LoadCollectorConfig(const std::string& path);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONFIG_H_
