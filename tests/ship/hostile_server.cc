#include "tests/ship/hostile_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "absl/time/clock.h"
#include "proto/wire.h"

namespace cairn::ship {
namespace {

void WaitFor(int fd, short events) {
  pollfd ready{fd, events, 0};
  ::poll(&ready, 1, 20);
}

}  // namespace

bool HostileTalk::Say(const std::string& bytes) {
  absl::string_view rest = bytes;
  while (!rest.empty() && !stop_->load()) {
    const absl::StatusOr<TlsIo> io = tls_->Write(rest);
    if (!io.ok() || io->want == TlsWant::kClosed) return false;
    rest.remove_prefix(io->bytes);
    if (io->bytes == 0) WaitFor(tls_->fd(), POLLOUT);
  }
  return !stop_->load();
}

bool HostileTalk::Say(const wire::Frame& frame) {
  std::string bytes;
  wire::AppendFrame(frame, &bytes);
  return Say(bytes);
}

bool HostileTalk::Listen(absl::Duration time) {
  const absl::Time until = absl::Now() + time;
  char buffer[16384];
  while (absl::Now() < until && !stop_->load()) {
    const absl::StatusOr<TlsIo> io = tls_->Read(buffer, sizeof buffer);
    if (!io.ok() || io->want == TlsWant::kClosed) return false;
    if (io->bytes == 0) WaitFor(tls_->fd(), POLLIN);
  }
  return !stop_->load();
}

HostileServer::HostileServer(const TlsFiles& files, std::function<void(HostileTalk*)> script)
    : script_(std::move(script)) {
  auto context = TlsContext::Server(files);
  EXPECT_TRUE(context.ok()) << context.status();
  context_ = *std::move(context);
  auto socket = Listen({"127.0.0.1", "0"});
  EXPECT_TRUE(socket.ok()) << socket.status();
  listener_ = *std::move(socket);
  port_ = *ListeningPort(listener_.get());
  thread_ = std::thread([this] { Serve(); });
}

HostileServer::~HostileServer() {
  stop_ = true;
  thread_.join();
}

bool HostileServer::Shake(TlsConnection* tls) {
  while (!stop_.load()) {
    const absl::StatusOr<TlsWant> want = tls->Handshake();
    if (!want.ok()) return false;
    if (*want == TlsWant::kNothing) return true;
    WaitFor(tls->fd(), *want == TlsWant::kWrite ? POLLOUT : POLLIN);
  }
  return false;
}

void HostileServer::Serve() {
  while (!stop_.load()) {
    Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!peer.valid()) {
      WaitFor(listener_.get(), POLLIN);
      continue;
    }
    ++connections_;
    if (!script_) {
      char byte;
      while (!stop_.load() && ::recv(peer.get(), &byte, 1, MSG_DONTWAIT) != 0) {
        absl::SleepFor(absl::Milliseconds(20));
      }
      left_ += stop_.load() ? 0 : 1;
      continue;
    }
    auto tls = TlsConnection::Accept(context_, std::move(peer));
    if (!tls.ok() || !Shake(tls->get())) continue;
    HostileTalk talk(tls->get(), &stop_);
    script_(&talk);
    left_ += stop_.load() ? 0 : 1;
  }
}

}  // namespace cairn::ship
