#include "base/control_frame.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

namespace cairn {
namespace {

int64_t NowMs() { return static_cast<int64_t>(MonotonicNs() / 1'000'000); }

absl::StatusOr<Fd> Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": too long for a socket's path"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
  const absl::Status status = ErrnoStatus(errno, absl::StrCat("connect to ", path));
  if (absl::IsPermissionDenied(status)) return status;
  return absl::UnavailableError(absl::StrCat(status.message(), "; is cairnd running?"));
}

}  // namespace

absl::StatusOr<std::string> EncodeControlFrame(absl::string_view body) {
  if (body.size() > kMaxControlFrame) {
    return absl::InvalidArgumentError(
        absl::StrCat("a control frame of ", body.size(), " bytes, above ", kMaxControlFrame));
  }
  std::string frame;
  PutU32(&frame, static_cast<uint32_t>(body.size()));
  frame.append(body.data(), body.size());
  return frame;
}

absl::StatusOr<FrameEnd> DecodeControlFrame(absl::string_view bytes, absl::string_view* body) {
  if (bytes.size() < 4) return FrameEnd::kMore;
  const size_t length = GetU32(bytes.data());
  if (length > kMaxControlFrame) {
    return absl::InvalidArgumentError(
        absl::StrCat("a control frame of ", length, " bytes, above ", kMaxControlFrame));
  }
  if (bytes.size() < 4 + length) return FrameEnd::kMore;
  *body = bytes.substr(4, length);
  return FrameEnd::kFrame;
}

absl::StatusOr<std::string> CallControl(const std::string& path, absl::string_view request,
                                        int timeout_ms) {
  ASSIGN_OR_RETURN(const Fd fd, Connect(path));
  ASSIGN_OR_RETURN(const std::string frame, EncodeControlFrame(request));
  if (::send(fd.get(), frame.data(), frame.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(frame.size())) {
    return absl::UnavailableError(absl::StrCat(path, ": the request was not taken"));
  }
  const int64_t deadline_ms = NowMs() + timeout_ms;
  std::string received;
  for (;;) {
    absl::string_view body;
    ASSIGN_OR_RETURN(const FrameEnd end, DecodeControlFrame(received, &body));
    if (end == FrameEnd::kFrame) return std::string(body);
    const int64_t left_ms = deadline_ms - NowMs();
    pollfd wait = {.fd = fd.get(), .events = POLLIN, .revents = 0};
    if (left_ms <= 0 || ::poll(&wait, 1, static_cast<int>(left_ms)) == 0) {
      return absl::UnavailableError(absl::StrCat(path, ": no answer in ", timeout_ms, " ms"));
    }
    char buffer[4096];
    const ssize_t n = ::recv(fd.get(), buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return absl::UnavailableError(absl::StrCat(path, ": closed without an answer"));
    received.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace cairn
