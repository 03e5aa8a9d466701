#include "base/metrics_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn {
namespace {

constexpr size_t kMaxRequest = 4096;
constexpr size_t kMaxAnswer = 4 << 20;
constexpr absl::Duration kWithin = absl::Seconds(5);

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": too long for a socket's path"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<Fd> ListenUnix(const std::string& path) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("remove the old socket ", path));
  }
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "metrics socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("bind ", path));
  }
  ::chmod(path.c_str(), 0660);
  if (::listen(fd.get(), 16) != 0) return ErrnoStatus(errno, absl::StrCat("listen ", path));
  return fd;
}

// False: the time is up, or it stops.
bool WaitFor(int fd, short events, absl::Time until) {
  const int64_t ms = absl::ToInt64Milliseconds(until - absl::Now());
  pollfd wait = {.fd = fd, .events = events, .revents = 0};
  return ms > 0 && ::poll(&wait, 1, static_cast<int>(ms)) > 0;
}

bool Complete(absl::string_view request) { return absl::StrContains(request, "\r\n\r\n"); }

std::string Escaped(absl::string_view label) {
  return absl::StrReplaceAll(label, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}});
}

// A plain socket behaves as a TLS connection does: whichever it is, one exchange.
bool ReadPlain(int fd, std::string* request, absl::Time until) {
  char buffer[1024];
  while (!Complete(*request) && request->size() < kMaxRequest && WaitFor(fd, POLLIN, until)) {
    const ssize_t n = ::recv(fd, buffer, sizeof(buffer), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (n > 0) request->append(buffer, static_cast<size_t>(n));
  }
  return Complete(*request);
}

void WritePlain(int fd, absl::string_view bytes, absl::Time until) {
  while (!bytes.empty() && WaitFor(fd, POLLOUT, until)) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return;
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
  }
}

bool WaitTls(const TlsConnection& tls, TlsWant want, absl::Time until) {
  if (want == TlsWant::kClosed) return false;
  return WaitFor(tls.fd(), want == TlsWant::kWrite ? POLLOUT : POLLIN, until);
}

bool ShakeHands(TlsConnection* tls, absl::Time until) {
  for (;;) {
    const auto want = tls->Handshake();
    if (!want.ok()) return false;
    if (*want == TlsWant::kNothing) return true;
    if (!WaitTls(*tls, *want, until)) return false;
  }
}

bool ReadTls(TlsConnection* tls, std::string* request, absl::Time until) {
  char buffer[1024];
  while (!Complete(*request) && request->size() < kMaxRequest) {
    const auto io = tls->Read(buffer, sizeof(buffer));
    if (!io.ok()) return false;
    request->append(buffer, io->bytes);
    if (io->bytes == 0 && !WaitTls(*tls, io->want, until)) return false;
  }
  return Complete(*request);
}

void WriteTls(TlsConnection* tls, absl::string_view bytes, absl::Time until) {
  while (!bytes.empty()) {
    const auto io = tls->Write(bytes);
    if (!io.ok()) return;
    bytes.remove_prefix(io->bytes);
    if (io->bytes == 0 && !WaitTls(*tls, io->want, until)) return;
  }
  tls->Close();
}

}  // namespace

void PrometheusText::Begin(absl::string_view name, absl::string_view help, absl::string_view type,
                           const Labels& labels) {
  if (name != last_) {
    absl::StrAppend(&text_, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
    last_ = std::string(name);
  }
  text_.append(name.data(), name.size());
  const char* before = "{";
  for (const auto& [label, value] : labels) {
    absl::StrAppend(&text_, before, label, "=\"", Escaped(value), "\"");
    before = ",";
  }
  if (!labels.empty()) text_.push_back('}');
}

void PrometheusText::Counter(absl::string_view name, absl::string_view help, uint64_t value,
                             const Labels& labels) {
  Begin(name, help, "counter", labels);
  absl::StrAppend(&text_, " ", value, "\n");
}

void PrometheusText::Gauge(absl::string_view name, absl::string_view help, double value,
                           const Labels& labels) {
  Begin(name, help, "gauge", labels);
  absl::StrAppend(&text_, " ", absl::StrFormat("%.15g", value), "\n");
}

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const MetricsWhere& where, std::function<std::string()> text) {
  if (where.socket.empty() && where.listen.empty()) return nullptr;
  auto server = absl::WrapUnique(new MetricsServer(std::move(text)));
  if (!where.socket.empty()) {
    ASSIGN_OR_RETURN(server->socket_, ListenUnix(where.socket));
    server->path_ = where.socket;
  }
  if (!where.listen.empty()) {
    ASSIGN_OR_RETURN(const HostPort listen, HostPort::Parse(where.listen));
    ASSIGN_OR_RETURN(server->tls_, TlsContext::Server(where.tls));
    ASSIGN_OR_RETURN(server->listener_, Listen(listen));
    ASSIGN_OR_RETURN(server->port_, ListeningPort(server->listener_.get()));
  }
  server->thread_ = std::thread([server = server.get()] { server->Loop(); });
  return server;
}

MetricsServer::~MetricsServer() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  if (!path_.empty()) ::unlink(path_.c_str());
}

void MetricsServer::Loop() {
  while (!stop_) {
    pollfd ready[] = {{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                      {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    if (::poll(ready, 2, 200) <= 0) continue;
    if ((ready[0].revents & POLLIN) != 0) ServeSocket();
    if ((ready[1].revents & POLLIN) != 0) ServeHttps();
  }
}

void MetricsServer::ServeSocket() {
  const Fd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  const absl::Time until = absl::Now() + kWithin;
  std::string request;
  if (fd.valid() && ReadPlain(fd.get(), &request, until)) {
    WritePlain(fd.get(), Answer(request), until);
  }
}

void MetricsServer::ServeHttps() {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) return;
  auto tls = TlsConnection::Accept(tls_, std::move(fd));
  const absl::Time until = absl::Now() + kWithin;
  std::string request;
  if (tls.ok() && ShakeHands(tls->get(), until) && ReadTls(tls->get(), &request, until)) {
    WriteTls(tls->get(), Answer(request), until);
  }
}

std::string MetricsServer::Answer(absl::string_view request) const {
  const bool known = absl::StartsWith(request, "GET /metrics HTTP/1.") ||
                     absl::StartsWith(request, "GET /metrics?");
  const std::string body = known ? text_() : "GET /metrics is all there is here\n";
  return absl::StrCat("HTTP/1.1 ", known ? "200 OK" : "404 Not Found",
                      "\r\nContent-Type: ", kPrometheusType, "\r\nContent-Length: ", body.size(),
                      "\r\nConnection: close\r\n\r\n", body);
}

absl::StatusOr<std::string> FetchMetrics(const std::string& socket) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(socket));
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::UnavailableError(absl::StrCat(socket, ": ", std::strerror(errno)));
  }
  const absl::Time until = absl::Now() + kWithin;
  WritePlain(fd.get(), "GET /metrics HTTP/1.1\r\nHost: cairn\r\n\r\n", until);
  std::string answer;
  char buffer[16384];
  while (answer.size() < kMaxAnswer && WaitFor(fd.get(), POLLIN, until)) {
    const ssize_t n = ::recv(fd.get(), buffer, sizeof(buffer), 0);
    if (n <= 0) break;
    answer.append(buffer, static_cast<size_t>(n));
  }
  const size_t head = answer.find("\r\n\r\n");
  if (!absl::StartsWith(answer, "HTTP/1.1 200 ") || head == std::string::npos) {
    return absl::UnavailableError(absl::StrCat(socket, ": no metrics came"));
  }
  return answer.substr(head + 4);
}

}  // namespace cairn
