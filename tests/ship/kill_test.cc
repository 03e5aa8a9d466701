// kill -9 of the real programs at random moments: nothing receipted is lost, nothing doubled.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "ledger/frame.h"
#include "tests/paths.h"
#include "tests/program.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

std::string Text(const ledger::Report& report) {
  std::string text = absl::StrCat("verdict ", static_cast<int>(report.verdict), "\n");
  for (const ledger::Finding& finding : report.findings) {
    absl::StrAppend(&text, finding.ToString(), "\n");
  }
  for (const std::string& note : report.notes) absl::StrAppend(&text, note, "\n");
  return text;
}

class KillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // A port that was free a moment ago.
    const auto socket = Listen({"127.0.0.1", "0"});
    ASSERT_TRUE(socket.ok());
    port_ = *ListeningPort(socket->get());
    std::string config = *ReadFile(site_.path("collector/collector.yaml"), 65536);
    const size_t at = config.find("0.0.0.0:7443");
    config.replace(at, 12, absl::StrCat("127.0.0.1:", port_));
    ledger::WriteAllTo(site_.path("collector.yaml"), config);
    const TlsFiles tls = site_.HostTls();
    ledger::WriteAllTo(
        site_.path("shipper.yaml"),
        absl::StrCat("log_dir: ", site_.host.dir(), "\ncollectors:\n  - address: \"",
                     "127.0.0.1:", port_, "\"\n    key: ", site_.CollectorKey().ToString(),
                     "\ntls:\n  certificate: ", tls.certificate, "\n  key: ", tls.key,
                     "\n  ca: ", tls.ca, "\nbackoff_max: 200ms\n"));
  }
  void StartCollector() {
    collector_.Start({ProgramPath("cairn-collectord"), "--config", site_.path("collector.yaml")},
                     site_.path("c.log"));
  }
  void StartShipper() {
    shipper_.Start({ProgramPath("cairn-shipper"), "--config", site_.path("shipper.yaml")},
                   site_.path("s.log"));
  }
  uint64_t Receipted() const {
    return ledger::VerifyLog(site_.host.dir(),
                             {.key = site_.host.key(), .collector_key = site_.CollectorKey()})
        .receipted;
  }
  bool WaitReceipted(uint64_t size, absl::Duration within) const {
    const absl::Time deadline = absl::Now() + within;
    while (absl::Now() < deadline) {
      if (Receipted() >= size) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  }
  std::string Logs() const {
    return ledger::ReadAll(site_.path("c.log")) + ledger::ReadAll(site_.path("s.log"));
  }

  Site site_;
  int port_ = 0;
  Program collector_;
  Program shipper_;
};

TEST_F(KillTest, EitherSideKilledAtRandomMomentsLosesNothingReceipted) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  site_.host.Open();
  StartCollector();
  StartShipper();
  uint64_t receipted = 0;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 5; ++i) site_.host.Append(200, /*urgent=*/i == 2);
    if (round % 4 == 3) site_.host.Rotate();
    absl::SleepFor(absl::Milliseconds(random() % 120));
    if (random() % 2 == 0) {
      collector_.Kill();
      // What was receipted is in the store now, whatever the moment was.
      const uint64_t now = Receipted();
      ASSERT_GE(now, receipted);
      receipted = now;
      if (receipted > 0) {
        const ledger::Report report = site_.VerifyStore();
        ASSERT_GE(report.through, receipted) << Text(report) << Logs();
        ASSERT_TRUE(site_.StoreMatches(false));
      }
      StartCollector();
    } else {
      shipper_.Kill();
      StartShipper();
    }
  }
  site_.host.Close();
  ASSERT_TRUE(WaitReceipted(site_.host.size(), absl::Seconds(30))) << Logs();
  EXPECT_TRUE(site_.StoreMatches(/*whole=*/true));
  const ledger::Report report = site_.VerifyStore();
  EXPECT_EQ(report.verdict, ledger::Verdict::kOk);
  EXPECT_EQ(report.through, site_.host.size());
}

// Resident bytes of `program`, now and at most, in MiB.
double Resident(const Program& program, const std::string& key) {
  std::ifstream status(absl::StrCat("/proc/", program.pid(), "/status"));
  std::string word;
  double kib = 0;
  while (status >> word) {
    if (word == key && status >> kib) return kib / 1024;
  }
  return 0;
}

// The segments of a day, one each ten minutes, wait on the disk and nowhere else.
TEST_F(KillTest, ACollectorThatIsAwayForADayCostsDiskOnly) {
  constexpr int kSegments = 144;
  constexpr int kRecords = 2000;
  site_.host.Open();
  site_.host.Append(kRecords);
  site_.host.Sync();
  StartShipper();
  absl::SleepFor(absl::Seconds(1));
  const double before = Resident(shipper_, "VmRSS:");
  ASSERT_GT(before, 0) << Logs();
  for (int i = 1; i < kSegments; ++i) {
    site_.host.Rotate();
    site_.host.Append(kRecords);
  }
  site_.host.Sync();
  absl::SleepFor(absl::Seconds(1));
  EXPECT_LT(Resident(shipper_, "VmHWM:"), before + 8) << "MiB";
  StartCollector();
  ASSERT_TRUE(WaitReceipted(site_.host.size(), absl::Seconds(60))) << Logs();
  EXPECT_LT(Resident(shipper_, "VmHWM:"), before + 16) << "MiB, with all of it on its way";
  site_.host.Close();
  ASSERT_TRUE(WaitReceipted(site_.host.size(), absl::Seconds(20))) << Logs();
  EXPECT_TRUE(site_.StoreMatches(/*whole=*/true));
  EXPECT_EQ(site_.VerifyStore().through, site_.host.size());
}

TEST_F(KillTest, TermDrainsAndHupReloads) {
  site_.host.Open();
  site_.host.Append(100);
  site_.host.Sync();
  StartCollector();
  StartShipper();
  ASSERT_TRUE(WaitReceipted(site_.host.size(), absl::Seconds(20))) << Logs();
  collector_.Signal(SIGHUP);
  site_.host.Append(100);
  site_.host.Sync();
  ASSERT_TRUE(WaitReceipted(site_.host.size(), absl::Seconds(20))) << Logs();
  EXPECT_NE(Logs().find("reloaded certificates"), std::string::npos);
  const std::string said = ledger::ReadAll(site_.path("s.log"));
  EXPECT_EQ(said.find("connected to"), said.rfind("connected to")) << "its session goes on\n"
                                                                   << said;
  shipper_.Signal(SIGTERM);
  EXPECT_EQ(shipper_.Wait(), 0);
  collector_.Signal(SIGTERM);
  EXPECT_EQ(collector_.Wait(), 0);
  EXPECT_EQ(site_.VerifyStore().through, site_.host.size());
}

TEST_F(KillTest, AConfigurationThatCannotBeUsedIsNamedAndExits6) {
  const std::string binary(5000, '\x01');
  for (const std::string& text : {std::string(), binary, std::string("listen: [1, 2"),
                                  std::string("deployment: x\nunknown: 1\n")}) {
    ledger::WriteAllTo(site_.path("bad.yaml"), text);
    for (const std::string& program :
         {ProgramPath("cairn-collectord"), ProgramPath("cairn-shipper")}) {
      Program bad;
      bad.Start({program, "--config", site_.path("bad.yaml")}, site_.path("bad.log"));
      EXPECT_EQ(WEXITSTATUS(bad.Wait()), 6);
    }
  }
  EXPECT_NE(ledger::ReadAll(site_.path("bad.log")).find("bad.yaml"), std::string::npos);
}

}  // namespace
}  // namespace cairn::ship
