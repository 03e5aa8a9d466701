// cairnd as a process: killed, fed with broken files, stopped; what `cairn` says afterwards.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "ledger/key.h"
#include "ledger/note.h"
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

TEST_F(DaemonTest, NobodyComesBeforeItOnABusyMachine) {
  ASSERT_TRUE(host_.Start());
  EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(host_.cairnd().pid())), -20);
}

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

// Acts go on while the key changes: each stands in one incarnation or the other, and whoever
// pinned the old key believes both.
TEST_F(DaemonTest, TheKeyRotatesUnderARunningOne) {
  ASSERT_TRUE(host_.Start());
  std::string old_vkey;
  ASSERT_EQ(host_.Cairn("key show", &old_vkey), 0);
  constexpr int kActs = 100;
  std::thread acts([] {
    for (int i = 0; i < kActs; ++i) Host::Mark(absl::StrCat("act-", i));
  });
  std::string new_vkey;
  const int rotated = host_.Cairn("key rotate", &new_vkey);
  acts.join();
  ASSERT_EQ(rotated, 0);
  EXPECT_NE(new_vkey, old_vkey);
  Host::Mark("after");
  std::string shown;
  EXPECT_EQ(host_.Cairn("key show", &shown), 0);
  EXPECT_EQ(shown, new_vkey);
  EXPECT_EQ(Stop(SIGTERM), 0);

  const auto pinned = ledger::VerifierKey::Parse(absl::StripAsciiWhitespace(old_vkey));
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  for (const std::string log : {"log/1", "log/2"}) {
    ledger::VerifyOptions options;
    options.key = *pinned;
    EXPECT_EQ(ledger::VerifyLog(host_.Path(log), options).verdict, ledger::Verdict::kOk) << log;
  }
  auto first = host_.ReadLog(1);
  auto second = host_.ReadLog(2);
  const std::string rotation = absl::StrCat("event ", AGENT_KEY_ROTATED);
  EXPECT_EQ(first[rotation], 1);
  EXPECT_EQ(second[rotation], 1);
  EXPECT_GE(second["after"], 1);
  for (int i = 0; i < kActs; ++i) {
    const std::string act = absl::StrCat("act-", i);
    EXPECT_EQ(first[act] + second[act], 1) << act;
  }
  // The next start goes on under the new key.
  ASSERT_TRUE(host_.Start());
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_FALSE(ReadFile(host_.Path("log/3/log.vkey"), 4096).ok());
  EXPECT_EQ(host_.ReadLog(2)[absl::StrCat("event ", AGENT_STOP)], 2);
}

struct KeyPlaces {
  int kept = 0;  // in mappings that are never swapped or dumped
  int elsewhere = 0;
  uint64_t kept_bytes = 0;  // of those mappings
};

// Where `secret` stands in the writable memory of process `pid`. Flags of smaps as proc(5) has
// them: lo locked in memory, dd not in core dumps.
KeyPlaces FindInProcess(pid_t pid, const std::string& secret) {
  KeyPlaces places;
  std::ifstream smaps(absl::StrCat("/proc/", pid, "/smaps"));
  std::FILE* const memory = std::fopen(absl::StrCat("/proc/", pid, "/mem").c_str(), "rb");
  if (memory == nullptr) return places;
  uint64_t begin = 0;
  uint64_t end = 0;
  char rights[5] = {};
  std::string line;
  while (std::getline(smaps, line)) {
    if (line.find('-') < line.find(':') && line.find('-') < line.find(' ')) {  // a new mapping
      std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, rights);
    }
    if (!absl::StartsWith(line, "VmFlags:") || rights[1] != 'w') continue;
    const bool kept = absl::StrContains(line, " lo") && absl::StrContains(line, " dd");
    if (kept) places.kept_bytes += end - begin;
    std::string bytes(end - begin, '\0');
    const ssize_t n =
        ::pread(::fileno(memory), bytes.data(), bytes.size(), static_cast<off_t>(begin));
    bytes.resize(n < 0 ? 0 : static_cast<size_t>(n));
    for (size_t at = bytes.find(secret); at != std::string::npos; at = bytes.find(secret, at + 1)) {
      ++(kept ? places.kept : places.elsewhere);
    }
  }
  std::fclose(memory);
  return places;
}

// The log key is one that a test can know; the epoch's key and K are kept the same way
// (ForgottenKey looks for K).
TEST_F(DaemonTest, KeysAreInMemoryThatIsNeitherSwappedNorDumped) {
  ASSERT_TRUE(host_.Start());
  for (int i = 0; i < 20; ++i) Host::Mark(absl::StrCat("mark-", i));
  const auto key = ledger::LoadSecret(host_.Path("keys/log.key"));
  ASSERT_TRUE(key.ok()) << key.status();
  const std::string seed(key->view());
  KeyPlaces places;
  // A signature in the making holds a copy for microseconds: not three times in a row.
  for (int i = 0; i < 3; ++i) {
    places = FindInProcess(host_.cairnd().pid(), seed);
    if (places.elsewhere == 0) break;
    ::usleep(300'000);
  }
  EXPECT_GE(places.kept, 1) << "the search finds what is there";
  EXPECT_EQ(places.elsewhere, 0);
  EXPECT_GE(places.kept_bytes, 3u * 4096) << "log key, epoch key, K: a page each";
  EXPECT_EQ(Stop(SIGTERM), 0);
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
