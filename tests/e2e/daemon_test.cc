// cairnd as a process: killed, fed with broken files, stopped; what `cairn` says afterwards.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "tests/e2e/host.h"
#include "tests/paths.h"

namespace cairn {
namespace {

class DaemonTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cairnd cannot load BPF programs";
    ASSERT_TRUE(host_.Prepare());
  }
  int Stop(int signal) { return host_.cairnd().Stop(signal); }

  Host host_;
};

TEST_F(DaemonTest, RecordsWhatHappensAndSealsWhenStopped) {
  ASSERT_TRUE(host_.Start());
  for (int i = 0; i < 20; ++i) Host::Mark(absl::StrCat("mark-", i));
  std::string status;
  EXPECT_EQ(host_.Cairn("status -o json", &status), 0);
  EXPECT_NE(status.find("\"policy_rung\":\"configured\""), std::string::npos) << status;
  EXPECT_EQ(Stop(SIGTERM), 0);
  const ledger::Report report = host_.Verify();
  EXPECT_EQ(report.verdict, ledger::Verdict::kOk);
  auto seen = host_.ReadLog();
  for (int i = 0; i < 20; ++i) EXPECT_GE(seen[absl::StrCat("mark-", i)], 1) << i;
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_STOP)], 1);
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_EPOCH_CLOSE)], 1);
}

TEST_F(DaemonTest, KilledAtAnyMomentItGoesOnAndKeepsWhatWasCommitted) {
  std::mt19937 random(7);  // the moments differ, the run is the same
  std::vector<std::string> committed;
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(host_.Start());
    const std::string mark = absl::StrCat("kept-", round);
    Host::Mark(mark);
    ::sleep(1);  // many times the 50 ms after which it is committed
    committed.push_back(mark);
    for (int i = 0; i < 5; ++i) Host::Mark(absl::StrCat("maybe-", round, "-", i));
    ::usleep(random() % 60'000);
    EXPECT_TRUE(WIFSIGNALED(Stop(SIGKILL)));
  }
  ASSERT_TRUE(host_.Start());
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_EQ(host_.Verify().verdict, ledger::Verdict::kOk);
  auto seen = host_.ReadLog();
  for (const std::string& mark : committed) EXPECT_GE(seen[mark], 1) << mark;
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_RECOVERY)], 4) << "each kill is said";
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_START)], 5);
}

TEST_F(DaemonTest, ABrokenPolicyNeitherStopsNorSilencesIt) {
  ASSERT_TRUE(host_.Start());
  const std::string broken[] = {"", "schema: [", std::string(1000, '\0'),
                                "schema: cairn.policy/v1\nrules: [{id: x, on: [nothing.at.all]}]\n",
                                std::string(5 << 20, 'x')};
  int number = 0;
  for (const std::string& text : broken) {
    host_.Write("policy.d/10.yaml", text);
    host_.cairnd().Signal(SIGHUP);
    ::usleep(300'000);
    Host::Mark(absl::StrCat("during-", number++));
  }
  ::sleep(1);
  std::string status;
  EXPECT_EQ(host_.Cairn("status -o json", &status), 0);
  EXPECT_EQ(status.find("\"policy_errors\":[]"), std::string::npos) << status;
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_EQ(host_.Verify().verdict, ledger::Verdict::kOk);
  auto seen = host_.ReadLog();
  for (int i = 0; i < number; ++i) EXPECT_GE(seen[absl::StrCat("during-", i)], 1) << i;
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_POLICY_REJECTED)], number);
}

TEST_F(DaemonTest, ASecondOneIsRefused) {
  ASSERT_TRUE(host_.Start());
  EXPECT_EQ(Shell(absl::StrCat(ProgramPath("cairnd"), " --config ", host_.Path("agent.yaml"),
                               " 2>/dev/null")),
            1);
  EXPECT_EQ(host_.Cairn("status >/dev/null"), 0) << "the first one goes on";
  EXPECT_EQ(Stop(SIGTERM), 0);
}

TEST_F(DaemonTest, ABadConfigurationHasItsOwnExitCode) {
  host_.Write("agent.yaml", "deploiment: x\n");
  EXPECT_EQ(Shell(absl::StrCat(ProgramPath("cairnd"), " --check-config --config ",
                               host_.Path("agent.yaml"), " 2>/dev/null")),
            6);
}

}  // namespace
}  // namespace cairn
