#include "agent/last_config.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/agent_config.h"
#include "base/io.h"

namespace cairn::agent {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr char kName[] = "agent.config";  // AgentConfig, as protobuf has it on the wire

}  // namespace

absl::StatusOr<Configuration> LoadConfiguration(const std::string& path) {
  Configuration configuration;
  auto config = LoadAgentConfig(path);
  if (config.ok()) {
    configuration.config = *std::move(config);
    return configuration;
  }
  const char* state = std::getenv("STATE_DIRECTORY");
  if (state == nullptr) return config.status();
  const auto kept = ReadFile(absl::StrCat(state, "/", kName), kMaxBytes);
  if (!kept.ok() || !configuration.config.ParseFromString(*kept)) return config.status();
  configuration.error = std::string(config.status().message());
  return configuration;
}

absl::Status SaveLastConfig(const config::AgentConfig& config) {
  const char* state = std::getenv("STATE_DIRECTORY");
  if (state == nullptr) return absl::OkStatus();
  return WriteFileDurably(Io::Real(), state, kName, config.SerializeAsString(), 0600);
}

}  // namespace cairn::agent
