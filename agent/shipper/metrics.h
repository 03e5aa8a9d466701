// What the shipper answers a scraper: its own figures, and cairnd's, which opens no IP socket.
#ifndef CAIRN_AGENT_SHIPPER_METRICS_H_
#define CAIRN_AGENT_SHIPPER_METRICS_H_

#include <map>
#include <string>

#include "absl/time/time.h"

namespace cairn::shipper {

// `lags`: of each log, how long its oldest record that was sent waits for a receipt.
std::string ShipperMetrics(const std::string& control_socket,
                           const std::map<std::string, absl::Duration>& lags);

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_METRICS_H_
