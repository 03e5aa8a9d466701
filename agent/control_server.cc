#include "agent/control_server.h"

#include <grp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/control_frame.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::agent {
namespace {

constexpr size_t kMaxConnections = 16;
constexpr uint64_t kRequestNs = 5'000'000'000;

absl::StatusOr<sockaddr_un> Address(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": too long for a socket's path"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool SomebodyListens(const sockaddr_un& address) {
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

void ShareWithGroup(const std::string& path) {
  if (::chmod(path.c_str(), 0660) != 0) LogWarning(path, ": chmod: ", std::strerror(errno));
  const group* readers = ::getgrnam("cairn");
  if (readers == nullptr) return;
  if (::chown(path.c_str(), static_cast<uid_t>(-1), readers->gr_gid) != 0) {
    LogWarning(path, ": chown to group cairn: ", std::strerror(errno));
  }
}

bool Watch(int epoll, int fd) {
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

ControlServer::ControlServer(std::string path, Fd listener, Fd epoll, Handler handler)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      handler_(std::move(handler)) {}

ControlServer::~ControlServer() { ::unlink(path_.c_str()); }

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Listen(const std::string& path,
                                                                     Handler handler) {
  ASSIGN_OR_RETURN(const sockaddr_un address, Address(path));
  if (SomebodyListens(address)) {
    return absl::AlreadyExistsError(absl::StrCat(path, ": another cairnd answers there"));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("remove the old socket ", path));
  }
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid()) return ErrnoStatus(errno, "control socket");
  const mode_t umask_before = ::umask(0177);  // nobody connects before the mode is right
  const int bound =
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int bind_error = errno;
  ::umask(umask_before);
  if (bound != 0) return ErrnoStatus(bind_error, absl::StrCat("bind ", path));
  ShareWithGroup(path);
  if (::listen(listener.get(), 16) != 0) return ErrnoStatus(errno, absl::StrCat("listen ", path));
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid() || !Watch(epoll.get(), listener.get())) return ErrnoStatus(errno, "epoll");
  return absl::WrapUnique(
      new ControlServer(path, std::move(listener), std::move(epoll), std::move(handler)));
}

void ControlServer::Accept() {
  for (;;) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    ucred credentials = {};
    socklen_t length = sizeof(credentials);
    if (connections_.size() >= kMaxConnections ||
        ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0 ||
        !Watch(epoll_.get(), fd.get())) {
      continue;  // closed: the peer sees no answer
    }
    Connection connection;
    connection.fd = std::move(fd);
    connection.peer = {static_cast<uint32_t>(credentials.pid), credentials.uid, credentials.gid};
    connection.deadline_ns = MonotonicNs() + kRequestNs;
    connections_.push_back(std::move(connection));
  }
}

void ControlServer::Serve() {
  Accept();
  const uint64_t now_ns = MonotonicNs();
  for (auto it = connections_.begin(); it != connections_.end();) {
    const bool alive = now_ns < it->deadline_ns && Advance(&*it);
    it = alive ? std::next(it) : connections_.erase(it);
  }
}

bool ControlServer::Receive(Connection* connection) {
  char buffer[4096];
  const ssize_t n = ::recv(connection->fd.get(), buffer, sizeof(buffer), 0);
  if (n == 0) return false;
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  connection->in.append(buffer, static_cast<size_t>(n));
  return true;
}

bool ControlServer::Advance(Connection* connection) {
  if (connection->out.empty()) {
    if (!Receive(connection)) return false;
    absl::string_view body;
    const auto end = DecodeControlFrame(connection->in, &body);
    if (!end.ok()) return false;
    if (*end == FrameEnd::kMore) return true;
    connection->out = Answer(connection->peer, body);
  }
  const ssize_t n = ::send(connection->fd.get(), connection->out.data() + connection->sent,
                           connection->out.size() - connection->sent, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  connection->sent += static_cast<size_t>(n);
  if (connection->sent == connection->out.size()) return false;
  epoll_event event = {};
  event.events = EPOLLOUT;
  event.data.fd = connection->fd.get();
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection->fd.get(), &event) == 0;
}

std::string ControlServer::Answer(const Peer& peer, absl::string_view body) {
  control::Request request;
  control::Reply reply;
  if (request.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    reply = handler_(peer, request);
  } else {
    reply.set_error("not a request");
  }
  auto frame = EncodeControlFrame(reply.SerializeAsString());
  if (!frame.ok()) {
    reply.Clear();
    reply.set_error(std::string(frame.status().message()));
    frame = EncodeControlFrame(reply.SerializeAsString());
  }
  return *frame;
}

}  // namespace cairn::agent
