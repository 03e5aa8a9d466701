#include "agent/shipper/syslog.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/host.h"
#include "base/status.h"
#include "policy/event_json.h"
#include "proto/names.h"

namespace cairn::shipper {
namespace {

constexpr size_t kMaxDatagram = 60000;
constexpr size_t kMaxMessage = 1 << 20;
constexpr int kPriority = 13 * 8 + 5;
constexpr int kTimeoutMs = 3000;
constexpr uint64_t kMaxSequenceId = 2147483647;  // RFC 5424 §7.3.1: then it begins again at 1

// HOSTNAME is printable ASCII, at most 255.
std::string HostField(absl::string_view host) {
  std::string out;
  for (const char c : host.substr(0, 255)) out.push_back(c > 32 && c < 127 ? c : '?');
  return out.empty() ? "-" : out;
}

absl::StatusOr<Fd> ConnectUdp(const HostPort& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(where.host.c_str(), where.port.c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("syslog: ", where.host, ": ", ::gai_strerror(error)));
  }
  Fd socket(::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const bool connected =
      socket.valid() && ::connect(socket.get(), found->ai_addr, found->ai_addrlen) == 0;
  const int cause = errno;
  ::freeaddrinfo(found);
  if (!connected) return ErrnoStatus(cause, absl::StrCat("syslog: ", where.host));
  return socket;
}

absl::StatusOr<Fd> ConnectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid() ||
      ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoStatus(errno, absl::StrCat("syslog: ", path));
  }
  return socket;
}

}  // namespace

absl::StatusOr<SyslogAddress> SyslogAddress::Parse(absl::string_view text) {
  SyslogAddress address;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    address.kind = Kind::kUnix;
    address.path = std::string(rest);
    if (!rest.empty() && rest.front() == '/' && rest.size() < sizeof(sockaddr_un::sun_path)) {
      return address;
    }
  } else if (absl::ConsumePrefix(&rest, "udp:") || absl::ConsumePrefix(&rest, "tcp:")) {
    address.kind = text.front() == 'u' ? Kind::kUdp : Kind::kTcp;
    absl::StatusOr<HostPort> where = HostPort::Parse(rest);
    if (where.ok()) {
      address.where = *std::move(where);
      return address;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH"));
}

std::string FormatSyslog(const ledger::LoggedRecord& logged, absl::string_view host,
                         size_t max_bytes) {
  // TIME-SECFRAC has at most six digits.
  std::string time = policy::FormatWallTime(logged.wall_ns);
  const size_t dot = time.rfind('.');
  if (dot != std::string::npos && time.size() > dot + 8) time = time.substr(0, dot + 7) + "Z";
  std::string out = absl::StrCat("<", kPriority, ">1 ", time, " ", HostField(host), " cairn - ",
                                 EventName(logged.record->type()), " [meta sequenceId=\"",
                                 logged.sequence % kMaxSequenceId + 1, "\"] ");
  policy::AppendEventJson(logged, &out);
  if (out.size() > max_bytes) out.resize(max_bytes);
  return out;
}

absl::Status SyslogSender::Connect() {
  absl::StatusOr<Fd> socket;
  switch (address_.kind) {
    case SyslogAddress::Kind::kUdp:
      socket = ConnectUdp(address_.where);
      break;
    case SyslogAddress::Kind::kUnix:
      socket = ConnectUnix(address_.path);
      break;
    case SyslogAddress::Kind::kTcp:
      socket = StartConnect(address_.where);
      if (socket.ok()) {
        pollfd ready{socket->get(), POLLOUT, 0};
        if (::poll(&ready, 1, kTimeoutMs) <= 0) return absl::UnavailableError("syslog: no answer");
        RETURN_IF_ERROR(FinishConnect(socket->get()));
      }
  }
  RETURN_IF_ERROR(socket.status());
  socket_ = *std::move(socket);
  return absl::OkStatus();
}

absl::Status SyslogSender::Write(absl::string_view message) {
  while (!message.empty()) {
    const ssize_t n = ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      message.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return ErrnoStatus(errno, "syslog: send");
    pollfd ready{socket_.get(), POLLOUT, 0};
    if (::poll(&ready, 1, kTimeoutMs) <= 0) return absl::UnavailableError("syslog: not taken");
  }
  return absl::OkStatus();
}

absl::Status SyslogSender::Send(const ledger::LoggedRecord& logged) {
  const bool stream = address_.kind == SyslogAddress::Kind::kTcp;
  std::string message = FormatSyslog(logged, HostName(), stream ? kMaxMessage : kMaxDatagram);
  if (stream) message = absl::StrCat(message.size(), " ", message);
  if (!socket_.valid()) RETURN_IF_ERROR(Connect());
  const absl::Status sent = Write(message);
  if (!sent.ok()) socket_.Reset();
  return sent;
}

}  // namespace cairn::shipper
