// Floods a cairnd of its own and compares what the generators did with what its log says:
// generated = recorded + counted + lost, for each flood, or this program fails. Of audit's
// multicast socket no more is known than how many are lost at least.
//
//   tools/bench loss [SECONDS]   for how long cairnd is stopped; 60. A log that does not add up is
//   kept.
#include <fcntl.h>
#include <libaudit.h>
#undef AUDIT_CONFIG_CHANGE  // the event of that name is meant below
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "ledger/reader.h"
#include "tools/benchmarks/host.h"

namespace cairn {
namespace {

struct Flood {
  const char* name;
  EventType type;
  bool exact;  // not one event may be missing from the log
  int workers;
  int64_t count;              // acts of each worker
  std::function<void()> act;  // one
  bool stopped = false;       // while cairnd is
  bool audit = false;         // lost: at least
};

struct Result {
  const Flood* flood;
  std::set<uint32_t> pids;
  int64_t generated = 0, recorded = 0, counted = 0, lost = 0;
};

void SayLogin() {
  static const int fd = audit_open();
  audit_log_user_message(fd, AUDIT_USER_LOGIN, "op=flood", nullptr, nullptr, nullptr, 1);
}

// What is lost is counted by type, whoever it was: a file of our own directory, whose opens and
// changes alone the kernel lets through, or types that nobody else makes. Opens that fail have no
// object to be judged by and come up, also a busy machine's: the rings are so large that those two
// processes are limited, and nobody loses any, while cairnd runs.
std::vector<Flood> Floods(const std::string& file) {
  const auto open_close = [file] { close(open(file.c_str(), O_RDONLY)); };
  const auto forks = [] {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
  };
  const auto execs = [] {
    const pid_t child = fork();
    if (child == 0) {
      execl("/cairn/no/such/program", "x", nullptr);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  };
  const auto truncate = [file] {
    static const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    (void)!ftruncate(fd, 0);
  };
  return {
      {"open+close, 2 processes, flat out", FILE_OPEN, false, 2, 500'000, open_close},
      {"setuid beside a flood of opens", CRED_SETUID, true, 1, 2'000, [] { (void)!setuid(0); }},
      {"failed exec beside a flood", PROCESS_EXEC, true, 1, 500, execs},
      {"fork bomb, bounded", PROCESS_FORK, false, 1, 3'000, forks},
      {"ftruncate, cairnd stopped", FILE_TRUNCATE, false, 2, 200'000, truncate, true},
      {"setuid, cairnd stopped", CRED_SETUID, true, 1, 1'000, [] { (void)!setuid(0); }, true},
      {"audit messages, cairnd stopped", AUTH_LOGIN, false, 1, 40'000, SayLogin, true, true},
  };
}

void Start(Result* result) {
  for (int i = 0; i < result->flood->workers; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      for (int64_t act = 0; act < result->flood->count; ++act) result->flood->act();
      _exit(0);
    }
    if (pid < 0) abort();
    result->pids.insert(static_cast<uint32_t>(pid));
    result->generated += result->flood->count;
  }
}

void Wait(const Result& result) {
  for (const uint32_t pid : result.pids) waitpid(static_cast<pid_t>(pid), nullptr, 0);
}

class Bench {
 public:
  Bench(std::string programs, uint64_t stopped_s)
      : host_(std::move(programs)), stopped_for_ns_(stopped_s * 1'000'000'000) {}

  bool Go() {
    const std::string file = host_.dir() + "/flood";
    if (!Prepare(file) || !host_.Start() || !host_.AwaitRecording()) return false;
    const std::vector<Flood> floods = Floods(file);
    for (const Flood& flood : floods) results_.push_back({.flood = &flood});
    for (const bool stopped : {false, true}) RunAll(stopped);
    sleep(2);    // the socket is read empty: what comes next is let in
    SayLogin();  // after a gap, which shows by it
    sleep(6);    // an episode of a limit is told of a second after its end, a gap later
    const int status = host_.Stop();
    ReadLog();
    const bool good = Print() && status == 0;
    host_.Finish(good);
    return good;
  }

 private:
  bool Prepare(const std::string& file) {
    host_.Write("flood", "");
    return host_.Prepare(
        absl::StrCat("categories: {process: verbose}\nrules:\n"
                     "  - {id: logins, on: [auth.login]}\n"
                     "  - {id: flood, on: [file.open, file.truncate], when: 'file.path == \"",
                     file, "\"'}\n"),
        "audit: multicast, ring_bytes: 4194304");  // others' opens that fail: Floods()
  }

  void RunAll(bool stopped) {
    if (stopped) {
      kill(host_.pid(), SIGSTOP);
      stopped_ns_ = BootNs();
    }
    for (Result& result : results_) {
      if (result.flood->stopped == stopped) Start(&result);
    }
    for (const Result& result : results_) {
      if (result.flood->stopped == stopped) Wait(result);
    }
    if (!stopped) {
      sleep(1);  // the loss that is told ten times a second is this one's
      return;
    }
    while (BootNs() < stopped_ns_ + stopped_for_ns_) usleep(100'000);
    kill(host_.pid(), SIGCONT);
  }

  void ReadLog() {
    auto reader = ledger::LogReader::Open(host_.dir() + "/log/1");
    ledger::LoggedRecord logged;
    while (reader.ok()) {
      const auto end = (*reader)->Next(&logged);
      if (!end.ok() || *end != ledger::ReadEnd::kRecord) break;
      for (Result& result : results_) Count(logged, &result);
    }
  }

  void Count(const ledger::LoggedRecord& logged, Result* result) const {
    const Record& record = *logged.record;
    const EventType type = result->flood->type;
    const uint32_t pid = logged.process == nullptr ? 0 : logged.process->pid();
    // Told before cairnd was stopped, or after: it belongs to the floods of that time.
    const bool then = (record.loss().to_ns() > stopped_ns_) == result->flood->stopped;
    if (record.has_loss() && record.loss().type() == type && then && !result->flood->exact) {
      result->lost += static_cast<int64_t>(record.loss().count());
    }
    if (result->flood->audit && record.type() == AUDIT_LOST && record.audit().op() != "socket") {
      result->lost += record.audit().lost();
    }
    for (const TypeCount& counted : record.limit().types()) {
      if (counted.type() != type || !result->pids.contains(PidOf(record.limit().key()))) continue;
      result->counted += static_cast<int64_t>(counted.count());
    }
    if (record.type() != type) return;
    const bool child = type == PROCESS_EXEC && record.ret() < 0 && logged.process != nullptr &&
                       result->pids.contains(logged.process->ppid());
    if (child || (type != PROCESS_EXEC && result->pids.contains(pid))) ++result->recorded;
  }

  static uint32_t PidOf(const std::string& key) {
    return static_cast<uint32_t>(strtoul(key.c_str() + sizeof("pid ") - 1, nullptr, 10));
  }

  bool Print() const {
    bool good = true;
    printf("%-36s %10s %10s %10s %10s %10s\n", "flood", "generated", "recorded", "counted", "lost",
           "difference");
    for (const Result& result : results_) {
      const int64_t difference = result.generated - result.recorded - result.counted - result.lost;
      printf("%-36s %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 "\n",
             result.flood->name, result.generated, result.recorded, result.counted, result.lost,
             difference);
      good &= result.flood->audit ? difference <= 0 && result.lost > 0 : difference == 0;
    }
    return good;
  }

  BenchHost host_;
  const uint64_t stopped_for_ns_;
  uint64_t stopped_ns_ = 0;
  std::vector<Result> results_;
};

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  const std::string programs = cairn::ProgramsBeside(argv[0]);
  if (programs.empty()) return 4;
  const uint64_t stopped_s = argc > 1 ? strtoul(argv[1], nullptr, 10) : 60;
  return cairn::Bench(programs, stopped_s).Go() ? 0 : 1;
}
