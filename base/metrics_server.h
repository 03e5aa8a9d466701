// Prometheus text, and a small server that hands it out on a Unix socket or over HTTPS.
// https://prometheus.io/docs/instrumenting/exposition_formats/
#ifndef CAIRN_BASE_METRICS_SERVER_H_
#define CAIRN_BASE_METRICS_SERVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"
#include "base/socket.h"
#include "base/tls.h"

namespace cairn {

inline constexpr char kPrometheusType[] = "text/plain; version=0.0.4; charset=utf-8";

// Builds the text. A family's help and type are said once, before its first sample: samples of one
// family are added one behind the other.
class PrometheusText {
 public:
  using Labels = std::vector<std::pair<absl::string_view, absl::string_view>>;

  void Counter(absl::string_view name, absl::string_view help, uint64_t value,
               const Labels& labels = {});
  void Gauge(absl::string_view name, absl::string_view help, double value,
             const Labels& labels = {});
  const std::string& text() const { return text_; }

 private:
  void Begin(absl::string_view name, absl::string_view help, absl::string_view type,
             const Labels& labels);
  std::string last_;
  std::string text_;
};

struct MetricsWhere {
  std::string socket;  // path; empty: none
  std::string listen;  // host:port, HTTPS for clients that `tls`.ca certified; empty: none
  TlsFiles tls;
};

// GET /metrics and nothing else, one request a connection, one connection at a time, five seconds
// for each: enough for scrapers. Its own thread.
class MetricsServer {
 public:
  // `text` is called on the server's thread. Null when `where` names nothing.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const MetricsWhere& where,
                                                              std::function<std::string()> text);
  ~MetricsServer();
  int port() const { return port_; }

 private:
  explicit MetricsServer(std::function<std::string()> text) : text_(std::move(text)) {}
  void Loop();
  void ServeSocket();
  void ServeHttps();
  std::string Answer(absl::string_view request) const;

  const std::function<std::string()> text_;
  std::string path_;
  Fd socket_;
  Fd listener_;
  std::shared_ptr<TlsContext> tls_;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// What a MetricsServer on this Unix socket says. Unavailable.
absl::StatusOr<std::string> FetchMetrics(const std::string& socket);

}  // namespace cairn

#endif  // CAIRN_BASE_METRICS_SERVER_H_
