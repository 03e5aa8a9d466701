// A machine that wakes up: the sleep is a record, and a new epoch begins, whose keys owe nothing to
// those that were in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/e2e/host.h"
#include "tests/ledger/each_record.h"
#include "tests/paths.h"

namespace cairn {
namespace {

TEST(Suspend, IsRecordedAndBeginsANewEpoch) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cairnd cannot load BPF programs";
  Host host;
  ASSERT_TRUE(host.Prepare());
  setenv("LD_PRELOAD", ProgramPath("libslept.so").c_str(), 1);
  setenv("CAIRN_SLEPT", host.Path("slept").c_str(), 1);
  const bool started = host.Start();
  unsetenv("LD_PRELOAD");
  ASSERT_TRUE(started);
  Host::Mark("before-the-sleep");
  sleep(1);
  host.Write("slept", "");
  sleep(2);
  Host::Mark("after-the-sleep");
  usleep(500'000);
  EXPECT_EQ(host.cairnd().Stop(SIGTERM), 0);
  const ledger::Report report = host.Verify();
  EXPECT_EQ(report.verdict, ledger::Verdict::kOk);
  EXPECT_EQ(report.segments, 2u);

  std::vector<std::string> told;
  uint64_t epoch = 0;
  ledger::ForEachRecord(host.Path("log/1"), [&](const ledger::LoggedRecord& logged) {
    if (logged.record->type() != AGENT_SUSPEND) return;
    told.push_back(logged.record->notice().detail());
    epoch = logged.epoch;
  });
  // A minute, but for the moment between the two clocks' readings.
  EXPECT_THAT(told, testing::ElementsAre(testing::ContainsRegex("suspended for (59|60) s")));
  EXPECT_EQ(epoch, 0u) << "the record of it is the last but one of the old epoch";
  auto log = host.ReadLog();
  EXPECT_EQ(log["before-the-sleep"], 1);
  EXPECT_EQ(log["after-the-sleep"], 1);
}

}  // namespace
}  // namespace cairn
