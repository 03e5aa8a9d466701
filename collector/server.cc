#include "collector/server.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "collector/worker.h"

namespace cairn::collector {
namespace {

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
  ASSIGN_OR_RETURN(const std::shared_ptr<TlsContext> tls, TlsContext::Server(server->options_.tls));
  const int threads = std::max(1, server->options_.threads);
  HostPort where = server->options_.listen;
  for (int i = 0; i < threads; ++i) {
    ASSIGN_OR_RETURN(Fd listener, Listen(where, threads > 1));
    ASSIGN_OR_RETURN(server->port_, ListeningPort(listener.get()));
    where.port = absl::StrCat(server->port_);  // with port 0 the first one chose
    const WorkerOptions worker{.max_connections = static_cast<size_t>(
                                   std::max(1, server->options_.max_connections / threads)),
                               .handshake_within = server->options_.handshake_within};
    server->workers_.push_back(std::make_unique<Worker>(worker, core, tls, std::move(listener)));
  }
  for (const auto& worker : server->workers_) RETURN_IF_ERROR(worker->Start());
  return server;
}

Server::Server(ServerOptions options) : options_(std::move(options)) {}

Server::~Server() { Stop(); }

absl::Status Server::Reload() {
  ASSIGN_OR_RETURN(const std::shared_ptr<TlsContext> tls, TlsContext::Server(options_.tls));
  for (const auto& worker : workers_) worker->Renew(tls);
  return absl::OkStatus();
}

void Server::Stop() {
  for (const auto& worker : workers_) worker->Stop();
}

}  // namespace cairn::collector
