#include "agent/capture/audit_socket.h"

#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr int kNoAck = -1;

}  // namespace

AuditSocket::AuditSocket(Fd fd) : fd_(std::move(fd)), buffer_(new char[kBufferBytes]) {}

absl::StatusOr<std::unique_ptr<AuditSocket>> AuditSocket::Open(bool multicast, int buffer_bytes) {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT));
  if (!fd.valid()) return ErrnoStatus(errno, "audit: open a netlink socket");
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) != 0) {
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
  }
  sockaddr_nl address = {.nl_family = AF_NETLINK};
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, "audit: bind the netlink socket");
  }
  const int group = AUDIT_NLGRP_READLOG;
  if (multicast &&
      setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
    return ErrnoStatus(errno, "audit: join the multicast group");
  }
  return std::unique_ptr<AuditSocket>(new AuditSocket(std::move(fd)));
}

absl::Status AuditSocket::Own() {
  struct {
    nlmsghdr header;
    audit_status status;
  } request = {};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = AUDIT_SET;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.header.nlmsg_seq = 1;
  request.status.mask = AUDIT_STATUS_PID;
  request.status.pid = static_cast<uint32_t>(getpid());
  if (send(fd_.get(), &request, sizeof(request), 0) != sizeof(request)) {
    return ErrnoStatus(errno, "audit: ask for the socket");
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(2);
  while (absl::Now() < deadline) {
    AuditMessage message;
    int ack = kNoAck;
    const AuditRead read = Receive(&message, &ack);
    if (ack != kNoAck)
      return ack == 0 ? absl::OkStatus() : ErrnoStatus(ack, "audit: own the socket");
    if (read == AuditRead::kMessage && early_.size() < kMaxEarly) {
      early_.emplace_back(message.type, std::string(message.text.data(), message.text.size()));
    }
    if (read == AuditRead::kFailed) return ErrnoStatus(errno, "audit: own the socket");
    pollfd waiting = {.fd = fd_.get(), .events = POLLIN};
    if (read == AuditRead::kEmpty) poll(&waiting, 1, 100);
  }
  return absl::UnavailableError("audit: own the socket: no answer in two seconds");
}

AuditRead AuditSocket::Read(AuditMessage* message) {
  if (!early_.empty()) {
    message->type = early_.front().first;
    current_ = std::move(early_.front().second);
    early_.pop_front();
    message->text = current_;
    return AuditRead::kMessage;
  }
  int ack = kNoAck;
  return Receive(message, &ack);
}

// The kernel's nlmsg_len leaves the header out on the owner's socket and not on the multicast
// one (kauditd_send_multicast_skb), so the datagram's size is what counts.
AuditRead AuditSocket::Receive(AuditMessage* message, int* ack) {
  sockaddr_nl from = {};
  iovec part = {.iov_base = buffer_.get(), .iov_len = kBufferBytes};
  msghdr datagram = {
      .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
  const ssize_t size = recvmsg(fd_.get(), &datagram, 0);
  if (size < 0) {
    if (errno == ENOBUFS) return AuditRead::kOverrun;
    return errno == EAGAIN || errno == EINTR ? AuditRead::kEmpty : AuditRead::kFailed;
  }
  nlmsghdr header;
  if (from.nl_pid != 0 || static_cast<size_t>(size) < sizeof(header)) return AuditRead::kIgnored;
  std::memcpy(&header, buffer_.get(), sizeof(header));
  const char* body = buffer_.get() + NLMSG_HDRLEN;
  const size_t body_size = static_cast<size_t>(size) - NLMSG_HDRLEN;
  if (header.nlmsg_type == NLMSG_ERROR) {
    int32_t error = 0;
    if (body_size >= sizeof(error)) std::memcpy(&error, body, sizeof(error));
    *ack = error < 0 ? -error : 0;
    return AuditRead::kIgnored;
  }
  if (header.nlmsg_type < NLMSG_MIN_TYPE) return AuditRead::kIgnored;
  message->type = header.nlmsg_type;
  message->text = absl::string_view(body, body_size);
  while (!message->text.empty() && message->text.back() == '\0') message->text.remove_suffix(1);
  return AuditRead::kMessage;
}

}  // namespace cairn::capture
