#include "base/config_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>

#include "absl/strings/match.h"
#include "proto/config.pb.h"

namespace cairn {
namespace {

class ConfigFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cairn-config-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    ASSERT_EQ(::mkdir((dir_ + "/agent.d").c_str(), 0700), 0);
  }
  void TearDown() override {
    ASSERT_EQ(::system(("rm -r " + dir_).c_str()), 0);  // NOLINT: a path of our own
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
  }
  absl::Status Read() { return ReadConfigFiles(dir_ + "/agent.yaml", &config_); }

  std::string dir_;
  config::AgentConfig config_;
};

TEST_F(ConfigFilesTest, ALaterDropInReplacesWhatWasSaidAndLeavesTheRest) {
  Write("agent.yaml", "deployment: main\nlog: {dir: /a, segment_age: 5m}\n");
  Write("agent.d/20-b.yaml", "log: {segment_age: 3m}\n");
  Write("agent.d/10-a.yaml", "log: {segment_age: 4m}\nenvironment: staging\n");
  ASSERT_TRUE(Read().ok());
  EXPECT_EQ(config_.deployment(), "main");
  EXPECT_EQ(config_.environment(), "staging");
  EXPECT_EQ(config_.log().dir(), "/a");
  EXPECT_EQ(config_.log().segment_age_s(), 180u);
}

TEST_F(ConfigFilesTest, AListInADropInReplacesTheList) {
  Write("agent.yaml", "policy: {trusted_keys: [a, b]}\nreceipts: {collectors: [c]}\n");
  Write("agent.d/1.yaml", "policy: {trusted_keys: [d]}\n");
  ASSERT_TRUE(Read().ok());
  ASSERT_EQ(config_.policy().trusted_keys_size(), 1);
  EXPECT_EQ(config_.policy().trusted_keys(0), "d");
  EXPECT_EQ(config_.receipts().collectors_size(), 1);
}

TEST_F(ConfigFilesTest, ADropInCanSwitchOffAgain) {
  Write("agent.yaml", "policy: {require_signed: true}\n");
  Write("agent.d/1.yaml", "policy: {require_signed: false}\n");
  ASSERT_TRUE(Read().ok());
  EXPECT_FALSE(config_.policy().require_signed());
}

TEST_F(ConfigFilesTest, AnEmptyListInADropInEmptiesTheList) {
  Write("agent.yaml", "policy: {trusted_keys: [a, b]}\n");
  Write("agent.d/1.yaml", "policy: {trusted_keys: []}\n");
  ASSERT_TRUE(Read().ok());
  EXPECT_EQ(config_.policy().trusted_keys_size(), 0);
}

TEST_F(ConfigFilesTest, OnlyYamlFilesThatAreNotHiddenAreDropIns) {
  Write("agent.yaml", "deployment: main\n");
  Write("agent.d/.hidden.yaml", "deployment: x\n");
  Write("agent.d/old.yaml~", "deployment: y\n");
  Write("agent.d/README", "no yaml: [at all\n");
  ASSERT_TRUE(Read().ok());
  EXPECT_EQ(config_.deployment(), "main");
}

TEST_F(ConfigFilesTest, AnErrorNamesItsFileAndLine) {
  Write("agent.yaml", "deployment: main\n");
  Write("agent.d/1.yaml", "environment: x\nlogs: {}\n");
  const absl::Status status = Read();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), "agent.d/1.yaml:2:1")) << status;
}

TEST_F(ConfigFilesTest, ACredentialIsAFileThatSystemdGave) {
  ::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
  std::string path = "credential:host.key";
  EXPECT_TRUE(ResolveCredential(&path).ok());
  EXPECT_EQ(path, "/run/credentials/x/host.key");
  path = "credential:";
  EXPECT_TRUE(ResolveCredential(&path).ok());
  EXPECT_EQ(path, "/run/credentials/x");
  path = "/etc/cairn/host.key";
  EXPECT_TRUE(ResolveCredential(&path).ok());
  EXPECT_EQ(path, "/etc/cairn/host.key");
  path = "credential:../shadow";
  EXPECT_EQ(ResolveCredential(&path).code(), absl::StatusCode::kInvalidArgument);
  ::unsetenv("CREDENTIALS_DIRECTORY");
  path = "credential:host.key";
  EXPECT_EQ(ResolveCredential(&path).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cairn
