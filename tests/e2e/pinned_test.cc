// cairnd killed under a numbered load, and replaced while it runs: with its rings pinned nothing
// is lost, nothing is recorded twice, and a clean stop leaves nothing behind.
#include <bpf/bpf.h>
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/fd.h"
#include "bpf/event_maps.h"
#include "tests/e2e/host.h"
#include "tests/e2e/numbered_load.h"
#include "tests/ledger/each_record.h"

namespace cairn {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct Counted {
  std::vector<int> times;  // by number: how often it is recorded
  uint64_t lost = 0;
  uint64_t limited = 0;
  int starts = 0, resumed = 0;
  std::vector<std::string> recoveries;  // what each says
  std::vector<std::string> tampering;
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
                absl::StrCat("schema: cairn.policy/v1\nmetadata: {name: e2e, serial: 1}\nrules:\n"
                             "  - {id: numbered, on: [file.open], when: 'file.path.startsWith(\"",
                             NumberedLoad::Prefix(), "\")'}\n"));
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
    ledger::ForEachRecord(host_.Path("log/1"), [&](const ledger::LoggedRecord& logged) {
      const Record& record = *logged.record;
      const auto number = NumberedLoad::NumberOf(record.file().path());
      if (number.has_value() && *number < made) ++counted.times[*number];
      if (record.loss().type() == FILE_OPEN) counted.lost += record.loss().count();
      if (record.type() == AGENT_LIMIT_STOP) counted.limited += record.limit().suppressed();
      if (record.has_recovery()) counted.recoveries.push_back(record.recovery().detail());
      if (record.type() == AGENT_TAMPER_ATTEMPT) {
        counted.tampering.push_back(record.notice().detail());
      }
      counted.starts += record.type() == AGENT_START;
      counted.resumed += record.type() == AGENT_START && record.agent().resumed();
    });
    return counted;
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

  static constexpr const char* kKept = "are in the pinned rings and follow";

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
  ASSERT_EQ(counted.recoveries.size(), 3u);
  for (const std::string& said : counted.recoveries) EXPECT_THAT(said, HasSubstr(kKept));
  EXPECT_TRUE(counted.tampering.empty()) << counted.tampering[0];
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
  ASSERT_EQ(counted.recoveries.size(), 1u);
  EXPECT_THAT(counted.recoveries[0], Not(HasSubstr(kKept)));
}

// Nor does what somebody took a ring from: capture goes on all the same.
TEST_F(PinnedTest, RingsThatAreNotWholeAreMadeAnew) {
  ASSERT_TRUE(host_.Start());
  EXPECT_TRUE(WIFSIGNALED(host_.cairnd().Stop(SIGKILL)));
  ASSERT_EQ(unlink((mount_ + "/pins/ring_1").c_str()), 0);
  ASSERT_TRUE(host_.Start());
  Host::Mark("after-a-ring-was-taken");
  usleep(300'000);
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  EXPECT_EQ(host_.ReadLog()["after-a-ring-was-taken"], 1);
  const Counted counted = Read(1);
  EXPECT_EQ(counted.resumed, 0);
  ASSERT_EQ(counted.recoveries.size(), 1u);
  EXPECT_THAT(counted.recoveries[0], Not(HasSubstr(kKept)));
}

// What was said to be kept is taken back when another cairnd has it by then.
TEST_F(PinnedTest, RingsThatAnotherTookAreSaidToBeGone) {
  ASSERT_TRUE(host_.Start());
  EXPECT_TRUE(WIFSIGNALED(host_.cairnd().Stop(SIGKILL)));
  Host other;
  ASSERT_TRUE(other.Prepare());
  Capture(other, "ring_bytes: 4194304");
  ASSERT_TRUE(other.Start());
  ASSERT_TRUE(host_.Start());
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  EXPECT_EQ(other.cairnd().Stop(SIGTERM), 0);
  const Counted counted = Read(1);
  EXPECT_EQ(counted.resumed, 0);
  ASSERT_EQ(counted.recoveries.size(), 2u);
  EXPECT_THAT(counted.recoveries[0], HasSubstr(kKept));
  EXPECT_THAT(counted.recoveries[1], HasSubstr("were not taken over"));
  EXPECT_THAT(counted.recoveries[1], HasSubstr("another cairnd has it"));
}

// Each is a record, and is undone: what comes after is captured as before.
TEST_F(PinnedTest, WhatIsUnpinnedDetachedOrRewrittenIsRecorded) {
  host_.Write("policy.d/10.yaml",
              "schema: cairn.policy/v1\nmetadata: {name: e2e, serial: 1}\nrules:\n"
              "  - {id: dns, on: [net.dns]}\n");
  ASSERT_TRUE(host_.Start());
  const std::string pins = mount_ + "/pins/";
  for (const char* name : {"link_process_exec_1", "counters", "ring_0"}) {
    ASSERT_EQ(unlink((pins + name).c_str()), 0) << name;
  }
  const Fd calls(bpf_obj_get((pins + "handlers").c_str()));
  const Fd filters(bpf_obj_get((pins + "filters").c_str()));
  const uint32_t call = CALL_EXECVE, zero = 0;
  ASSERT_EQ(bpf_map_delete_elem(calls.get(), &call), 0);
  event_filter filter = {};
  ASSERT_EQ(bpf_map_lookup_elem(filters.get(), &zero, &filter), 0);
  filter.wanted[0] = filter.wanted[1] = 0;
  ASSERT_EQ(bpf_map_update_elem(filters.get(), &zero, &filter, BPF_ANY), 0);
  const Fd verdicts(bpf_obj_get((pins + "verdicts").c_str()));
  const uint32_t nobody = 4'000'003;
  const event_verdict muted = {};
  ASSERT_EQ(bpf_map_update_elem(verdicts.get(), &nobody, &muted, BPF_ANY), 0);
  const Fd dns(bpf_obj_get((pins + "link_dns_out_1").c_str()));
  if (dns.valid()) {
    EXPECT_EQ(bpf_link_detach(dns.get()), 0);
  }

  sleep(3);
  Host::Mark("after-all-that");
  usleep(300'000);
  EXPECT_EQ(access((pins + "link_process_exec_1").c_str(), F_OK), 0);
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  EXPECT_EQ(Pins(), 0u);
  EXPECT_EQ(host_.ReadLog()["after-all-that"], 1);
  const Counted counted = Read(1);
  for (const char* what :
       {"link_process_exec_1 was unpinned; pinned again", "counters was unpinned; pinned again",
        "ring_0 was unpinned; pinned again", "call_exec) was deleted; put back",
        "wrote to the filter of our BPF programs; put back",
        "1 written, 0 deleted, first process 4000003; put back"}) {
    EXPECT_THAT(counted.tampering, Contains(HasSubstr(what)));
  }
  if (dns.valid()) {
    EXPECT_THAT(counted.tampering, Contains(HasSubstr("dns_out was detached")));
  }
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
