// What makes a host work hard changes neither what a record says nor what is counted, and does not
// make cairnd grow: floods, short-lived processes, deep paths, the longest of arguments.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/e2e/host.h"
#include "tests/ledger/each_record.h"
#include "tests/paths.h"

namespace cairn {
namespace {

// Sanitizers keep what was freed.
#ifdef __SANITIZE_ADDRESS__
constexpr int64_t kMostGrowth = 1 << 30;
#else
constexpr int64_t kMostGrowth = 32 << 20;
#endif
constexpr char kFlood[] = "/cairn-flood";  // what floods open; it is not there

// A child that does `work`, and is killed with its test.
class Child {
 public:
  explicit Child(const std::function<void()>& work) : pid_(fork()) {
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    _exit(0);
  }
  Child(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  pid_t pid() const { return pid_; }
  void Wait() {
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

void Execute(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t child = vfork();
  if (child == 0) {
    execv(argv[0], argv.data());
    _exit(1);
  }
  waitpid(child, nullptr, 0);
}

// One act of each kind that an everyday program does, in the current directory.
void ActOnce() {
  close(open("/etc/hostname", O_RDONLY));
  close(open("/cairn-not-there", O_RDONLY));
  const int file = open("file", O_CREAT | O_WRONLY | O_TRUNC, 0600);
  (void)!write(file, "x", 1);
  close(file);
  (void)!chmod("file", 0640);
  (void)!rename("file", "other");
  (void)!unlink("other");
  (void)!mkdir("dir", 0700);
  (void)!rmdir("dir");
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(1);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  (void)!connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  close(fd);
  Execute({"/bin/true", "some", "arguments"});
}

// What a record says of an act, without what makes it one act of many: when, where, which process.
std::string Said(const ledger::LoggedRecord& logged) {
  Record record = *logged.record;
  record.clear_time_delta_ns();
  record.clear_process_ref();
  record.clear_rule_refs();
  record.clear_wall_adjust_ns();
  record.clear_cpu();
  if (record.has_file()) record.mutable_file()->clear_inode();
  if (record.has_net()) record.mutable_net()->clear_src_port();
  if (record.has_peer()) {
    record.mutable_peer()->clear_pid();
    record.mutable_peer()->clear_start_ns();
  }
  Process process = *logged.process;
  process.clear_pid();
  process.clear_start_ns();
  process.clear_generation();
  process.clear_ppid();
  process.clear_ancestors();
  return absl::StrCat(record.ShortDebugString(), " | ", process.ShortDebugString(), " | ",
                      absl::StrJoin(logged.rules, " "));
}

class FloodTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cairnd cannot load BPF programs";
  }

  // A host of its own, under pack `audit`, on which `acts` are done; returns its log.
  std::string LogOf(const std::string& name, const std::function<void()>& acts) {
    Host& host = hosts_[name];
    EXPECT_TRUE(host.Prepare());
    host.Write("policy.d/10.yaml", ledger::ReadAll(SourcePath("config/policy/audit.yaml")));
    EXPECT_TRUE(host.Start());
    EXPECT_EQ(::mkdir(host.Path("acts").c_str(), 0700), 0);
    const uint64_t before = Resident(host);
    Child actor([&] {
      if (chdir(host.Path("acts").c_str()) == 0) acts();
    });
    actors_[name] = static_cast<uint32_t>(actor.pid());
    actor.Wait();
    grown_ = static_cast<int64_t>(Resident(host)) - static_cast<int64_t>(before);
    ::usleep(1'500'000);  // what is limited is told once it is over
    EXPECT_EQ(host.cairnd().Stop(SIGTERM), 0);
    EXPECT_EQ(host.Verify().verdict, ledger::Verdict::kOk);
    return host.Path("log/1");
  }

  static uint64_t Resident(Host& host) {
    std::ifstream statm(absl::StrCat("/proc/", host.cairnd().pid(), "/statm"));
    uint64_t size = 0, resident = 0;
    statm >> size >> resident;
    return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  }

  struct Saying {
    EventType type;
    int count = 0;
  };

  // What the records of the actor, and of the processes it started, say, and how often.
  std::map<std::string, Saying> SaidOf(const std::string& name) const {
    std::map<std::string, Saying> said;
    const std::string dir = hosts_.at(name).Path("acts");
    const uint32_t actor = actors_.at(name);
    ledger::ForEachRecord(hosts_.at(name).Path("log/1"), [&](const ledger::LoggedRecord& logged) {
      if (logged.process == nullptr) return;
      if (logged.process->pid() != actor && logged.process->ppid() != actor) return;
      if (logged.record->file().path() == kFlood) return;
      std::string text = Said(logged);
      for (size_t at; (at = text.find(dir)) != std::string::npos;)
        text.replace(at, dir.size(), ".");
      Saying& saying = said[text];
      saying.type = logged.record->type();
      ++saying.count;
    });
    return said;
  }

  std::map<std::string, Host> hosts_;
  std::map<std::string, uint32_t> actors_;  // process ids
  int64_t grown_ = 0;                       // bytes resident, of the last cairnd
};

// How many of `type` were not recorded but are accounted for: lost, whoever's they were; and, of
// process `pid` alone (0: of any), over its rate.
uint64_t Counted(const std::string& log, EventType type, uint32_t pid = 0) {
  uint64_t count = 0;
  ledger::ForEachRecord(log, [&](const ledger::LoggedRecord& logged) {
    const Record& record = *logged.record;
    if (record.loss().type() == type) count += record.loss().count();
    if (record.type() != AGENT_LIMIT_STOP) return;
    if (pid != 0 && record.limit().key() != absl::StrCat("pid ", pid)) return;
    for (const TypeCount& counted : record.limit().types()) {
      if (counted.type() == type) count += counted.count();
    }
  });
  return count;
}

// A number is never bought by recording less.
TEST_F(FloodTest, ARecordOfAFloodSaysWhatOneOfAQuietHostSays) {
  constexpr int kTimes = 40;
  LogOf("slow", [] {
    for (int i = 0; i < kTimes; ++i) {
      ActOnce();
      ::usleep(20'000);
    }
  });
  const auto flood = [] {
    for (;;) (void)!open(kFlood, O_RDONLY);
  };
  const std::string fast = LogOf("fast", [&] {
    const Child first(flood), second(flood);
    ::usleep(200'000);
    for (int i = 0; i < kTimes; ++i) ActOnce();
  });
  const auto quiet = SaidOf("slow");
  const auto busy = SaidOf("fast");
  EXPECT_GE(quiet.size(), 13u);
  std::map<EventType, uint64_t> missing;
  int recorded = 0;
  for (const auto& [text, saying] : quiet) {
    if (saying.count < kTimes) continue;  // what the test does once, around its acts
    ++recorded;
    const auto found = busy.find(text);
    EXPECT_NE(found, busy.end()) << "never recorded like this under a flood: " << text;
    const int count = found == busy.end() ? 0 : found->second.count;
    EXPECT_LE(count, saying.count) << "recorded twice: " << text;
    missing[saying.type] += static_cast<uint64_t>(std::max(saying.count - count, 0));
  }
  EXPECT_GE(recorded, 13);
  for (const auto& [text, saying] : busy) {
    EXPECT_TRUE(saying.count < kTimes / 2 || quiet.contains(text))
        << "recorded like this only under a flood: " << text;
  }
  const uint32_t actor = actors_["fast"];
  for (const auto& [type, count] : missing) {
    EXPECT_LE(count, Counted(fast, type, actor)) << "missing and not counted: " << type;
  }
  EXPECT_EQ(missing[PROCESS_EXEC], 0u) << "critical";
}

TEST_F(FloodTest, MillionsOfEventsOfOneProcessAreRecordedOrCounted) {
  constexpr uint64_t kOpens = 2'000'000;
  const std::string log = LogOf("one", [] {
    for (uint64_t i = 0; i < kOpens; ++i) (void)!open(kFlood, O_RDONLY);
  });
  const uint32_t actor = actors_["one"];
  uint64_t recorded = 0;
  ledger::ForEachRecord(log, [&](const ledger::LoggedRecord& logged) {
    if (logged.process == nullptr || logged.process->pid() != actor) return;
    recorded += logged.record->file().path() == kFlood;
  });
  const uint64_t counted = Counted(log, FILE_OPEN, actor);
  EXPECT_LE(recorded, kOpens);
  EXPECT_GE(recorded + counted, kOpens);
  EXPECT_LT(grown_, kMostGrowth);
  std::printf("%d recorded, %d counted, %d KiB grown\n", static_cast<int>(recorded),
              static_cast<int>(counted), static_cast<int>(grown_ / 1024));
}

// An exec is critical: none is lost, however many there are.
TEST_F(FloodTest, ThousandsOfShortLivedProcessesAreEachRecorded) {
  constexpr int kProcesses = 2000;
  const std::string log = LogOf("many", [] {
    const auto half = [] {
      for (int i = 0; i < kProcesses / 2; ++i) Execute({"/bin/true", absl::StrCat("short-", i)});
    };
    Child first(half), second(half);
    first.Wait();
    second.Wait();
  });
  std::map<EventType, int> seen;
  ledger::ForEachRecord(log, [&](const ledger::LoggedRecord& logged) {
    const bool ours = logged.process != nullptr && logged.process->argv_size() == 2 &&
                      absl::StartsWith(logged.process->argv(1), "short-");
    if (ours) ++seen[logged.record->type()];
  });
  EXPECT_EQ(seen[PROCESS_EXEC], kProcesses);
  EXPECT_EQ(Counted(log, PROCESS_EXEC), 0u);
  EXPECT_LE(seen[PROCESS_EXIT], kProcesses);
  EXPECT_GE(static_cast<uint64_t>(seen[PROCESS_EXIT]) + Counted(log, PROCESS_EXIT),
            uint64_t{kProcesses});
  EXPECT_LT(grown_, kMostGrowth);
}

TEST_F(FloodTest, AMebibyteOfArgumentsIsCutAndSaysSo) {
  constexpr int kTimes = 300;
  const std::string log = LogOf("long", [] {
    std::vector<std::string> arguments = {"/bin/true", "long"};
    for (int i = 0; i < 8; ++i) arguments.emplace_back((128 << 10) - 1, 'x');
    for (int i = 0; i < kTimes; ++i) Execute(arguments);
  });
  int seen = 0;
  ledger::ForEachRecord(log, [&](const ledger::LoggedRecord& logged) {
    if (logged.record->type() != PROCESS_EXEC || logged.process->argv_size() < 2) return;
    if (logged.process->argv(1) != "long") return;
    ++seen;
    EXPECT_GT(logged.process->argv_length(), 1'000'000u) << "how long they were";
    EXPECT_LE(logged.process->ByteSizeLong(), 40'000u);
  });
  EXPECT_EQ(seen, kTimes);
  EXPECT_LT(grown_, kMostGrowth);
}

TEST_F(FloodTest, DeepPathsAreRecordedOrCounted) {
  constexpr uint64_t kOpens = 50'000;
  const std::string log = LogOf("deep", [] {
    for (int i = 0; i < 100; ++i) {
      (void)!mkdir("a-name-of-some-length", 0700);
      (void)!chdir("a-name-of-some-length");
    }
    for (uint64_t i = 0; i < kOpens; ++i) close(open("deep", O_CREAT | O_RDWR, 0600));
  });
  uint64_t recorded = 0;
  ledger::ForEachRecord(log, [&](const ledger::LoggedRecord& logged) {
    if (!absl::EndsWith(logged.record->file().path(), "/a-name-of-some-length/deep")) return;
    ++recorded;
  });
  EXPECT_GE(recorded + Counted(log, FILE_OPEN) + Counted(log, FILE_CREATE), kOpens);
  EXPECT_GT(recorded, 0u);
  EXPECT_LT(grown_, kMostGrowth);
}

}  // namespace
}  // namespace cairn
