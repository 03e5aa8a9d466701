#include "collector/config.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/config_files.h"
#include "base/status.h"
#include "proto/config.pb.h"

namespace cairn::collector {
namespace {

std::string Or(const std::string& value, absl::string_view fallback) {
  return value.empty() ? std::string(fallback) : value;
}

absl::Status CheckPresent(const config::CollectorConfig& config, absl::string_view file) {
  const std::pair<absl::string_view, const std::string*> needed[] = {
      {"deployment", &config.deployment()},   {"name", &config.name()},
      {"signing_key", &config.signing_key()}, {"tls.certificate", &config.tls().certificate()},
      {"tls.key", &config.tls().key()},       {"tls.ca", &config.tls().ca()}};
  for (const auto& [key, value] : needed) {
    if (value->empty())
      return absl::InvalidArgumentError(absl::StrCat(file, ": ", key, " is missing"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CollectorSetup> LoadCollectorConfig(const std::string& file) {
  config::CollectorConfig config;
  RETURN_IF_ERROR(ReadConfigFiles(file, &config));
  RETURN_IF_ERROR(ResolveCredential(config.mutable_signing_key()));
  RETURN_IF_ERROR(ResolveCredential(config.mutable_tls()->mutable_key()));
  RETURN_IF_ERROR(CheckPresent(config, file));
  CollectorSetup setup;
  setup.name = config.name();
  setup.signing_key = config.signing_key();
  setup.core.deployment = config.deployment();
  setup.core.store = Or(config.store(), "/var/lib/cairn-collector/store");
  setup.core.hosts_dir = Or(config.hosts_dir(), "/etc/cairn-collector/hosts");
  setup.core.trust_on_first_use = config.trust_on_first_use();
  setup.core.host_bytes_per_second = config.host_bytes_per_second();
  setup.core.host_store_bytes = config.host_store_bytes();
  if (config.silence_after_s() > 0) {
    setup.core.silence_after = absl::Seconds(config.silence_after_s());
  }
  setup.core.webhook = config.webhook();
  setup.core.receipts_log = config.receipts_log();
  setup.core.alarms_log = Or(config.alarms_log(), setup.core.store + "/alarms.jsonl");
  const absl::StatusOr<HostPort> listen = HostPort::Parse(Or(config.listen(), "0.0.0.0:7443"));
  if (!listen.ok()) return Annotate(listen.status(), absl::StrCat(file, ": listen"));
  setup.server.listen = *listen;
  setup.server.tls = {config.tls().certificate(), config.tls().key(), config.tls().ca(),
                      config.tls().crl()};
  setup.metrics = {config.metrics().socket(), config.metrics().listen(), setup.server.tls};
  if (config.metrics().has_tls()) {
    const config::Tls& tls = config.metrics().tls();
    setup.metrics.tls = {tls.certificate(), tls.key(), tls.ca(), tls.crl()};
  }
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  setup.server.threads = config.threads() > 0 ? static_cast<int>(std::min(config.threads(), 64u))
                                              : std::clamp(cores, 1, 4);
  if (config.max_connections() > 0) {
    setup.server.max_connections = static_cast<int>(std::min(config.max_connections(), 1u << 20));
  }
  return setup;
}

}  // namespace cairn::collector
