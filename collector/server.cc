#include "collector/server.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "collector/syncer.h"
#include "collector/worker.h"

namespace cairn::collector {
namespace {

constexpr size_t kMaxEnrolling = 64;
constexpr int kSyncThreads = 16;  // that wait for the disk
constexpr int kOpenThreads = 4;   // that read and verify the newest segment of a host that comes

// A socket and a segment file for each host.
void RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Core* core) {
  RaiseFileLimit();
  auto server = absl::WrapUnique(new Server(std::move(options)));
  server->syncer_ = std::make_unique<Syncer>(kSyncThreads);
  server->opener_ = std::make_unique<Syncer>(kOpenThreads + 1);
  RETURN_IF_ERROR(server->ListenForHosts(core, std::max(1, server->options_.threads)));
  if (server->options_.enrol.has_value()) RETURN_IF_ERROR(server->ListenForEnrolment(core));
  for (const auto& worker : server->workers_) RETURN_IF_ERROR(worker->Start());
  if (server->enrolment_ != nullptr) RETURN_IF_ERROR(server->enrolment_->Start());
  return server;
}

absl::Status Server::ListenForHosts(Core* core, int threads) {
  ASSIGN_OR_RETURN(const std::shared_ptr<TlsContext> tls, TlsContext::Server(options_.tls));
  HostPort where = options_.listen;
  for (int i = 0; i < threads; ++i) {
    ASSIGN_OR_RETURN(Fd listener, Listen(where, threads > 1));
    ASSIGN_OR_RETURN(port_, ListeningPort(listener.get()));
    where.port = absl::StrCat(port_);  // with port 0 the first one chose
    const WorkerOptions worker{
        .max_connections = static_cast<size_t>(std::max(1, options_.max_connections / threads)),
        .handshake_within = options_.handshake_within};
    workers_.push_back(std::make_unique<Worker>(worker, core, syncer_.get(), opener_.get(), tls,
                                                std::move(listener)));
  }
  return absl::OkStatus();
}

absl::Status Server::ListenForEnrolment(Core* core) {
  ASSIGN_OR_RETURN(const std::shared_ptr<TlsContext> tls,
                   TlsContext::Server(options_.tls, TlsContext::Clients::kMayBeUnknown));
  ASSIGN_OR_RETURN(Fd listener, Listen(*options_.enrol));
  ASSIGN_OR_RETURN(enrolment_port_, ListeningPort(listener.get()));
  const WorkerOptions worker{.max_connections = kMaxEnrolling,
                             .handshake_within = options_.handshake_within,
                             .enrolling = true};
  enrolment_ = std::make_unique<Worker>(worker, core, syncer_.get(), opener_.get(), tls,
                                        std::move(listener));
  return absl::OkStatus();
}

Server::Server(ServerOptions options) : options_(std::move(options)) {}

Server::~Server() { Stop(); }

absl::Status Server::Reload() {
  ASSIGN_OR_RETURN(const std::shared_ptr<TlsContext> tls, TlsContext::Server(options_.tls));
  for (const auto& worker : workers_) worker->Renew(tls);
  if (enrolment_ == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::shared_ptr<TlsContext> open,
                   TlsContext::Server(options_.tls, TlsContext::Clients::kMayBeUnknown));
  enrolment_->Renew(open);
  return absl::OkStatus();
}

void Server::Stop() {
  for (const auto& worker : workers_) worker->Stop();
  if (enrolment_ != nullptr) enrolment_->Stop();
}

}  // namespace cairn::collector
