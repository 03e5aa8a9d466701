// How long from a system call to its record in the log's file, chained and tagged: opens COUNT
// files that do not exist, one each PAUSE_US, while a second thread notes when the newest segment
// of DIR, the log of a running cairnd, grew to what size; then looks up which block holds which
// open.
//
//   bench_latency DIR COUNT PAUSE_US
//
// Prints one JSON line: probes found, missing, and left out since a cpu stood still meanwhile (the
// host of a virtual machine had taken it); of those found p50, p99 and max in microseconds, to
// which looking adds up to its step, 50 us or what the scheduler makes of it; the longest
// standstill.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <deque>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/io.h"
#include "ledger/frame.h"
#include "ledger/reader.h"
#include "ledger/segments.h"
#include "tools/benchmarks/host.h"

namespace cairn {
namespace {

constexpr uint64_t kStepNs = 50'000;

void SleepUntil(uint64_t boot_ns) {
  const timespec until = {.tv_sec = static_cast<time_t>(boot_ns / 1'000'000'000),
                          .tv_nsec = static_cast<long>(boot_ns % 1'000'000'000)};
  clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, nullptr);
}

// nice -20 for this thread, and its cpu sooner for shorter turns (sched_setattr(2), Linux 6.12), or
// what it waits for its own cpu would be taken for the log's delay.
void AskForShortTurns() {
  const struct {
    uint32_t size = sizeof(*this);
    uint32_t policy = SCHED_OTHER;
    uint64_t flags = 0;
    int32_t nice = -20;
    uint32_t priority = 0;
    uint64_t runtime_ns = 100'000;
    uint64_t deadline_ns = 0;
    uint64_t period_ns = 0;
  } turns;  // the kernel's struct sched_attr, whose header cannot stand beside the C library's
  if (syscall(SYS_sched_setattr, 0, &turns, 0) != 0) perror("bench_latency: sched_setattr");
}

// When a cpu did not even run a real-time thread, of which each has one that wakes each millisecond
// (as cyclictest does): no program on it could.
class Stalls {
 public:
  Stalls() {
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &cpus)) continue;
      std::vector<Stall>* const stalls = &stalls_.emplace_back();
      watchers_.emplace_back([this, cpu, stalls] { Watch(cpu, stalls); });
    }
  }
  ~Stalls() { End(); }

  void End() {
    ended_ = true;
    for (std::thread& watcher : watchers_) {
      if (watcher.joinable()) watcher.join();
    }
  }

  // Both after End. How long those took that were, or had begun or not ended, between two times.
  uint64_t Within(uint64_t from, uint64_t until) const {
    uint64_t took = 0;
    for (const std::vector<Stall>& stalls : stalls_) {
      for (const auto& [begun, ended] : stalls) {
        if (begun < until && ended > from) took += ended - begun;
      }
    }
    return took;
  }
  uint64_t longest_ns() const {
    uint64_t longest = 0;
    for (const std::vector<Stall>& stalls : stalls_) {
      for (const auto& [begun, ended] : stalls) longest = std::max(longest, ended - begun);
    }
    return longest;
  }

 private:
  using Stall = std::pair<uint64_t, uint64_t>;  // from, until

  static constexpr uint64_t kPeriodNs = 1'000'000;
  static constexpr uint64_t kStallNs = 3'000'000;

  void Watch(int cpu, std::vector<Stall>* stalls) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    const sched_param first = {.sched_priority = 1};
    if (sched_setaffinity(0, sizeof(only), &only) != 0 ||
        sched_setscheduler(0, SCHED_FIFO, &first) != 0) {
      perror("bench_latency: a real-time thread");
      return;
    }
    for (uint64_t last = BootNs(); !ended_;) {
      SleepUntil(last + kPeriodNs);
      const uint64_t now = BootNs();
      if (now - last > kStallNs) stalls->emplace_back(last, now);
      last = now;
    }
  }

  std::deque<std::vector<Stall>> stalls_;  // of each cpu
  std::vector<std::thread> watchers_;
  std::atomic<bool> ended_ = false;
};

// When a segment had which size; from the newest on, and those that follow it.
class Growth {
 public:
  Growth(std::string dir, uint64_t epoch) : dir_(std::move(dir)), epoch_(epoch) {
    seen_.reserve(1 << 20);
    looker_ = std::thread([this] { Look(); });
  }
  ~Growth() { End(); }

  void End() {
    ended_ = true;
    if (looker_.joinable()) looker_.join();
  }

  // 0: it was never seen of that size.
  uint64_t When(uint64_t epoch, uint64_t size) const {
    const auto at = std::lower_bound(seen_.begin(), seen_.end(), Seen{epoch, size, 0});
    return at == seen_.end() || std::get<0>(*at) != epoch ? 0 : std::get<2>(*at);
  }

 private:
  using Seen = std::tuple<uint64_t, uint64_t, uint64_t>;  // epoch, size, time

  std::string PathOf(uint64_t epoch) const {
    return absl::StrCat(dir_, "/", ledger::SegmentName(epoch));
  }

  void Look() {
    prctl(PR_SET_TIMERSLACK, 1);
    AskForShortTurns();
    Fd fd(open(PathOf(epoch_).c_str(), O_RDONLY | O_CLOEXEC));
    uint64_t size = 0;
    for (uint64_t step = 0; !ended_; ++step) {
      Fd next;
      struct stat st;
      if (step % 10 == 0 && stat(PathOf(epoch_ + 1).c_str(), &st) == 0) {  // asking is no event
        next.Reset(open(PathOf(epoch_ + 1).c_str(), O_RDONLY | O_CLOEXEC));
      }
      if (fstat(fd.get(), &st) == 0 && static_cast<uint64_t>(st.st_size) > size) {
        size = static_cast<uint64_t>(st.st_size);
        seen_.emplace_back(epoch_, size, BootNs());
      }
      if (next.valid()) {
        fd = std::move(next);
        size = 0;
        ++epoch_;
      }
      SleepUntil(BootNs() + kStepNs);
    }
  }

  const std::string dir_;
  uint64_t epoch_;
  std::vector<Seen> seen_;
  std::atomic<bool> ended_ = false;
  std::thread looker_;
};

// Adds where each block of a segment ends, by its number.
void AddBlockEnds(const ledger::SegmentInfo& segment,
                  std::map<uint64_t, std::pair<uint64_t, uint64_t>>* ends) {
  const auto bytes = ReadRegularFile(segment.path, size_t{1} << 30);
  SegmentHeader header;
  std::string cause;
  size_t at = 0;
  if (!bytes.ok() ||
      ledger::ParseHeader(*bytes, &header, &at, &cause) != ledger::FrameEnd::kFrame) {
    return;
  }
  uint64_t block = header.first_block();
  ledger::FrameView frame;
  while (ledger::ParseFrame(absl::string_view(*bytes).substr(at), &frame, &cause) ==
         ledger::FrameEnd::kFrame) {
    at += frame.size;
    if (frame.type == ledger::FrameType::kBlock) (*ends)[block++] = {segment.epoch, at};
  }
}

// What opened, and what the log says of it.
struct Probes {
  std::string prefix;             // of their paths; the number follows
  std::vector<uint64_t> begun;    // when, of each
  std::vector<uint64_t> chained;  // when its block was in the file; 0: it was not seen
};

void Open(uint64_t pause_ns, Probes* probes) {
  for (size_t i = 0; i < probes->begun.size(); ++i) {
    const std::string path = absl::StrCat(probes->prefix, i);
    probes->begun[i] = BootNs();
    (void)!open(path.c_str(), O_RDONLY);
    SleepUntil(probes->begun[i] + pause_ns);
  }
}

// `first`: the segment that was the newest when they began.
void FindChained(const std::string& dir, uint64_t first, const Growth& growth, Probes* probes) {
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> ends;  // block: segment, and its byte
  const auto segments = ledger::ListSegments(dir);
  if (!segments.ok()) return;
  for (const ledger::SegmentInfo& segment : *segments) {
    if (segment.epoch >= first) AddBlockEnds(segment, &ends);
  }
  auto reader = ledger::LogReader::Open(dir);
  ledger::LoggedRecord logged;
  while (reader.ok()) {
    const auto end = (*reader)->Next(&logged);
    if (!end.ok() || *end != ledger::ReadEnd::kRecord) break;
    absl::string_view number = logged.record->file().path();
    uint64_t i;
    if (!absl::ConsumePrefix(&number, probes->prefix) || !absl::SimpleAtoi(number, &i) ||
        i >= probes->chained.size()) {
      continue;
    }
    const auto block = ends.find(logged.block);
    if (block != ends.end()) {
      probes->chained[i] = growth.When(block->second.first, block->second.second);
    }
  }
}

void Print(const Probes& probes, const Stalls& stalls, uint64_t pause_ns) {
  std::vector<double> took;
  uint64_t missing = 0, left_out = 0;
  for (size_t i = 0; i < probes.begun.size(); ++i) {
    const uint64_t begun = probes.begun[i], chained = probes.chained[i];
    // A standstill just before leaves a backlog; a short one does not explain a long delay.
    const uint64_t late = chained == 0 ? pause_ns : chained - begun;
    const uint64_t stalled = stalls.Within(begun - pause_ns, begun + late);
    if (stalled > 0 && stalled >= late / 4) {
      ++left_out;
    } else if (chained == 0) {
      ++missing;
    } else {
      took.push_back(static_cast<double>(late) / 1000);
    }
  }
  std::sort(took.begin(), took.end());
  const auto at = [&took](double share) {
    return took.empty() ? 0.0
                        : took[static_cast<size_t>(share * static_cast<double>(took.size() - 1))];
  };
  printf("{\"found\": %zu, \"missing\": %" PRIu64 ", \"left_out\": %" PRIu64
         ", \"p50_us\": %.0f, \"p99_us\": %.0f, \"max_us\": %.0f, \"stall_us\": %.0f}\n",
         took.size(), missing, left_out, at(0.5), at(0.99), at(1),
         static_cast<double>(stalls.longest_ns()) / 1000);
}

int Run(const std::string& dir, uint64_t count, uint64_t pause_us) {
  const auto segments = ledger::ListSegments(dir);
  if (!segments.ok() || segments->empty()) {
    fprintf(stderr, "bench_latency: no log in %s\n", dir.c_str());
    return 2;
  }
  const uint64_t first = segments->back().epoch;
  const uint64_t pause_ns = pause_us * 1000;
  Probes probes = {.prefix = absl::StrCat("/cairn-latency/", getpid(), "/"),
                   .begun = std::vector<uint64_t>(count),
                   .chained = std::vector<uint64_t>(count)};
  Stalls stalls;
  Growth growth(dir, first);
  Open(pause_ns, &probes);
  sleep(1);
  growth.End();
  stalls.End();
  FindChained(dir, first, growth, &probes);
  Print(probes, stalls, pause_ns);
  return 0;
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  uint64_t count = 0, pause_us = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[2], &count) || !absl::SimpleAtoi(argv[3], &pause_us)) {
    fputs("usage: bench_latency DIR COUNT PAUSE_US\n", stderr);
    return 5;
  }
  return cairn::Run(argv[1], count, pause_us);
}
