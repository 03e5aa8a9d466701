#include "base/agent_config.h"

#include <bitset>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/config_files.h"
#include "base/status.h"
#include "base/yaml.h"

namespace cairn {
namespace {

void Default(std::string* field, absl::string_view value) {
  if (field->empty()) *field = std::string(value);
}

// A part of an origin or of a file name.
bool IsName(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_') return false;
  }
  return !text.empty() && text.size() <= 200 && text[0] != '.';
}

absl::Status OneOf(absl::string_view key, absl::string_view value,
                   std::initializer_list<absl::string_view> allowed) {
  std::string names;
  for (const auto name : allowed) {
    if (value == name) return absl::OkStatus();
    absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  }
  return absl::InvalidArgumentError(absl::StrCat(key, ": '", value, "' is none of ", names));
}

absl::Status CheckPath(absl::string_view key, absl::string_view path) {
  if (absl::StartsWith(path, "/")) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(key, ": '", path, "' is not an absolute path"));
}

void FillDefaults(config::AgentConfig* config) {
  Default(config->mutable_deployment(), "default");
  Default(config->mutable_environment(), "production");
  Default(config->mutable_keys()->mutable_dir(), "/etc/cairn/keys");
  auto* log = config->mutable_log();
  Default(log->mutable_dir(), "/var/lib/cairn/log");
  if (log->segment_bytes() == 0) log->set_segment_bytes(64 << 20);
  if (log->segment_age_s() == 0) log->set_segment_age_s(600);
  if (log->commit_age_ms() == 0) log->set_commit_age_ms(50);
  if (log->checkpoint_age_ms() == 0) log->set_checkpoint_age_ms(250);
  if (log->keep_bytes() == 0) log->set_keep_bytes(uint64_t{8} << 30);
  if (log->min_free_bytes() == 0) log->set_min_free_bytes(256 << 20);
  if (log->reserve_bytes() == 0) log->set_reserve_bytes(32 << 20);
  auto* policy = config->mutable_policy();
  Default(policy->mutable_dir(), "/etc/cairn/policy.d");
  Default(policy->mutable_state_dir(), "/var/lib/cairn/policy");
  if (policy->signatures() == 0) policy->set_signatures(1);
  Default(policy->mutable_reload(), "auto");
  auto* capture = config->mutable_capture();
  Default(capture->mutable_audit(), "auto");
  Default(capture->mutable_backend(), "auto");
  if (capture->ring_bytes() == 0) capture->set_ring_bytes(1 << 20);
  Default(capture->mutable_state_dir(), "/var/lib/cairn/capture");
  if (capture->process_rate() == 0) capture->set_process_rate(10000);
  Default(config->mutable_control()->mutable_socket(), "/run/cairn/control.sock");
  if (config->receipts().wait_ms() == 0) config->mutable_receipts()->set_wait_ms(2000);
}

absl::Status Resolve(config::AgentConfig* config) {
  return Annotate(ResolveCredential(config->mutable_keys()->mutable_dir()), "keys.dir");
}

absl::Status CheckRecipients(const config::Log& log) {
  for (int i = 0; i < log.recipients_size(); ++i) {
    const std::string& key = log.recipients(i);
    if (key.size() == 64 && absl::HexStringToBytes(key).size() == 32 &&
        absl::BytesToHexString(absl::HexStringToBytes(key)) == absl::AsciiStrToLower(key)) {
      continue;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("log.recipients[", i, "]: not 64 hexadecimal digits"));
  }
  return absl::OkStatus();
}

absl::Status CheckCapture(const config::Capture& capture) {
  RETURN_IF_ERROR(OneOf("capture.audit", capture.audit(), {"auto", "unicast", "multicast", "off"}));
  RETURN_IF_ERROR(OneOf("capture.backend", capture.backend(), {"auto", "audit-only"}));
  const uint32_t ring = capture.ring_bytes();
  if (std::bitset<32>(ring).count() != 1 || ring < (64 << 10) || ring > (256 << 20)) {
    return absl::InvalidArgumentError(
        "capture.ring_bytes: not a power of two between 65536 and 268435456");
  }
  for (int i = 0; i < capture.env_size(); ++i) {
    const std::string& name = capture.env(i);
    if (!name.empty() && name.find('=') == std::string::npos && name.size() <= 128) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("capture.env[", i, "]: not the name of a variable"));
  }
  return CheckPath("capture.state_dir", capture.state_dir());
}

absl::Status Check(const config::AgentConfig& config) {
  if (!IsName(config.deployment())) {
    return absl::InvalidArgumentError(
        "deployment: only letters, digits, '.', '-' and '_' (it is part of the log's name)");
  }
  if (!IsName(config.environment())) {
    return absl::InvalidArgumentError("environment: only letters, digits, '.', '-' and '_'");
  }
  RETURN_IF_ERROR(CheckCapture(config.capture()));
  RETURN_IF_ERROR(OneOf("policy.reload", config.policy().reload(), {"auto", "manual"}));
  if (config.log().segment_bytes() < (1 << 20) || config.log().segment_bytes() > (64 << 20)) {
    return absl::InvalidArgumentError("log.segment_bytes: not between 1048576 and 67108864");
  }
  if (config.log().segment_age_s() > 600) {
    return absl::InvalidArgumentError("log.segment_age: above 10m");
  }
  if (config.log().keep_bytes() < 2 * config.log().segment_bytes()) {
    return absl::InvalidArgumentError("log.keep_bytes: below two segments (log.segment_bytes)");
  }
  if (config.receipts().wait_ms() > 30000) {
    return absl::InvalidArgumentError("receipts.wait: above 30s");
  }
  RETURN_IF_ERROR(CheckPath("keys.dir", config.keys().dir()));
  RETURN_IF_ERROR(CheckPath("log.dir", config.log().dir()));
  RETURN_IF_ERROR(CheckPath("policy.dir", config.policy().dir()));
  RETURN_IF_ERROR(CheckPath("policy.state_dir", config.policy().state_dir()));
  if (!config.capture().pin_dir().empty()) {
    RETURN_IF_ERROR(CheckPath("capture.pin_dir", config.capture().pin_dir()));
  }
  RETURN_IF_ERROR(CheckPath("control.socket", config.control().socket()));
  return CheckRecipients(config.log());
}

}  // namespace

config::AgentConfig DefaultAgentConfig() {
  config::AgentConfig config;
  FillDefaults(&config);
  return config;
}

absl::StatusOr<config::AgentConfig> ParseAgentConfig(absl::string_view text,
                                                     absl::string_view file) {
  config::AgentConfig config;
  RETURN_IF_ERROR(ParseYamlFile(text, file, &config));
  FillDefaults(&config);
  RETURN_IF_ERROR(Annotate(Check(config), file));
  return config;
}

absl::StatusOr<config::AgentConfig> LoadAgentConfig(const std::string& path) {
  config::AgentConfig config;
  RETURN_IF_ERROR(ReadConfigFiles(path, &config));
  FillDefaults(&config);
  RETURN_IF_ERROR(Annotate(Resolve(&config), path));
  RETURN_IF_ERROR(Annotate(Check(config), path));
  return config;
}

}  // namespace cairn
