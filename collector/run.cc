#include "collector/run.h"

#include <signal.h>

#include "base/log.h"
#include "base/metrics_server.h"
#include "base/notify.h"
#include "base/status.h"
#include "ledger/key.h"

namespace cairn::collector {
namespace {

constexpr timespec kWatchdogEvery{.tv_sec = 2, .tv_nsec = 0};
constexpr absl::Duration kRetainEvery = absl::Minutes(1);

void Serve(Server* server, Core* core, const sigset_t& signals) {
  absl::Time retain = absl::Now();
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
    if (absl::Now() >= retain) {
      core->Retain();
      retain = absl::Now() + kRetainEvery;
    }
    Notify("WATCHDOG=1");
  }
}

}  // namespace

std::string CollectorMetrics(const Counters& counters) {
  PrometheusText text;
  text.Gauge("cairn_collector_sessions", "Hosts that ship now",
             static_cast<double>(counters.sessions.load()));
  text.Counter("cairn_collector_connections_total", "Connections taken", counters.accepted.load());
  text.Counter("cairn_collector_refused_total", "Sessions that ended in a refusal",
               counters.refused.load());
  text.Counter("cairn_collector_alarms_total", "Alarms raised", counters.alarms.load());
  text.Counter("cairn_collector_receipts_total", "Receipts given", counters.receipts.load());
  text.Counter("cairn_collector_records_total", "Records receipted", counters.records.load());
  text.Counter("cairn_collector_stored_bytes_total", "Bytes verified and stored",
               counters.bytes.load());
  return text.text();
}

absl::Status RunCollector(CollectorSetup setup) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const MetricsWhere where = setup.metrics;
  ASSIGN_OR_RETURN(ledger::SigningKey key, ledger::SigningKey::Load(setup.signing_key));
  auto cosigner = std::make_unique<Cosigner>(setup.name, std::move(key));
  LogInfo("receipts by ", cosigner->key().ToString());
  ASSIGN_OR_RETURN(const std::unique_ptr<Core> core,
                   Core::Create(std::move(setup.core), std::move(cosigner)));
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server,
                   Server::Start(std::move(setup.server), core.get()));
  ASSIGN_OR_RETURN(const std::unique_ptr<MetricsServer> metrics,
                   MetricsServer::Start(
                       where, [core = core.get()] { return CollectorMetrics(*core->counters()); }));
  LogInfo("listening on port ", server->port());
  if (server->enrolment_port() > 0) LogInfo("hosts enrol on port ", server->enrolment_port());
  Notify("READY=1");
  Serve(server.get(), core.get(), signals);
  Notify("STOPPING=1");
  server->Stop();
  LogInfo("stopped; ", core->counters()->receipts.load(), " receipts given");
  return absl::OkStatus();
}

}  // namespace cairn::collector
