// The netlink socket audit records come from. libaudit's reader copies 9 KiB a message and
// cannot join the multicast group, so this one is ours.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_SOCKET_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"

namespace cairn::capture {

// How one read ended.
enum class AuditRead {
  kMessage,
  kEmpty,    // nothing waits
  kOverrun,  // the kernel dropped messages for want of room in the socket (ENOBUFS)
  kIgnored,  // an acknowledgement, or not from the kernel
  kFailed,   // the socket is of no more use
};

// A message; `text` points into the socket's buffer and lives until the next Read.
struct AuditMessage {
  uint16_t type = 0;
  absl::string_view text;
};

// One thread.
class AuditSocket {
 public:
  // The group everybody with CAP_AUDIT_READ may join, or none (the owner's socket).
  // `buffer_bytes` is asked for with SO_RCVBUFFORCE, then SO_RCVBUF.
  static absl::StatusOr<std::unique_ptr<AuditSocket>> Open(bool multicast, int buffer_bytes);

  // Makes this process the owner. AlreadyExists when a live one is there. Waits up to 2 s.
  absl::Status Own();

  AuditRead Read(AuditMessage* message);
  int fd() const { return fd_.get(); }

 private:
  static constexpr size_t kBufferBytes = 16 << 10;  // the kernel's longest is 8970
  static constexpr size_t kMaxEarly = 1024;

  explicit AuditSocket(Fd fd);
  AuditRead Receive(AuditMessage* message, int* ack);

  Fd fd_;
  std::unique_ptr<char[]> buffer_;
  std::deque<std::pair<uint16_t, std::string>> early_;  // came before Own's acknowledgement
  std::string current_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_SOCKET_H_
