#include "collector/worker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/status.h"

namespace cairn::collector {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr int kReadsPerRound = 8;         // of one connection, so that none starves the others
constexpr size_t kMaxOutput = 256 << 10;  // a host that does not read its receipts is not read
constexpr absl::Duration kTick = absl::Milliseconds(250);

absl::Time PeerNotAfter(const TlsConnection& tls) {
  return tls.has_peer_certificate() ? absl::FromUnixSeconds(tls.PeerNotAfter())
                                    : absl::InfiniteFuture();
}

}  // namespace

Worker::Worker(WorkerOptions options, Core* core, Syncer* syncer, Syncer* opener,
               std::shared_ptr<TlsContext> tls, Fd listener)
    : options_(options),
      core_(core),
      syncer_(syncer),
      opener_(opener),
      listener_(std::move(listener)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      tls_(std::move(tls)),
      buffer_(kReadBytes, '\0') {}

Worker::~Worker() { Stop(); }

absl::Status Worker::Start() {
  for (const int fd : {listener_.get(), wake_.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      return ErrnoStatus(errno, "epoll");
  }
  thread_ = std::thread([this] { Loop(); });
  return absl::OkStatus();
}

void Worker::Renew(std::shared_ptr<TlsContext> tls) {
  {
    const absl::MutexLock lock(&mutex_);
    renewed_ = std::move(tls);
  }
  ::eventfd_write(wake_.get(), 1);
}

void Worker::Stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void Worker::Loop() {
  ticked_ = absl::Now();
  while (!stop_.load()) Round(static_cast<int>(absl::ToInt64Milliseconds(kTick)));
  DrainAll();
}

// Reads from whoever is ready, then has made durable what they brought: a receipt covers all that a
// host sent in a round, or in several while the disk is slow.
void Worker::Round(int timeout_ms) {
  std::array<epoll_event, 256> events;
  const int n =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  for (int i = 0; i < n; ++i) {
    const int fd = events[static_cast<size_t>(i)].data.fd;
    if (fd == listener_.get()) {
      AcceptAll();
    } else if (fd == wake_.get()) {
      TakeRequests();
    } else if (const auto found = connections_.find(fd); found != connections_.end()) {
      Serve(found->second.get());
      touched_.push_back(fd);
    }
  }
  if (absl::Now() - ticked_ > kTick) Tick();
  for (const int fd : touched_) {
    const auto found = connections_.find(fd);
    if (found == connections_.end()) continue;
    Connection* connection = found->second.get();
    StartWhatWaits(connection);
    Flush(connection);
    Watch(connection);
  }
  touched_.clear();
  for (const int fd : finished_) Close(fd);
  finished_.clear();
}

void Worker::AcceptAll() {
  for (;;) {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) LogWarning(ErrnoStatus(errno, "accept").message());
      return;
    }
    if (connections_.size() >= options_.max_connections) {
      LogWarning("connection from ", PeerAddress(socket.get()), " closed: ", connections_.size(),
                 " are open, the most allowed");
      continue;
    }
    const int fd = socket.get();
    auto connection = std::make_unique<Connection>();
    connection->id = ++newest_id_;
    connection->accepted = absl::Now();
    auto tls = TlsConnection::Accept(tls_, std::move(socket));
    if (!tls.ok()) {
      LogWarning("TLS: ", tls.status().message());
      continue;
    }
    connection->tls = *std::move(tls);
    connection->events = EPOLLIN;
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) continue;
    connections_[fd] = std::move(connection);
    ++core_->counters()->accepted;
    ++core_->counters()->sessions;
  }
}

void Worker::Serve(Connection* connection) {
  if (!connection->session.has_value() && !Shake(connection)) return;
  if (!connection->closing) ReadSome(connection);
}

// False: the handshake is not done.
bool Worker::Shake(Connection* connection) {
  const absl::StatusOr<TlsWant> want = connection->tls->Handshake();
  if (!want.ok()) {
    LogWarning("connection from ", PeerAddress(connection->tls->fd()),
               " refused: ", want.status().message());
    ++core_->counters()->refused;
    finished_.push_back(connection->tls->fd());
    connection->closing = true;
    return false;
  }
  if (*want != TlsWant::kNothing) {
    connection->events = *want == TlsWant::kWrite ? EPOLLOUT : EPOLLIN;
    return false;
  }
  connection->session.emplace(core_,
                              Peer{.address = PeerAddress(connection->tls->fd()),
                                   .uris = connection->tls->PeerUris(),
                                   .not_after = PeerNotAfter(*connection->tls),
                                   .enrolling = options_.enrolling},
                              /*opens_elsewhere=*/true);
  return true;
}

void Worker::ReadSome(Connection* connection) {
  for (int i = 0; i < kReadsPerRound; ++i) {
    connection->paused = connection->session->read_after() > absl::Now();
    if (connection->paused || connection->out.size() - connection->out_used > kMaxOutput) return;
    const absl::StatusOr<TlsIo> io = connection->tls->Read(buffer_.data(), buffer_.size());
    if (!io.ok() || io->want == TlsWant::kClosed) {
      finished_.push_back(connection->tls->fd());
      connection->closing = true;
      return;
    }
    if (io->bytes == 0) return;
    if (!connection->session->OnBytes({buffer_.data(), io->bytes}, &connection->out)) {
      connection->closing = true;
      return;
    }
  }
}

void Worker::Flush(Connection* connection) {
  const int fd = connection->tls->fd();
  while (connection->session.has_value() && connection->out_used < connection->out.size()) {
    const absl::StatusOr<TlsIo> io =
        connection->tls->Write(absl::string_view(connection->out).substr(connection->out_used));
    if (!io.ok() || io->want == TlsWant::kClosed) {
      finished_.push_back(fd);
      return;
    }
    if (io->bytes == 0) return;
    connection->out_used += io->bytes;
  }
  std::string().swap(connection->out);
  connection->out_used = 0;
  if (connection->closing) finished_.push_back(fd);
}

void Worker::Watch(Connection* connection) {
  if (!connection->session.has_value()) {
    epoll_event event{.events = connection->events, .data = {.fd = connection->tls->fd()}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection->tls->fd(), &event);
    return;
  }
  uint32_t events = connection->out.empty() ? 0u : uint32_t{EPOLLOUT};
  const bool stalled = connection->out.size() - connection->out_used > kMaxOutput;
  if (!connection->paused && !stalled && !connection->closing) events |= EPOLLIN;
  // OpenSSL may hold bytes that the socket will not announce again.
  const bool more = (events & EPOLLIN) != 0 && connection->tls->pending();
  if (more) {
    epoll_event event{.events = events | EPOLLOUT, .data = {.fd = connection->tls->fd()}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection->tls->fd(), &event);
    connection->events = event.events;
    return;
  }
  if (events == connection->events) return;
  connection->events = events;
  epoll_event event{.events = events, .data = {.fd = connection->tls->fd()}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection->tls->fd(), &event);
}

void Worker::Tick() {
  ticked_ = absl::Now();
  for (const auto& [fd, connection] : connections_) {
    if (!connection->session.has_value()) {
      if (ticked_ - connection->accepted > options_.handshake_within) {
        LogWarning("connection from ", PeerAddress(fd), " closed: no handshake");
        finished_.push_back(fd);
      }
      continue;
    }
    if (connection->paused && connection->session->read_after() <= ticked_) {
      connection->paused = false;
    }
    const bool alive = connection->session->OnTick(&connection->out);
    // One that is closing gets a tick's time or two to take its last words.
    if (!alive && (connection->closing || connection->out.empty())) finished_.push_back(fd);
    connection->closing = connection->closing || !alive;
    touched_.push_back(fd);
  }
}

void Worker::TakeRequests() {
  eventfd_t value = 0;
  ::eventfd_read(wake_.get(), &value);
  std::shared_ptr<TlsContext> renewed;
  std::vector<Done> done;
  {
    const absl::MutexLock lock(&mutex_);
    renewed = std::move(renewed_);
    done.swap(done_);
  }
  FinishAll(done);
  if (renewed != nullptr) TakeContext(std::move(renewed));
}

void Worker::DoElsewhere(Syncer* threads, bool urgent, const Connection& connection,
                         std::function<Finish()> work) {
  threads->Submit(urgent,
                  [this, fd = connection.tls->fd(), id = connection.id, work = std::move(work)] {
                    Finish finish = work();
                    {
                      const absl::MutexLock lock(&mutex_);
                      done_.push_back({fd, id, std::move(finish)});
                      if (done_.size() > 1) return;  // it was woken already
                    }
                    ::eventfd_write(wake_.get(), 1);
                  });
}

// The disk is waited for elsewhere; FinishAll goes on.
void Worker::StartWhatWaits(Connection* connection) {
  if (!connection->session.has_value() || connection->closing) return;
  if (std::shared_ptr<Opening> opening = connection->session->BeginOpening(); opening != nullptr) {
    DoElsewhere(opener_, false, *connection, [opening]() -> Finish {
      opening->Run();
      return [opening](Session* session, std::string* out) {
        return session->FinishOpening(opening.get(), out);
      };
    });
  }
  if (std::optional<DueReceipt> due = connection->session->BeginCommit(); due.has_value()) {
    const bool urgent = due->urgent();
    DoElsewhere(syncer_, urgent, *connection, [due = *std::move(due)]() mutable -> Finish {
      absl::Status synced = due.Sync();
      return
          [due = std::move(due), synced = std::move(synced)](Session* session, std::string* out) {
            return session->FinishCommit(due, synced, out);
          };
    });
  }
}

void Worker::FinishAll(const std::vector<Done>& done) {
  for (const Done& one : done) {
    const auto found = connections_.find(one.fd);
    if (found == connections_.end() || found->second->id != one.connection) continue;
    Connection* connection = found->second.get();
    const bool goes_on = one.finish(&*connection->session, &connection->out);
    connection->closing = connection->closing || !goes_on;
    touched_.push_back(one.fd);
  }
}

void Worker::TakeContext(std::shared_ptr<TlsContext> renewed) {
  tls_ = std::move(renewed);
  for (const auto& [fd, connection] : connections_) {
    if (!connection->session.has_value()) {
      finished_.push_back(fd);  // a handshake with the old one: it comes again
    } else if (!connection->tls->PeerTrustedBy(*tls_)) {
      connection->session->Distrust(&connection->out);
      connection->closing = true;
      touched_.push_back(fd);
    }
  }
}

void Worker::Close(int fd) {
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  found->second->tls->Close();
  connections_.erase(found);
  --core_->counters()->sessions;
}

void Worker::DrainAll() {
  for (const auto& [fd, connection] : connections_) {
    if (!connection->session.has_value()) continue;
    connection->session->Drain(&connection->out);
    Flush(connection.get());
    connection->tls->Close();
  }
  core_->counters()->sessions -= connections_.size();
  connections_.clear();
}

}  // namespace cairn::collector
