// An act of our own that does not come back raises agent.tamper_attempt.
#include <bpf/bpf.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/capture/capture.h"
#include "bpf/event.h"
#include "gtest/gtest.h"
#include "tests/capture/kernel_audit.h"
#include "tests/capture/own_objects.h"

namespace cairn::capture {
namespace {

class CanaryTest : public ::testing::Test {
 protected:
  void Start(AuditMode audit) {
    CaptureOptions options;
    options.audit = audit;
    auto started = Capture::Start(options);
    ASSERT_TRUE(started.ok()) << started.status();
    capture_ = *std::move(started);
    policy::Wanted wanted;
    wanted.types.set();
    ASSERT_TRUE(capture_->SetWanted(wanted).ok());
  }

  // Drains for a while; what was said of tampering.
  std::vector<std::string> Alarms() {
    std::vector<std::string> alarms;
    for (int i = 0; i < 60; ++i) {
      usleep(10'000);
      capture_->Drain([&](const Captured& captured) {
        if (captured.record->type() == AGENT_TAMPER_ATTEMPT) {
          alarms.push_back(captured.record->notice().detail());
        }
        if (captured.record->type() == CRED_CAPSET && captured.subject != nullptr) {
          EXPECT_NE(captured.subject->process.pid(), static_cast<uint32_t>(getpid()))
              << "the canary itself is nobody's business";
        }
      });
      capture_->Settle();
    }
    return alarms;
  }
  std::string Beat() {
    Heartbeat heartbeat;
    capture_->FillHeartbeat(&heartbeat);
    EXPECT_EQ(heartbeat.canary(), capture_->canary());
    return heartbeat.canary();
  }

  std::unique_ptr<Capture> capture_;
};

TEST_F(CanaryTest, WhatIsSeenIsSaidAndWhatStaysAwayRaisesAnAlarmOnce) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  Start(AuditMode::kOff);
  EXPECT_EQ(Beat(), "bpf not tried, audit not tried");
  EXPECT_TRUE(Alarms().empty());
  EXPECT_EQ(Beat(), "bpf seen, audit not tried");
  EXPECT_TRUE(Alarms().empty());

  // The table is put back within a second; the act in between is gone.
  const uint32_t call = CALL_CAPSET;
  ASSERT_EQ(bpf_map_delete_elem(OwnMap("handlers"), &call), 0);
  EXPECT_EQ(Beat(), "bpf seen, audit not tried");
  for (int i = 0; i < 2; ++i) {
    if (!Alarms().empty()) break;
  }
  EXPECT_EQ(Beat(), "bpf missing, audit not tried");
  const auto alarms = Alarms();
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0], "an act of our own was not seen through bpf");
  EXPECT_EQ(Beat(), "bpf seen, audit not tried");
}

TEST_F(CanaryTest, ThroughAuditToo) {
  KernelAudit audit;
  if (!audit.ok()) GTEST_SKIP() << "NOT TESTED: kernel audit: " << audit.reason();
  Start(AuditMode::kUnicast);
  Beat();
  EXPECT_TRUE(Alarms().empty());
  EXPECT_EQ(Beat(), "bpf seen, audit seen");
  Alarms();
  ASSERT_TRUE(audit.control()->SetEnabled(0).ok());
  Beat();
  Alarms();
  EXPECT_EQ(Beat(), "bpf seen, audit missing");
  const auto alarms = Alarms();
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0], "an act of our own was not seen through audit");
}

}  // namespace
}  // namespace cairn::capture
