#include "agent/shipper/fleet.h"

#include <signal.h>
#include <unistd.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "agent/shipper/metrics.h"
#include "agent/shipper/renewal.h"
#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/status.h"
#include "ledger/format.h"

namespace cairn::shipper {
namespace {

constexpr size_t kMaxLogs = 16;
constexpr timespec kScanEvery{.tv_sec = 2, .tv_nsec = 0};

bool IsLog(const std::string& dir) {
  return ::access(absl::StrCat(dir, "/", ledger::kKeyFile).c_str(), R_OK) == 0;
}

}  // namespace

absl::Status Fleet::Scan() {
  if (IsLog(setup_.log_dir)) return Start(setup_.log_dir);
  const auto names = ListDirectory(setup_.log_dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string dir = absl::StrCat(setup_.log_dir, "/", name);
    if (name.front() != '.' && IsLog(dir)) RETURN_IF_ERROR(Start(dir));
  }
  return absl::OkStatus();
}

absl::Status Fleet::Start(const std::string& dir) {
  if (ships_.count(dir) != 0 || ships_.size() >= kMaxLogs) return absl::OkStatus();
  ShipperOptions options = setup_.options;
  options.log_dir = dir;
  ASSIGN_OR_RETURN(std::unique_ptr<Shipper> shipper, Shipper::Create(std::move(options)));
  Shipper* const raw = shipper.get();
  const absl::MutexLock lock(&mutex_);
  ships_[dir] = {std::move(shipper), std::thread([raw] {
                   const absl::Status status = raw->Run();
                   if (!status.ok()) LogError("ship: ", status.message());
                 })};
  return absl::OkStatus();
}

void Fleet::Reconnect() {
  for (auto& [dir, ship] : ships_) ship.shipper->Reconnect();
}

void Fleet::Stop() {
  for (auto& [dir, ship] : ships_) ship.shipper->Stop();
  for (auto& [dir, ship] : ships_) {
    if (ship.thread.joinable()) ship.thread.join();
  }
  const absl::MutexLock lock(&mutex_);
  ships_.clear();
}

std::map<std::string, absl::Duration> Fleet::Lags() {
  const absl::MutexLock lock(&mutex_);
  std::map<std::string, absl::Duration> lags;
  for (const auto& [dir, ship] : ships_) lags[dir] = ship.shipper->lag();
  return lags;
}

absl::Status RunShipper(ShipperSetup setup) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const std::string log_dir = setup.log_dir;
  const MetricsWhere where = setup.metrics;
  const std::string control_socket = setup.control_socket;
  std::optional<Renewal> renewal;
  if (setup.renew) renewal.emplace(setup.options.collectors, setup.options.tls);
  const bool ships = !setup.options.collectors.empty();
  std::unique_ptr<Copies> copies;
  if (setup.copies.has_value()) copies = std::make_unique<Copies>(*setup.copies);
  Fleet fleet(std::move(setup));
  ASSIGN_OR_RETURN(const std::unique_ptr<MetricsServer> metrics,
                   MetricsServer::Start(where, [&fleet, control_socket] {
                     return ShipperMetrics(control_socket, fleet.Lags());
                   }));
  Notify("READY=1");
  std::string last_error;
  for (;;) {
    const absl::Status scanned = ships ? fleet.Scan() : absl::OkStatus();
    if (!scanned.ok() && scanned.message() != last_error) {
      LogWarning("ship ", log_dir, ": ", scanned.message());
    }
    last_error = std::string(scanned.message());
    if (renewal.has_value()) {
      const absl::StatusOr<bool> renewed = renewal->Check(absl::Now());
      if (!renewed.ok()) LogWarning(renewed.status().message());
    }
    const int signal = ::sigtimedwait(&signals, nullptr, &kScanEvery);
    if (signal == SIGTERM || signal == SIGINT) break;
    if (signal == SIGHUP) fleet.Reconnect();
    Notify("WATCHDOG=1");
  }
  Notify("STOPPING=1");
  fleet.Stop();
  return absl::OkStatus();
}

}  // namespace cairn::shipper
