#include "agent/shipper/config.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/config_files.h"
#include "base/status.h"
#include "ledger/note.h"
#include "proto/config.pb.h"

namespace cairn::shipper {
namespace {

constexpr char kCopiesState[] = "/var/lib/cairn-shipper/copied";

absl::StatusOr<CollectorAddress> ToAddress(const config::ShipperConfig::Collector& collector) {
  CollectorAddress address;
  ASSIGN_OR_RETURN(address.where, HostPort::Parse(collector.address()));
  if (!collector.key().empty()) {
    ASSIGN_OR_RETURN(const ledger::VerifierKey key, ledger::VerifierKey::Parse(collector.key()));
    if (key.type != ledger::SignatureType::kCosignature) {
      return absl::InvalidArgumentError("key: not a receipt key (type 0x04)");
    }
    address.key = collector.key();
  }
  if (!collector.spki_sha256().empty()) {
    address.spki_sha256 = absl::HexStringToBytes(collector.spki_sha256());
    if (collector.spki_sha256().size() != 64 ||
        absl::BytesToHexString(address.spki_sha256) != collector.spki_sha256()) {
      return absl::InvalidArgumentError("spki_sha256: not 64 lower-case hexadecimal digits");
    }
  }
  return address;
}

absl::StatusOr<CopyOptions> ToCopies(const config::ShipperConfig::Copies& given,
                                     const std::string& log_dir) {
  CopyOptions copies{.log_dir = log_dir,
                     .rules = {given.rules().begin(), given.rules().end()},
                     .journal = given.journal(),
                     .state = given.state().empty() ? kCopiesState : given.state()};
  if (copies.rules.empty()) return absl::InvalidArgumentError("rules is missing");
  if (!given.journal() && given.syslog().empty()) {
    return absl::InvalidArgumentError("neither journal nor syslog is given");
  }
  if (!given.syslog().empty()) {
    ASSIGN_OR_RETURN(copies.syslog, SyslogAddress::Parse(given.syslog()));
  }
  if (copies.state.front() != '/') return absl::InvalidArgumentError("state is no absolute path");
  return copies;
}

}  // namespace

absl::StatusOr<ShipperSetup> LoadShipperConfig(const std::string& file) {
  config::ShipperConfig config;
  RETURN_IF_ERROR(ReadConfigFiles(file, &config));
  RETURN_IF_ERROR(ResolveCredential(config.mutable_tls()->mutable_key()));
  const auto missing = [&](absl::string_view key) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", key, " is missing"));
  };
  const bool ships = !config.collectors().empty();
  if (!ships && !config.has_copies()) return missing("collectors");
  if (ships && config.tls().certificate().empty()) return missing("tls.certificate");
  if (ships && config.tls().key().empty()) return missing("tls.key");
  if (ships && config.tls().ca().empty()) return missing("tls.ca");
  ShipperSetup setup;
  setup.log_dir = config.log_dir().empty() ? "/var/lib/cairn/log" : config.log_dir();
  if (config.has_copies()) {
    absl::StatusOr<CopyOptions> copies = ToCopies(config.copies(), setup.log_dir);
    if (!copies.ok()) return Annotate(copies.status(), absl::StrCat(file, ": copies"));
    setup.copies = *std::move(copies);
  }
  ShipperOptions& options = setup.options;
  for (int i = 0; i < config.collectors_size(); ++i) {
    absl::StatusOr<CollectorAddress> address = ToAddress(config.collectors(i));
    if (!address.ok()) {
      return Annotate(address.status(), absl::StrCat(file, ": collectors[", i, "]"));
    }
    options.collectors.push_back(*std::move(address));
  }
  options.tls = {config.tls().certificate(), config.tls().key(), config.tls().ca(),
                 config.tls().crl()};
  setup.metrics = {config.metrics().socket(), config.metrics().listen(), options.tls};
  if (config.metrics().has_tls()) {
    const config::Tls& tls = config.metrics().tls();
    setup.metrics.tls = {tls.certificate(), tls.key(), tls.ca(), tls.crl()};
  }
  setup.control_socket =
      config.control_socket().empty() ? "/run/cairn/control.sock" : config.control_socket();
  options.bytes_per_second = config.bytes_per_second();
  options.compress = !config.no_compression();
  options.exposure_log = config.exposure_log();
  setup.renew = ships && !config.no_renewal();
  if (config.connect_timeout_ms() > 0) {
    options.connect_timeout = absl::Milliseconds(config.connect_timeout_ms());
  }
  if (config.backoff_max_ms() > 0) {
    options.backoff_max = absl::Milliseconds(config.backoff_max_ms());
  }
  return setup;
}

}  // namespace cairn::shipper
