#include "collector/config.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
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

absl::Duration Seconds(uint32_t seconds, absl::Duration fallback) {
  return seconds > 0 ? absl::Seconds(seconds) : fallback;
}

absl::Status Missing(absl::string_view file, absl::string_view key) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", key, " is missing"));
}

// Access key and secret key, a line each.
absl::Status LoadCredentials(const std::string& path, archive::S3Options* s3) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 4096));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipWhitespace());
  if (lines.size() != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not two lines, access key and secret key"));
  }
  s3->access_key = std::string(absl::StripAsciiWhitespace(lines[0]));
  s3->secret_key = std::string(absl::StripAsciiWhitespace(lines[1]));
  return absl::OkStatus();
}

absl::Status SetArchive(const config::CollectorConfig& config, absl::string_view file,
                        CoreOptions* core) {
  const bool after_archive = config.receipt_after() == "archive";
  if (!config.receipt_after().empty() && !after_archive && config.receipt_after() != "disk") {
    return absl::InvalidArgumentError(absl::StrCat(file, ": receipt_after is disk or archive"));
  }
  if (!config.has_s3()) return after_archive ? Missing(file, "s3") : absl::OkStatus();
  const config::CollectorConfig::S3& s3 = config.s3();
  if (s3.endpoint().empty()) return Missing(file, "s3.endpoint");
  if (s3.bucket().empty()) return Missing(file, "s3.bucket");
  if (s3.claims_bucket().empty()) return Missing(file, "s3.claims_bucket");
  if (s3.credentials().empty()) return Missing(file, "s3.credentials");
  ArchiverOptions archiver;
  archiver.archive.s3.endpoint = std::string(absl::StripSuffix(s3.endpoint(), "/"));
  archiver.archive.s3.region = Or(s3.region(), "us-east-1");
  archiver.archive.s3.ca = s3.ca();
  RETURN_IF_ERROR(LoadCredentials(s3.credentials(), &archiver.archive.s3));
  archiver.archive.bucket = s3.bucket();
  archiver.archive.claims_bucket = s3.claims_bucket();
  archiver.archive.retain = Seconds(s3.retain_s(), archiver.archive.retain);
  archiver.keep_local = absl::Seconds(config.retention().keep_at_least_s());
  core->archiver = std::move(archiver);
  core->receipt_after_archive = after_archive;
  return absl::OkStatus();
}

absl::Status SetEnrolment(const config::CollectorConfig& config, absl::string_view file,
                          CollectorSetup* setup) {
  // Renewal comes in where hosts ship to, so it needs no listener.
  if (!config.has_enrolment()) return absl::OkStatus();
  const config::CollectorConfig::Enrolment& given = config.enrolment();
  EnrolmentOptions options{
      .deployment = config.deployment(),
      .tokens_dir = Or(given.tokens_dir(), "/etc/cairn-collector/tokens"),
      .ca = config.tls().ca(),
      .ca_key = given.ca_key(),
  };
  options.certificate_age = Seconds(given.certificate_age_s(), options.certificate_age);
  // Any port (0) is known to nobody yet.
  if (!absl::SimpleAtoi(setup->server.listen.port, &options.ship_port)) options.ship_port = 0;
  setup->core.enrolment = std::move(options);
  if (given.listen().empty()) return absl::OkStatus();
  absl::StatusOr<HostPort> listen = HostPort::Parse(given.listen());
  if (!listen.ok()) return Annotate(listen.status(), absl::StrCat(file, ": enrolment.listen"));
  setup->server.enrol = *std::move(listen);
  return absl::OkStatus();
}

absl::Status SetRetention(const config::CollectorConfig::Retention& given, absl::string_view file,
                          RetentionOptions* options) {
  options->keep_at_least = absl::Seconds(given.keep_at_least_s());
  options->keep_at_most = Seconds(given.keep_at_most_s(), options->keep_at_most);
  options->max_bytes = given.max_bytes();
  if (options->keep_at_least <= options->keep_at_most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(file, ": retention: keep_at_least is more than keep_at_most"));
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
  RETURN_IF_ERROR(SetArchive(config, file, &setup.core));
  RETURN_IF_ERROR(SetEnrolment(config, file, &setup));
  RETURN_IF_ERROR(SetRetention(config.retention(), file, &setup.core.retention));
  if (config.max_connections() > 0) {
    setup.server.max_connections = static_cast<int>(std::min(config.max_connections(), 1u << 20));
  }
  return setup;
}

}  // namespace cairn::collector
