// The control socket: who asks is taken from the kernel, what they ask is bounded.
#ifndef CAIRN_AGENT_CONTROL_SERVER_H_
#define CAIRN_AGENT_CONTROL_SERVER_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "proto/control.pb.h"

namespace cairn::agent {

struct Peer {
  uint32_t pid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// At most 16 connections, one request each, 5 s for it; anything else is cut off. Capture
// thread only; never blocks.
class ControlServer {
 public:
  using Handler = std::function<control::Reply(const Peer&, const control::Request&)>;

  // Listens on `path` (its directory must exist), replacing a socket that nobody listens on;
  // mode 0660, group `cairn` where there is one. AlreadyExists: another daemon answers there.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Listen(const std::string& path,
                                                               Handler handler);
  ~ControlServer();

  int wait_fd() const { return epoll_.get(); }  // readable: call Serve
  void Serve();

 private:
  struct Connection {
    Fd fd;
    Peer peer;
    uint64_t deadline_ns = 0;
    std::string in;
    std::string out;
    size_t sent = 0;
  };

  ControlServer(std::string path, Fd listener, Fd epoll, Handler handler);
  void Accept();
  // False: the connection is done with.
  bool Advance(Connection* connection);
  bool Receive(Connection* connection);
  std::string Answer(const Peer& peer, absl::string_view body);

  const std::string path_;
  const Fd listener_;
  const Fd epoll_;
  const Handler handler_;
  std::list<Connection> connections_;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_CONTROL_SERVER_H_
