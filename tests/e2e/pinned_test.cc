// cairnd killed under a numbered load, and replaced while it runs: with its rings pinned nothing
// is lost, nothing is recorded twice, and a clean stop leaves nothing behind.
#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "ledger/reader.h"
#include "tests/e2e/host.h"
#include "tests/e2e/numbered_load.h"

namespace cairn {
namespace {

struct Counted {
  std::vector<int> times;  // by number: how often it is recorded
  uint64_t lost = 0;
  uint64_t limited = 0;
  int starts = 0, resumed = 0;
};

class PinnedTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cairnd cannot load BPF programs";
    char dir[] = "/tmp/cairn-pins-XXXXXX";
    ASSERT_NE(mkdtemp(dir), nullptr);
    mount_ = dir;
    if (mount("bpf", dir, "bpf", 0, "mode=0700") != 0) GTEST_SKIP() << "SKIPPED: no mounts here";
    ASSERT_TRUE(host_.Prepare());
    Capture(host_, "ring_bytes: 4194304");
    host_.Write("policy.d/10.yaml",
                "schema: cairn.policy/v1\nmetadata: {name: e2e, serial: 1}\nrules:\n"
                "  - {id: numbered, on: [file.open], when: "
                "'file.path.startsWith(\"/cairn-numbered/\")'}\n");
  }
  void TearDown() override {
    host_.cairnd().Kill();
    if (mount_.empty()) return;
    Shell("rm -rf " + mount_ + "/pins");
    umount2(mount_.c_str(), MNT_DETACH);
    rmdir(mount_.c_str());
  }

  void Capture(const Host& host, const std::string& more) const {
    Shell(absl::StrCat(
        "sed -i 's,^capture: .*,capture: {audit: \"off\"\\, state_dir: ", host.Path("capture"),
        "\\, pin_dir: ", mount_, "/pins\\, ", more, "},' ", host.Path("agent.yaml")));
  }

  size_t Pins() const {
    size_t count = 0;
    DIR* dir = opendir((mount_ + "/pins").c_str());
    while (const dirent* entry = dir == nullptr ? nullptr : readdir(dir)) {
      count += entry->d_name[0] != '.';
    }
    if (dir != nullptr) closedir(dir);
    return count;
  }

  Counted Read(uint64_t made) {
    Counted counted;
    counted.times.resize(made);
    auto reader = ledger::LogReader::Open(host_.Path("log/1"));
    EXPECT_TRUE(reader.ok()) << reader.status();
    ledger::LoggedRecord logged;
    for (;;) {
      const auto end = (*reader)->Next(&logged);
      EXPECT_TRUE(end.ok()) << end.status();
      if (!end.ok() || *end != ledger::ReadEnd::kRecord) return counted;
      const Record& record = *logged.record;
      const auto number = NumberedLoad::NumberOf(record.file().path());
      if (number.has_value() && *number < made) ++counted.times[*number];
      if (record.loss().type() == FILE_OPEN) counted.lost += record.loss().count();
      if (record.type() == AGENT_LIMIT_STOP) counted.limited += record.limit().suppressed();
      counted.starts += record.type() == AGENT_START;
      counted.resumed += record.type() == AGENT_START && record.agent().resumed();
    }
  }

  // Everything; or, had a ring been full, not more missing than was declared, which may be of other
  // processes too. At each hand-over one act a cpu may stand twice (docs/capture.md).
  static void ExpectComplete(const Counted& counted) {
    uint64_t present = 0, doubled = 0;
    for (const int times : counted.times) {
      present += times > 0;
      doubled += times > 1 ? static_cast<uint64_t>(times - 1) : 0;
    }
    EXPECT_LE(doubled, static_cast<uint64_t>(counted.resumed) * sysconf(_SC_NPROCESSORS_CONF));
    EXPECT_GE(present + counted.lost + counted.limited, counted.times.size());
    if (counted.lost + counted.limited == 0) {
      EXPECT_EQ(present, counted.times.size());
    }
  }

  std::string mount_;
  Host host_;
};

TEST_F(PinnedTest, KilledAgainAndAgainUnderLoadItLosesNothing) {
  ASSERT_TRUE(host_.Start());
  const NumberedLoad load;
  for (int round = 0; round < 3; ++round) {
    usleep(400'000 + 37'000 * round);
    EXPECT_TRUE(WIFSIGNALED(host_.cairnd().Stop(SIGKILL)));
    usleep(300'000);  // the kernel goes on alone
    ASSERT_TRUE(host_.Start());
  }
  usleep(300'000);
  const uint64_t made = load.Stop();
  usleep(300'000);
  EXPECT_GT(Pins(), 10u);
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  EXPECT_EQ(Pins(), 0u);
  EXPECT_EQ(host_.Verify().verdict, ledger::Verdict::kOk);
  const Counted counted = Read(made);
  EXPECT_GT(made, 1000u);
  EXPECT_EQ(counted.starts, 4);
  EXPECT_EQ(counted.resumed, 3);
  ExpectComplete(counted);
}

TEST_F(PinnedTest, ReplacedByAnUpgradeItGoesOn) {
  ASSERT_TRUE(host_.Start());
  const NumberedLoad load;
  usleep(300'000);
  host_.Write("restart", "");
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  EXPECT_GT(Pins(), 10u);
  usleep(300'000);
  ASSERT_TRUE(host_.Start());
  usleep(300'000);
  const uint64_t made = load.Stop();
  usleep(300'000);
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  EXPECT_EQ(Pins(), 0u);
  const Counted counted = Read(made);
  EXPECT_EQ(counted.resumed, 1);
  ExpectComplete(counted);
}

// What does not fit this program is thrown away, and agent.start says that nothing was resumed.
TEST_F(PinnedTest, RingsOfAnotherSizeAreMadeAnew) {
  ASSERT_TRUE(host_.Start());
  EXPECT_TRUE(WIFSIGNALED(host_.cairnd().Stop(SIGKILL)));
  EXPECT_GT(Pins(), 10u);
  Capture(host_, "ring_bytes: 1048576");
  ASSERT_TRUE(host_.Start());
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  EXPECT_EQ(Pins(), 0u);
  const Counted counted = Read(1);
  EXPECT_EQ(counted.starts, 2);
  EXPECT_EQ(counted.resumed, 0);
}

TEST_F(PinnedTest, ASecondCairndKeepsItsHandsOff) {
  ASSERT_TRUE(host_.Start());
  Host other;
  ASSERT_TRUE(other.Prepare());
  Capture(other, "ring_bytes: 1048576");
  ASSERT_TRUE(other.Start());
  std::string status;
  EXPECT_EQ(other.Cairn("status -o json", &status), 0);
  EXPECT_NE(status.find("another cairnd has it"), std::string::npos) << status;
  EXPECT_EQ(other.cairnd().Stop(SIGTERM), 0);
  EXPECT_GT(Pins(), 10u);
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
}

}  // namespace
}  // namespace cairn
