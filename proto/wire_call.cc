#include "proto/wire_call.h"

#include <poll.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "proto/wire.h"

namespace cairn::wire {
namespace {

absl::Status WaitFor(int fd, short events, absl::Time deadline) {
  const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
  pollfd poll{fd, events, 0};
  const int n = left > 0 ? ::poll(&poll, 1, static_cast<int>(left) + 1) : 0;
  if (n < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
  return n == 0 ? absl::UnavailableError("no answer in time") : absl::OkStatus();
}

absl::Status WaitFor(int fd, TlsWant want, absl::Time deadline) {
  return WaitFor(fd, want == TlsWant::kWrite ? POLLOUT : POLLIN, deadline);
}

absl::Status Shake(TlsConnection* tls, absl::Time deadline) {
  RETURN_IF_ERROR(WaitFor(tls->fd(), POLLOUT, deadline));
  RETURN_IF_ERROR(FinishConnect(tls->fd()));
  for (;;) {
    ASSIGN_OR_RETURN(const TlsWant want, tls->Handshake());
    if (want == TlsWant::kNothing) return absl::OkStatus();
    RETURN_IF_ERROR(WaitFor(tls->fd(), want, deadline));
  }
}

absl::Status Send(TlsConnection* tls, absl::string_view bytes, absl::Time deadline) {
  while (!bytes.empty()) {
    ASSIGN_OR_RETURN(const TlsIo io, tls->Write(bytes));
    bytes.remove_prefix(io.bytes);
    if (io.want == TlsWant::kClosed) return absl::UnavailableError("closed by the other side");
    if (io.bytes == 0) RETURN_IF_ERROR(WaitFor(tls->fd(), io.want, deadline));
  }
  return absl::OkStatus();
}

absl::StatusOr<Frame> Receive(TlsConnection* tls, absl::Time deadline) {
  FrameParser parser;
  Frame frame;
  char buffer[16 << 10];
  for (;;) {
    ASSIGN_OR_RETURN(const bool whole, parser.Next(&frame));
    if (whole) return frame;
    ASSIGN_OR_RETURN(const TlsIo io, tls->Read(buffer, sizeof buffer));
    if (io.want == TlsWant::kClosed) return absl::UnavailableError("closed by the other side");
    if (io.bytes == 0) RETURN_IF_ERROR(WaitFor(tls->fd(), io.want, deadline));
    parser.Add({buffer, io.bytes});
  }
}

}  // namespace

absl::StatusOr<Frame> Ask(const HostPort& where, std::shared_ptr<TlsContext> context,
                          const std::string& pin, const Frame& question, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  ASSIGN_OR_RETURN(Fd socket, StartConnect(where));
  ASSIGN_OR_RETURN(const std::unique_ptr<TlsConnection> tls,
                   TlsConnection::Connect(std::move(context), std::move(socket), where.host, pin));
  RETURN_IF_ERROR(Shake(tls.get(), deadline));
  std::string bytes;
  AppendFrame(question, &bytes);
  RETURN_IF_ERROR(Send(tls.get(), bytes, deadline));
  ASSIGN_OR_RETURN(Frame answer, Receive(tls.get(), deadline));
  tls->Close();
  if (!answer.has_refusal()) return answer;
  const bool passing = answer.refusal().code() == Refusal::STORAGE ||
                       answer.refusal().code() == Refusal::BUSY ||
                       answer.refusal().code() == Refusal::SHUTTING_DOWN;
  return absl::Status(
      passing ? absl::StatusCode::kUnavailable : absl::StatusCode::kPermissionDenied,
      absl::StrCat("refused: ", RefusalText(answer.refusal())));
}

}  // namespace cairn::wire
