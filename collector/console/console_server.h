// The console over HTTPS: who asks, what they get, what is written down of it. docs/console.md.
#ifndef CAIRN_COLLECTOR_CONSOLE_CONSOLE_SERVER_H_
#define CAIRN_COLLECTOR_CONSOLE_CONSOLE_SERVER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/socket.h"
#include "base/tls.h"

namespace cairn::collector {

struct ConsoleOptions {
  HostPort listen;
  TlsFiles tls;
  std::string store;
  std::string alarms;          // the collector's alarms_log
  std::string access;          // console.yaml
  std::string dir;             // indexes, access.jsonl
  std::string tlog_dir;        // served to anybody
  std::string metrics_socket;  // of the collector; empty: none
  absl::Duration session = absl::Hours(8);
};

// Serves at once, from threads of its own; one thread starts and stops it.
class ConsoleServer {
 public:
  static absl::StatusOr<std::unique_ptr<ConsoleServer>> Start(ConsoleOptions options);
  ~ConsoleServer();  // stops

  int port() const;

 private:
  class Impl;
  explicit ConsoleServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_CONSOLE_SERVER_H_
