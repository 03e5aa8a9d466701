// What cairnd counts, as Prometheus text.
#ifndef CAIRN_AGENT_METRICS_H_
#define CAIRN_AGENT_METRICS_H_

#include <string>

#include "proto/control.pb.h"

namespace cairn::agent {

// Every figure of a status that a monitoring system would draw or alarm on; docs/metrics.md lists
// them.
std::string AgentMetrics(const control::Status& status);

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_METRICS_H_
