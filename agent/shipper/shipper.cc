#include "agent/shipper/shipper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"
#include "base/version.h"
#include "ledger/format.h"

namespace cairn::shipper {
namespace {

constexpr size_t kSendBuffer = 256 << 10;
constexpr absl::Duration kPollAtLeast = absl::Seconds(1);  // should inotify miss something

// Steady, and cheap: nanoseconds since some point.
absl::Time Now() { return absl::FromUnixNanos(static_cast<int64_t>(BootNs())); }

}  // namespace

struct Shipper::Session {
  std::string name;
  std::unique_ptr<TlsConnection> tls;
  std::unique_ptr<Uplink> uplink;
  std::string out;  // not yet taken by TLS
  size_t out_used = 0;
  bool want_write = false;
  absl::Time started;
  absl::Time heard;  // last bytes from the collector
  absl::Time pinged;
  absl::Time frame_since;  // when the frame that is arriving began
  absl::Time owed_since;   // when the oldest receipt that is owed became the oldest
  uint64_t receipted = 0;  // last seen
};

Shipper::Shipper(ShipperOptions options)
    : options_(std::move(options)),
      receipts_(absl::StrCat(options_.log_dir, "/", ledger::kReceiptsDir)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      backoff_(options_.backoff_min, options_.backoff_max) {}

absl::StatusOr<std::unique_ptr<Shipper>> Shipper::Create(ShipperOptions options) {
  if (options.collectors.empty()) return absl::InvalidArgumentError("no collector to ship to");
  std::unique_ptr<Shipper> shipper(new Shipper(std::move(options)));
  if (!shipper->wake_.valid() || !shipper->inotify_.valid()) {
    return ErrnoStatus(errno, "eventfd, inotify");
  }
  if (!shipper->options_.exposure_log.empty()) {
    ASSIGN_OR_RETURN(shipper->exposure_file_,
                     OpenFile(Io::Real(), shipper->options_.exposure_log,
                              O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
  }
  return shipper;
}

void Shipper::Stop() {
  stop_.store(true);
  ::eventfd_write(wake_.get(), 1);
}

void Shipper::Reconnect() {
  reconnect_.store(true);
  ::eventfd_write(wake_.get(), 1);
}

void Shipper::DrainWakeups() {
  char buffer[4096];
  while (::read(inotify_.get(), buffer, sizeof buffer) > 0) changed_ = true;
  eventfd_t value = 0;
  ::eventfd_read(wake_.get(), &value);
}

void Shipper::Wait() {
  const absl::Duration wait = backoff_.Next();
  pollfd fd{wake_.get(), POLLIN, 0};
  if (!stopping()) ::poll(&fd, 1, static_cast<int>(absl::ToInt64Milliseconds(wait)));
  DrainWakeups();
}

absl::Status Shipper::WaitForLog() {
  if (!watching_) {
    watching_ = ::inotify_add_watch(inotify_.get(), options_.log_dir.c_str(),
                                    IN_MOVED_TO | IN_ONLYDIR) >= 0;
    if (!watching_) return ErrnoStatus(errno, absl::StrCat("watch ", options_.log_dir));
  }
  if (source_ == nullptr) {
    ASSIGN_OR_RETURN(LogSource source, LogSource::Open(options_.log_dir));
    RETURN_IF_ERROR(receipts_.Open());
    source_ = std::make_unique<LogSource>(std::move(source));
    if (options_.bytes_per_second > 0) {
      ASSIGN_OR_RETURN(LogSource ahead, LogSource::Open(options_.log_dir));
      limit_ = std::make_unique<BandwidthLimit>(options_.bytes_per_second, std::move(ahead));
    }
  }
  return source_->Refresh();
}

absl::Status Shipper::Run(bool until_shipped) {
  std::string last_error;
  size_t next = 0;
  while (!stopping()) {
    absl::Status status = WaitForLog();
    bool progressed = false;
    if (status.ok()) {
      status = RunSession(options_.collectors[next], until_shipped, &progressed);
      if (until_shipped && status.ok()) return status;
      next = (next + (progressed ? 0 : 1)) % options_.collectors.size();
    }
    if (progressed) backoff_.Reset();
    // What is recorded while nobody takes it waits from here on.
    if (!status.ok() && waiting_since_ns_ == 0) waiting_since_ns_ = BootNs();
    if (stopping()) break;
    if (reconnect_.exchange(false)) continue;
    // The same error again and again is said once.
    if (!status.ok() && (progressed || status.message() != last_error)) {
      LogWarning("ship ", options_.log_dir, ": ", status.message());
      last_error = std::string(status.message());
    }
    Wait();
  }
  return absl::OkStatus();
}

absl::Status Shipper::RunSession(const CollectorAddress& collector, bool until_shipped,
                                 bool* progressed) {
  Session session;
  session.name = absl::StrCat(collector.where.host, ":", collector.where.port);
  session.started = session.heard = session.pinged = Now();
  session.frame_since = session.owed_since = session.started;
  absl::Status status = Connect(collector, &session);
  if (status.ok()) {
    session.uplink = std::make_unique<Uplink>(UplinkOptions{.collector_key = collector.key,
                                                            .compress = options_.compress,
                                                            .agent_version = kVersion,
                                                            .boot_time_ns = BootNs},
                                              source_.get(), &receipts_, &exposure_);
    status = Exchange(&session, until_shipped);
    *progressed = session.uplink->welcomed() && !absl::IsDeadlineExceeded(status);
    if (session.uplink->refusal().has_value() && status.code() == absl::StatusCode::kUnavailable) {
      const wire::Refusal& refusal = *session.uplink->refusal();
      *progressed = refusal.code() == wire::Refusal::BUSY;  // the right collector, too early
      if (options_.collectors.size() == 1 && refusal.retry_after_s() > 0 && !until_shipped) {
        backoff_.AtLeast(absl::Seconds(std::min(refusal.retry_after_s(), 3600u)));
      }
    }
    session.tls->Close();
  }
  return Annotate(status, session.name);
}

absl::Status Shipper::Connect(const CollectorAddress& collector, Session* session) {
  ASSIGN_OR_RETURN(std::shared_ptr<TlsContext> context, TlsContext::Client(options_.tls));
  ASSIGN_OR_RETURN(Fd socket, StartConnect(collector.where));
  const absl::Time deadline = Now() + options_.connect_timeout;
  const int fd = socket.get();
  bool connected = false;
  ASSIGN_OR_RETURN(session->tls,
                   TlsConnection::Connect(std::move(context), std::move(socket),
                                          collector.where.host, collector.spki_sha256));
  short events = POLLOUT;
  while (!stopping()) {
    pollfd fds[2] = {{fd, events, 0}, {wake_.get(), POLLIN, 0}};
    const absl::Duration left = deadline - Now();
    if (left <= absl::ZeroDuration()) {
      return absl::UnavailableError("no answer to the connection or the TLS handshake");
    }
    if (::poll(fds, 2, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) < 0 &&
        errno != EINTR) {
      return ErrnoStatus(errno, "poll");
    }
    if (fds[1].revents != 0) DrainWakeups();
    if (fds[0].revents == 0) continue;
    if (!connected) RETURN_IF_ERROR(FinishConnect(fd));
    connected = true;
    ASSIGN_OR_RETURN(const TlsWant want, session->tls->Handshake());
    if (want == TlsWant::kNothing) return absl::OkStatus();
    events = want == TlsWant::kWrite ? POLLOUT : POLLIN;
  }
  return absl::CancelledError("stopping");
}

absl::Status Shipper::Exchange(Session* session, bool until_shipped) {
  RETURN_IF_ERROR(session->uplink->Start(&session->out));
  LogInfo("ship ", source_->origin(), ": connected to ", session->name);
  changed_ = true;
  while (!stopping() && !reconnect_.load()) {
    if (changed_) {
      changed_ = false;
      RETURN_IF_ERROR(source_->Refresh());
    }
    RETURN_IF_ERROR(Receive(session));
    RETURN_IF_ERROR(Fill(session));
    RETURN_IF_ERROR(Send(session));
    Measure(session);
    waiting_since_ns_ = exposure_.waiting_since_ns();
    const bool done = session->uplink->receipted() == source_->size() &&
                      session->uplink->cursor() == source_->limit();
    if (until_shipped && done) return absl::OkStatus();
    RETURN_IF_ERROR(CheckTimers(session));
    if (session->out.empty() || session->want_write) RETURN_IF_ERROR(Wait(session));
  }
  return absl::CancelledError("stopping");
}

absl::Duration Shipper::lag() const {
  const uint64_t since_ns = waiting_since_ns_;
  if (since_ns == 0) return absl::ZeroDuration();
  return absl::Nanoseconds(static_cast<int64_t>(BootNs() - since_ns));
}

absl::Status Shipper::Fill(Session* session) {
  if (!session->out.empty()) return absl::OkStatus();
  uint64_t taken = 0;
  if (limit_ == nullptr || !session->uplink->welcomed()) {
    return session->uplink->Fill(kSendBuffer, &session->out, &taken);
  }
  ASSIGN_OR_RETURN(const bool may, limit_->MaySend(Now(), session->uplink->cursor()));
  if (may) RETURN_IF_ERROR(session->uplink->Fill(1, &session->out, &taken));
  limit_->Sent(taken);
  return absl::OkStatus();
}

absl::Status Shipper::Send(Session* session) {
  session->want_write = false;
  while (session->out_used < session->out.size()) {
    ASSIGN_OR_RETURN(
        const TlsIo io,
        session->tls->Write(absl::string_view(session->out).substr(session->out_used)));
    if (io.want == TlsWant::kClosed) return absl::UnavailableError("closed by the collector");
    session->out_used += io.bytes;
    if (io.bytes == 0) {
      session->want_write = io.want == TlsWant::kWrite;
      return absl::OkStatus();
    }
  }
  session->out.clear();
  session->out_used = 0;
  return absl::OkStatus();
}

absl::Status Shipper::Receive(Session* session) {
  char buffer[16 << 10];
  for (;;) {
    ASSIGN_OR_RETURN(const TlsIo io, session->tls->Read(buffer, sizeof buffer));
    if (io.want == TlsWant::kClosed) return absl::UnavailableError("closed by the collector");
    if (io.bytes == 0) return absl::OkStatus();
    session->heard = Now();
    const uint64_t frames = session->uplink->frames();
    const uint64_t receipted = session->uplink->receipted();
    RETURN_IF_ERROR(session->uplink->OnBytes({buffer, io.bytes}, &session->out));
    const bool ended = session->uplink->frames() > frames || !session->uplink->partial();
    if (ended) session->frame_since = session->heard;
    if (session->uplink->receipted() == receipted) continue;
    session->owed_since = session->heard;
    backoff_.Reset();
  }
}

// A silent collector gets a KeepAlive, and is given up after three times that. DeadlineExceeded: it
// is one to leave for the next, whatever it did before.
absl::Status Shipper::CheckTimers(Session* session) {
  const absl::Time now = Now();
  const absl::Duration period = absl::Seconds(session->uplink->keep_alive_s());
  if (now - session->heard > 3 * period) {
    return absl::DeadlineExceededError("the collector has gone silent");
  }
  if (session->uplink->partial() && now - session->frame_since > options_.frame_within) {
    return absl::DeadlineExceededError("the collector sends a frame that does not end");
  }
  if (session->uplink->idle()) session->owed_since = now;
  const double owed_kib = static_cast<double>(session->uplink->owed_bytes()) / 1024;
  if (now - session->owed_since > options_.receipt_within + absl::Seconds(owed_kib)) {
    return absl::DeadlineExceededError("the collector takes what is sent and gives no receipt");
  }
  // A collector that fetches this log from its archive says that it lives meanwhile.
  if (!session->uplink->welcomed() && (now - session->heard > 2 * options_.connect_timeout ||
                                       now - session->started > 20 * options_.connect_timeout)) {
    return absl::DeadlineExceededError("no Welcome");
  }
  if (now - session->heard > period && now - session->pinged > period) {
    session->pinged = now;
    session->uplink->KeepAlive(&session->out);
  }
  return absl::OkStatus();
}

absl::Status Shipper::Wait(Session* session) {
  pollfd fds[3] = {
      {session->tls->fd(), POLLIN, 0}, {inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  if (session->want_write) fds[0].events |= POLLOUT;
  const bool throttled = limit_ != nullptr && limit_->spent();
  const absl::Duration wait = throttled ? absl::Milliseconds(20) : kPollAtLeast;
  const int n = ::poll(fds, 3, static_cast<int>(absl::ToInt64Milliseconds(wait)));
  if (n < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
  if (n == 0 && !throttled) changed_ = true;
  if (fds[1].revents != 0 || fds[2].revents != 0) DrainWakeups();
  return absl::OkStatus();
}

void Shipper::Measure(Session* session) {
  if (session->uplink->receipted() == session->receipted) return;
  session->receipted = session->uplink->receipted();
  if (!exposure_file_.valid()) return;
  const std::string line =
      exposure_.Line(source_->origin(), session->receipted, session->uplink->receipt_time_s());
  const absl::Status written =
      WriteAll(Io::Real(), exposure_file_.get(), line, options_.exposure_log);
  if (!written.ok()) {
    LogWarning("exposure log: ", written.message());
    exposure_file_.Reset();
  }
}

}  // namespace cairn::shipper
