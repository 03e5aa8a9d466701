#include "collector/run.h"

#include <signal.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/status.h"
#include "ledger/key.h"

namespace cairn::collector {
namespace {

constexpr timespec kWatchdogEvery{.tv_sec = 2, .tv_nsec = 0};

void Serve(Server* server, Core* core, const sigset_t& signals) {
  for (;;) {
    const int signal = ::sigtimedwait(&signals, nullptr, &kWatchdogEvery);
    if (signal == SIGTERM || signal == SIGINT) return;
    if (signal == SIGHUP) {
      Notify("RELOADING=1");
      const absl::Status reloaded = server->Reload();
      if (reloaded.ok()) LogInfo("reloaded certificates");
      if (!reloaded.ok()) LogError("reload: ", reloaded.message(), "; the old ones stay");
      Notify("READY=1");
    }
    core->CheckSilence();
    Notify("WATCHDOG=1");
  }
}

}  // namespace

absl::Status RunCollector(CollectorSetup setup) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ASSIGN_OR_RETURN(ledger::SigningKey key, ledger::SigningKey::Load(setup.signing_key));
  auto cosigner = std::make_unique<Cosigner>(setup.name, std::move(key));
  LogInfo("receipts by ", cosigner->key().ToString());
  ASSIGN_OR_RETURN(const std::unique_ptr<Core> core,
                   Core::Create(std::move(setup.core), std::move(cosigner)));
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server,
                   Server::Start(std::move(setup.server), core.get()));
  LogInfo("listening on port ", server->port());
  Notify("READY=1");
  Serve(server.get(), core.get(), signals);
  Notify("STOPPING=1");
  server->Stop();
  LogInfo("stopped; ", core->counters()->receipts.load(), " receipts given");
  return absl::OkStatus();
}

}  // namespace cairn::collector
