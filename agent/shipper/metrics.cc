#include "agent/shipper/metrics.h"

#include "absl/strings/str_cat.h"
#include "base/control_frame.h"
#include "base/metrics_server.h"
#include "proto/control.pb.h"

namespace cairn::shipper {
namespace {

constexpr int kWithinMs = 2000;

std::string AskCairnd(const std::string& socket) {
  control::Request request;
  request.set_verb(control::Request::METRICS);
  const auto body = CallControl(socket, request.SerializeAsString(), kWithinMs);
  control::Reply reply;
  if (body.ok() && reply.ParseFromString(*body) && reply.error().empty()) return reply.text();
  PrometheusText down;
  down.Gauge("cairn_up", "1 where cairnd answers", 0);
  return down.text();
}

}  // namespace

std::string ShipperMetrics(const std::string& control_socket,
                           const std::map<std::string, absl::Duration>& lags) {
  PrometheusText own;
  own.Gauge("cairn_shipped_logs", "Logs that are being shipped", static_cast<double>(lags.size()));
  for (const auto& [log, lag] : lags) {
    own.Gauge("cairn_ship_lag_seconds",
              "How long the oldest record that was sent waits for its receipt",
              absl::ToDoubleSeconds(lag), {{"log", log}});
  }
  return absl::StrCat(AskCairnd(control_socket), own.text());
}

}  // namespace cairn::shipper
