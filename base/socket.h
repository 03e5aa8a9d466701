// Non-blocking TCP sockets.
#ifndef CAIRN_BASE_SOCKET_H_
#define CAIRN_BASE_SOCKET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"

namespace cairn {

struct HostPort {
  std::string host;  // name or address, without brackets
  std::string port;

  // "host:port", "1.2.3.4:port", "[::1]:port". InvalidArgument.
  static absl::StatusOr<HostPort> Parse(absl::string_view text);
};

// Starts a connection to the first address of `where` that takes one; it is complete when the
// socket becomes writable and FinishConnect is OK. Resolving the name may block.
absl::StatusOr<Fd> StartConnect(const HostPort& where);
absl::Status FinishConnect(int socket);

// Listens on `where`; port 0: any. With `shared`, several sockets share the port
// (SO_REUSEPORT) and the kernel spreads connections over them.
absl::StatusOr<Fd> Listen(const HostPort& where, bool shared = false);
absl::StatusOr<int> ListeningPort(int socket);

// "1.2.3.4:5678", or "?" where it cannot be told.
std::string PeerAddress(int socket);

}  // namespace cairn

#endif  // CAIRN_BASE_SOCKET_H_
