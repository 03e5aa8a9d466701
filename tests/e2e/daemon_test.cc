// cairnd as a process: killed, fed with broken files, stopped; what `cairn` says afterwards.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "ledger/reader.h"
#include "ledger/verifier.h"
#include "tests/ledger/test_log.h"
#include "tests/paths.h"

namespace cairn {
namespace {

// Runs a command and returns its exit code; `output` (may be null) receives stdout.
int Shell(const std::string& command, std::string* output = nullptr) {
  FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[4096];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    if (output != nullptr) output->append(buffer, n);
  }
  return WEXITSTATUS(::pclose(pipe));
}

class DaemonTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "not root: cairnd cannot load its BPF programs here";
    ASSERT_TRUE(MakeDirectories(Io::Real(), Path("policy.d"), 0755).ok());
    const std::string config = absl::StrCat(
        "deployment: e2e\nkeys: {dir: ", Path("keys"), "}\nlog: {dir: ", Path("log"),
        "}\npolicy: {dir: ", Path("policy.d"), ", state_dir: ", Path("state"),
        "}\ncontrol: {socket: ", Path("control.sock"), "}\ncapture: {audit: \"off\"}\n");
    Write("agent.yaml", config);
    Write("policy.d/10.yaml", "schema: cairn.policy/v1\nmetadata: {name: e2e, serial: 1}\n");
    ASSERT_EQ(Cairn("key init >/dev/null"), 0);
  }
  void TearDown() override {
    if (pid_ > 0) Stop(SIGKILL);
  }

  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) {
    ledger::WriteAllTo(Path(name), text);
  }
  int Cairn(const std::string& arguments, std::string* output = nullptr) {
    const size_t end = arguments.find_first_of(">|");
    return Shell(absl::StrCat(ProgramPath("cairn"), " ", arguments.substr(0, end), " --config ",
                              Path("agent.yaml"), " ",
                              end == std::string::npos ? "" : arguments.substr(end)),
                 output);
  }

  void Start() {
    std::string program = ProgramPath("cairnd");
    std::string option = "--config", config = Path("agent.yaml");
    char* argv[] = {program.data(), option.data(), config.data(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, argv, environ), 0);
    for (int i = 0; i < 600; ++i) {
      if (Cairn("status >/dev/null 2>&1") == 0) return;
      ::usleep(50'000);
    }
    FAIL() << "cairnd did not answer within 30 s";
  }
  int Stop(int signal) {
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

  // An exec that no other process does: by its argument.
  void Mark(const std::string& mark) { Shell("/bin/true " + mark); }
  // How often each exec's last argument, and each event, stands in the log.
  std::map<std::string, int> ReadLog() {
    std::map<std::string, int> seen;
    auto reader = ledger::LogReader::Open(Path("log/1"));
    EXPECT_TRUE(reader.ok()) << reader.status();
    ledger::LoggedRecord logged;
    for (;;) {
      const auto end = (*reader)->Next(&logged);
      EXPECT_TRUE(end.ok()) << end.status();
      if (!end.ok() || *end != ledger::ReadEnd::kRecord) return seen;
      ++seen[absl::StrCat("event ", logged.record->type())];
      const bool exec = logged.record->type() == PROCESS_EXEC && logged.process != nullptr;
      if (exec && logged.process->argv_size() > 1) {
        ++seen[logged.process->argv(logged.process->argv_size() - 1)];
      }
    }
  }
  ledger::Report Verify() {
    ledger::VerifyOptions options;
    options.self_key = true;
    return ledger::VerifyLog(Path("log/1"), options);
  }

  ledger::TempDir dir_;
  pid_t pid_ = 0;
};

TEST_F(DaemonTest, RecordsWhatHappensAndSealsWhenStopped) {
  Start();
  for (int i = 0; i < 20; ++i) Mark(absl::StrCat("mark-", i));
  std::string status;
  EXPECT_EQ(Cairn("status -o json", &status), 0);
  EXPECT_NE(status.find("\"policy_rung\":\"configured\""), std::string::npos) << status;
  EXPECT_EQ(Stop(SIGTERM), 0);
  const ledger::Report report = Verify();
  EXPECT_EQ(report.verdict, ledger::Verdict::kOk);
  auto seen = ReadLog();
  for (int i = 0; i < 20; ++i) EXPECT_GE(seen[absl::StrCat("mark-", i)], 1) << i;
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_STOP)], 1);
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_EPOCH_CLOSE)], 1);
}

TEST_F(DaemonTest, KilledAtAnyMomentItGoesOnAndKeepsWhatWasCommitted) {
  std::mt19937 random(7);  // the moments differ, the run is the same
  std::vector<std::string> committed;
  for (int round = 0; round < 4; ++round) {
    Start();
    const std::string mark = absl::StrCat("kept-", round);
    Mark(mark);
    ::sleep(1);  // many times the 50 ms after which it is committed
    committed.push_back(mark);
    for (int i = 0; i < 5; ++i) Mark(absl::StrCat("maybe-", round, "-", i));
    ::usleep(random() % 60'000);
    EXPECT_TRUE(WIFSIGNALED(Stop(SIGKILL)));
  }
  Start();
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_EQ(Verify().verdict, ledger::Verdict::kOk);
  auto seen = ReadLog();
  for (const std::string& mark : committed) EXPECT_GE(seen[mark], 1) << mark;
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_RECOVERY)], 4) << "each kill is said";
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_START)], 5);
}

TEST_F(DaemonTest, ABrokenPolicyNeitherStopsNorSilencesIt) {
  Start();
  const std::string broken[] = {"", "schema: [", std::string(1000, '\0'),
                                "schema: cairn.policy/v1\nrules: [{id: x, on: [nothing.at.all]}]\n",
                                std::string(5 << 20, 'x')};
  int number = 0;
  for (const std::string& text : broken) {
    Write("policy.d/10.yaml", text);
    ASSERT_EQ(::kill(pid_, SIGHUP), 0);
    ::usleep(300'000);
    Mark(absl::StrCat("during-", number++));
  }
  ::sleep(1);
  std::string status;
  EXPECT_EQ(Cairn("status -o json", &status), 0);
  EXPECT_EQ(status.find("\"policy_errors\":[]"), std::string::npos) << status;
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_EQ(Verify().verdict, ledger::Verdict::kOk);
  auto seen = ReadLog();
  for (int i = 0; i < number; ++i) EXPECT_GE(seen[absl::StrCat("during-", i)], 1) << i;
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_POLICY_REJECTED)], number);
}

TEST_F(DaemonTest, ASecondOneIsRefused) {
  Start();
  EXPECT_EQ(
      Shell(absl::StrCat(ProgramPath("cairnd"), " --config ", Path("agent.yaml"), " 2>/dev/null")),
      1);
  EXPECT_EQ(Cairn("status >/dev/null"), 0) << "the first one goes on";
  EXPECT_EQ(Stop(SIGTERM), 0);
}

TEST_F(DaemonTest, ABadConfigurationHasItsOwnExitCode) {
  Write("agent.yaml", "deploiment: x\n");
  EXPECT_EQ(Shell(absl::StrCat(ProgramPath("cairnd"), " --check-config --config ",
                               Path("agent.yaml"), " 2>/dev/null")),
            6);
}

}  // namespace
}  // namespace cairn
