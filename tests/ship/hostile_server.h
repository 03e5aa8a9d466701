// A collector that does not behave, behind a handshake that does.
#ifndef CAIRN_TESTS_SHIP_HOSTILE_SERVER_H_
#define CAIRN_TESTS_SHIP_HOSTILE_SERVER_H_

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "base/socket.h"
#include "base/tls.h"
#include "proto/wire.pb.h"

namespace cairn::ship {

// One connection of it, in the server's thread.
class HostileTalk {
 public:
  HostileTalk(TlsConnection* tls, const std::atomic<bool>* stop) : tls_(tls), stop_(stop) {}

  // False: the shipper has left, or the test is over.
  bool Say(const std::string& bytes);
  bool Say(const wire::Frame& frame);
  // Reads whatever comes, for `time`.
  bool Listen(absl::Duration time);

 private:
  TlsConnection* const tls_;
  const std::atomic<bool>* const stop_;
};

// Takes one connection at a time, shakes hands, and plays `script` on each. Without a script it
// takes connections and says nothing at all.
class HostileServer {
 public:
  HostileServer(const TlsFiles& files, std::function<void(HostileTalk*)> script);
  ~HostileServer();

  int port() const { return port_; }
  int connections() const { return connections_; }
  int left() const { return left_; }  // connections that the shipper ended while the script played

 private:
  void Serve();
  bool Shake(TlsConnection* tls);

  std::shared_ptr<TlsContext> context_;
  const std::function<void(HostileTalk*)> script_;
  Fd listener_;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::atomic<int> left_{0};
  std::thread thread_;
};

}  // namespace cairn::ship

#endif  // CAIRN_TESTS_SHIP_HOSTILE_SERVER_H_
