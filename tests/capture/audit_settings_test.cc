// The kernel's audit settings after a run that was killed.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "agent/capture/audit_source.h"
#include "gtest/gtest.h"
#include "tests/capture/kernel_audit.h"

namespace cairn::capture {
namespace {

class AuditSettingsTest : public ::testing::TestWithParam<AuditMode> {
 protected:
  void SetUp() override {
    if (!audit_.ok()) GTEST_SKIP() << "SKIPPED: kernel audit test: " << audit_.reason();
    char name[] = "/tmp/cairn-audit-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    // Else there is nothing to turn on. What was before is put back by audit_.
    ASSERT_TRUE(audit_.control()->SetEnabled(0).ok());
    const auto now = audit_.control()->Read();
    ASSERT_TRUE(now.ok());
    original_ = *now;
  }
  void TearDown() override {
    unlink(File().c_str());
    rmdir(dir_.c_str());
  }
  std::string File() const { return dir_ + "/" + AuditSettings::kName; }

  // As kill -9 would: nothing is put back.
  void RunAndDie(AuditMode mode) {
    const pid_t child = fork();
    if (child == 0) {
      auto source = AuditSource::Open({.mode = mode, .state_dir = dir_});
      _exit(source.ok() ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    const auto now = audit_.control()->Read();
    ASSERT_TRUE(now.ok());
    ASSERT_EQ(now->enabled, 1u);
  }
  void ExpectOriginal() {
    const auto now = audit_.control()->Read();
    ASSERT_TRUE(now.ok());
    EXPECT_EQ(now->enabled, original_.enabled);
    EXPECT_EQ(now->backlog_limit, original_.backlog_limit);
    EXPECT_EQ(now->backlog_wait_time, original_.backlog_wait_time);
    EXPECT_NE(access(File().c_str(), F_OK), 0) << "what is put back is forgotten";
  }

  KernelAudit audit_;
  AuditKernelState original_;
  std::string dir_;
};

TEST_P(AuditSettingsTest, TheNextCleanExitPutsTheOriginalBack) {
  RunAndDie(GetParam());
  RunAndDie(GetParam());
  {
    auto source = AuditSource::Open({.mode = GetParam(), .state_dir = dir_});
    ASSERT_TRUE(source.ok()) << source.status();
  }
  ExpectOriginal();
}

TEST_P(AuditSettingsTest, EvenWhenAuditIsNoLongerWanted) {
  RunAndDie(GetParam());
  ASSERT_TRUE(AuditSource::Open({.mode = AuditMode::kOff, .state_dir = dir_}).ok());
  ExpectOriginal();
}

TEST_P(AuditSettingsTest, WhatSomebodyElseChangedSinceIsTheirs) {
  RunAndDie(GetParam());
  ASSERT_TRUE(audit_.control()->SetBacklogLimit(12345).ok());
  {
    auto source = AuditSource::Open({.mode = GetParam(), .state_dir = dir_});
    ASSERT_TRUE(source.ok()) << source.status();
  }
  const auto now = audit_.control()->Read();
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->backlog_limit, 12345u);
  EXPECT_EQ(now->enabled, original_.enabled);
}

TEST_P(AuditSettingsTest, ADamagedNoteIsNotBelieved) {
  FILE* file = fopen(File().c_str(), "w");
  fputs("\xff\xff\xff no protobuf", file);
  fclose(file);
  auto source = AuditSource::Open({.mode = GetParam(), .state_dir = dir_});
  ASSERT_TRUE(source.ok()) << source.status();
  source->reset();
  ExpectOriginal();
}

INSTANTIATE_TEST_SUITE_P(Modes, AuditSettingsTest,
                         ::testing::Values(AuditMode::kUnicast, AuditMode::kMulticast),
                         [](const auto& one) {
                           return one.param == AuditMode::kUnicast ? "Unicast" : "Multicast";
                         });

}  // namespace
}  // namespace cairn::capture
