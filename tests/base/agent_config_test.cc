#include "base/agent_config.h"

#include <gtest/gtest.h>

#include "base/host.h"
#include "base/io.h"
#include "tests/paths.h"

namespace cairn {
namespace {

TEST(AgentConfig, TheShippedFileSaysTheDefaults) {
  const auto shipped = LoadAgentConfig(SourcePath("config/agent.yaml"));
  ASSERT_TRUE(shipped.ok()) << shipped.status();
  config::AgentConfig expected = DefaultAgentConfig();
  EXPECT_EQ(shipped->DebugString(), expected.DebugString());
}

TEST(AgentConfig, DurationsAndSizesAreRead) {
  const auto config = ParseAgentConfig(
      "deployment: acme\nlog: {segment_age: 5m, commit_age: 20ms}\n"
      "receipts: {wait: 1s}\n",
      "agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->log().segment_age_s(), 300u);
  EXPECT_EQ(config->log().commit_age_ms(), 20u);
  EXPECT_EQ(config->receipts().wait_ms(), 1000u);
  EXPECT_EQ(config->log().dir(), "/var/lib/cairn/log");
}

TEST(AgentConfig, WrongFilesNameTheKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"deployment: a/b\n", "deployment"},
      {"environment: 'two words'\n", "environment"},
      {"capture: {audit: sometimes}\n", "capture.audit"},
      {"capture: {ring_bytes: 1000000}\n", "capture.ring_bytes"},
      {"capture: {env: [A, B=1]}\n", "capture.env[1]"},
      {"log: {dir: var/log}\n", "log.dir"},
      {"log: {segment_bytes: 5}\n", "log.segment_bytes"},
      {"log: {recipients: [abc]}\n", "log.recipients[0]"},
      {"log: {segment_age: 1h}\n", "log.segment_age"},
      {"loq: {}\n", "unknown key 'loq'"},
      {"log: {dir: /a, dir: /b}\n", "agent.yaml:1:"},
  };
  for (const auto& [text, wanted] : cases) {
    const auto config = ParseAgentConfig(text, "agent.yaml");
    EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << text;
    EXPECT_NE(std::string(config.status().message()).find(wanted), std::string::npos)
        << text << config.status();
  }
}

TEST(Host, AUuidIsVersion4AndRecognised) {
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = MakeUuid();
    EXPECT_TRUE(IsUuid(uuid)) << uuid;
    EXPECT_EQ(uuid[14], '4');
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
  }
  EXPECT_FALSE(IsUuid("6F1C2A1E-0000-4000-8000-000000000001"));
  EXPECT_FALSE(IsUuid("6f1c2a1e-0000-4000-8000-00000000000"));
  EXPECT_FALSE(IsUuid("6f1c2a1e00000-4000-8000-000000000001"));
}

}  // namespace
}  // namespace cairn
