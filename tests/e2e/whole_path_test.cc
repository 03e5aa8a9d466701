// Agent, shipper and collector as processes, each killed at any moment.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/host.h"
#include "tests/paths.h"

namespace cairn {
namespace {

class WholePath : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cairnd cannot load BPF programs";
    const std::string collectord = ProgramPath("cairn-collectord") + " ";
    const std::string port = absl::StrCat(20000 + ::getpid() % 20000);
    const std::string address = "127.0.0.1:" + port;
    ASSERT_EQ(Shell(absl::StrCat(collectord, "init ", collector_dir_,
                                 " --deployment e2e --host 127.0.0.1 --listen ", address)),
              0);
    const std::string vkey = Text(collector_dir_ + "/collector.vkey");
    ASSERT_TRUE(host_.Prepare(absl::StrCat("receipts: {collectors: [\"", vkey, "\"]}\n")));
    uuid_ = Text(host_.Path("keys/host.uuid"));
    ASSERT_EQ(host_.Cairn("key show >" + collector_dir_ + "/hosts/" + uuid_ + ".vkey"), 0);
    ASSERT_EQ(Shell(absl::StrCat(collectord, "issue ", collector_dir_, " --deployment e2e --uuid ",
                                 uuid_, " --out ", host_.Path("tls"))),
              0);
    host_.Write("shipper.yaml",
                absl::StrCat("log_dir: ", host_.Path("log"), "\ncollectors:\n  - address: \"",
                             address, "\"\n    key: \"", vkey, "\"\ntls: {certificate: ",
                             host_.Path("tls/host.crt"), ", key: ", host_.Path("tls/host.key"),
                             ", ca: ", host_.Path("tls/ca.crt"), "}\nbackoff_max: 200ms\n"));
  }

  static std::string Text(const std::string& path) {
    return std::string(absl::StripAsciiWhitespace(ledger::ReadAll(path)));
  }
  void StartCollector() {
    collector_.Start(
        {ProgramPath("cairn-collectord"), "--config", collector_dir_ + "/collector.yaml"},
        host_.Path("collector.err"));
  }
  void StartShipper() {
    shipper_.Start({ProgramPath("cairn-shipper"), "--config", host_.Path("shipper.yaml")},
                   host_.Path("shipper.err"));
  }
  std::string Store() const { return collector_dir_ + "/store/e2e/" + uuid_ + "/1"; }
  std::string Messages() const {
    return ledger::ReadAll(host_.Path("collector.err")) +
           ledger::ReadAll(host_.Path("shipper.err"));
  }

  // Until the collector's copy is the host's, byte for byte.
  bool WaitForSameBytes() const {
    const std::string command =
        absl::StrCat("for s in ", host_.Path("log/1"), "/*.seg; do cmp -s $s ", Store(),
                     "/${s##*/} || exit 1; done");
    for (int i = 0; i < 600; ++i) {
      if (Shell(command) == 0) return true;
      ::usleep(100'000);
    }
    return false;
  }

  Host host_;
  ledger::TempDir site_;
  std::string collector_dir_ = site_.path() + "/collector";
  std::string uuid_;
  Program collector_;
  Program shipper_;
};

TEST_F(WholePath, AnyOfTheThreeKilledAtAnyMomentLosesNothingCommitted) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  StartCollector();
  ASSERT_TRUE(host_.Start());
  StartShipper();
  int agent_kills = 0;
  constexpr int kRounds = 9;
  for (int round = 0; round < kRounds; ++round) {
    Host::Mark(absl::StrCat("mark-", round));
    ::sleep(1);  // many times the 50 ms after which it is committed
    ::usleep(static_cast<useconds_t>(random() % 200'000));
    switch (round % 3) {  // each of them three times, at moments that differ
      case 0:
        collector_.Kill();
        StartCollector();
        break;
      case 1:
        shipper_.Kill();
        StartShipper();
        break;
      default:
        host_.cairnd().Kill();
        ++agent_kills;
        ASSERT_TRUE(host_.Start());
    }
  }
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  ASSERT_TRUE(WaitForSameBytes()) << Messages();
  EXPECT_EQ(host_.Verify().verdict, ledger::Verdict::kOk);
  const std::string vkey = collector_dir_ + "/hosts/" + uuid_ + ".vkey";
  std::string verdict;
  EXPECT_EQ(host_.Cairn(absl::StrCat("verify --key ", vkey, " ", Store()), &verdict), 0) << verdict;
  auto seen = host_.ReadLog();
  for (int round = 0; round < kRounds; ++round) {
    EXPECT_GE(seen[absl::StrCat("mark-", round)], 1) << round;
  }
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_RECOVERY)], agent_kills) << "each kill is said";
}

}  // namespace
}  // namespace cairn
