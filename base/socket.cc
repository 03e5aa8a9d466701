#include "base/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace cairn {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

absl::StatusOr<Addresses> Resolve(const HostPort& where, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(where.host.c_str(), where.port.c_str(), &hints, &list);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("resolve ", where.host, ":", where.port, ": ", ::gai_strerror(error)));
  }
  return Addresses(list, &::freeaddrinfo);
}

Fd NewSocket(const addrinfo& address) {
  return Fd(::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                     address.ai_protocol));
}

void SetOption(int socket, int level, int option) {
  const int on = 1;
  ::setsockopt(socket, level, option, &on, sizeof on);  // best effort
}

}  // namespace

absl::StatusOr<HostPort> HostPort::Parse(absl::string_view text) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not HOST:PORT"));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return bad();
  absl::string_view host = text.substr(0, colon);
  const absl::string_view port = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return bad();
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != absl::string_view::npos) {
    return bad();
  }
  int number = 0;
  if (!absl::SimpleAtoi(port, &number) || number < 0 || number > 65535) return bad();
  return HostPort{std::string(host), absl::StrCat(number)};
}

absl::StatusOr<Fd> StartConnect(const HostPort& where) {
  ASSIGN_OR_RETURN(const Addresses list, Resolve(where, 0));
  absl::Status last = absl::UnavailableError("no address");
  for (const addrinfo* a = list.get(); a != nullptr; a = a->ai_next) {
    Fd socket = NewSocket(*a);
    if (!socket.valid()) return ErrnoStatus(errno, "socket");
    SetOption(socket.get(), IPPROTO_TCP, TCP_NODELAY);
    if (::connect(socket.get(), a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS) {
      return socket;
    }
    last = ErrnoStatus(errno, absl::StrCat("connect ", where.host, ":", where.port));
  }
  return last;
}

absl::Status FinishConnect(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "connect");
}

absl::StatusOr<Fd> Listen(const HostPort& where, bool shared) {
  ASSIGN_OR_RETURN(const Addresses list, Resolve(where, AI_PASSIVE));
  Fd socket = NewSocket(*list);
  if (!socket.valid()) return ErrnoStatus(errno, "socket");
  SetOption(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  if (shared) SetOption(socket.get(), SOL_SOCKET, SO_REUSEPORT);
  if (::bind(socket.get(), list->ai_addr, list->ai_addrlen) != 0 ||
      ::listen(socket.get(), 1024) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listen on ", where.host, ":", where.port));
  }
  return socket;
}

absl::StatusOr<int> ListeningPort(int socket) {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return ErrnoStatus(errno, "getsockname");
  }
  return ntohs(address.sin6_port);  // at the same place for both families
}

std::string PeerAddress(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  const bool six = absl::string_view(host).find(':') != absl::string_view::npos;
  return six ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

}  // namespace cairn
