// The collector's sockets: a few threads, each with its own listener and event loop.
#ifndef CAIRN_COLLECTOR_SERVER_H_
#define CAIRN_COLLECTOR_SERVER_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/socket.h"
#include "base/tls.h"
#include "collector/core.h"

namespace cairn::collector {

struct ServerOptions {
  HostPort listen;
  TlsFiles tls;
  int threads = 2;
  int max_connections = 4096;  // in all
  absl::Duration handshake_within = absl::Seconds(10);
  std::optional<HostPort> enrol;  // where hosts without a certificate enrol; none: nowhere
};

class Syncer;
class Worker;

// Create, Reload and Stop from one thread.
class Server {
 public:
  // Listens and serves at once. `core` outlives the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Core* core);
  ~Server();  // as Stop

  int port() const { return port_; }
  int enrolment_port() const { return enrolment_port_; }  // 0: none
  // Certificates, CA and revocations from the files again, for connections from now on. Sessions
  // go on, but for those whose certificate would not be taken any more. On an error all stays.
  absl::Status Reload();
  // Receipts what is due, asks every host to go elsewhere, and closes.
  void Stop();

 private:
  explicit Server(ServerOptions options);
  absl::Status ListenForHosts(Core* core, int threads);
  absl::Status ListenForEnrolment(Core* core);

  const ServerOptions options_;
  int port_ = 0;
  int enrolment_port_ = 0;
  std::unique_ptr<Worker> enrolment_;
  std::vector<std::unique_ptr<Worker>> workers_;
  // Last: what they do comes to the workers.
  std::unique_ptr<Syncer> syncer_;
  std::unique_ptr<Syncer> opener_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_SERVER_H_
