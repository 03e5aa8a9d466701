// The program cairn-collectord.
#ifndef CAIRN_COLLECTOR_RUN_H_
#define CAIRN_COLLECTOR_RUN_H_

#include "absl/status/status.h"
#include "collector/config.h"

namespace cairn::collector {

// Serves until TERM or INT, then drains; HUP reads certificates and revocations anew.
// Blocks signals for every thread it starts. "listening on port N" is said once it can be
// connected to.
absl::Status RunCollector(CollectorSetup setup);

// The counters as Prometheus text.
std::string CollectorMetrics(const Counters& counters);

// cairn-collectord init|issue ARGUMENTS. Exit code.
int SetupCommand(int argc, char** argv);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_RUN_H_
