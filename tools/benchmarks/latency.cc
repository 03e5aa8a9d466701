// How long from a system call to its record in the log's file, chained and tagged: opens COUNT
// files that do not exist, one each PAUSE_US, while a second thread notes when the newest segment
// of DIR, the log of a running cairnd, grew to what size; then looks up which block holds which
// open.
//
//   bench_latency DIR COUNT PAUSE_US
//
// Prints one JSON line: probes found, missing and left out, since the host of this virtual machine
// took a cpu from it meanwhile; of the others p50, p99 and max in microseconds, to which looking
// adds up to its step, 50 us or what the scheduler makes of it; the longest that it was.
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

// The ticks (10 ms) that the host of this virtual machine took from its cpus (proc(5), steal).
uint64_t StolenTicks() {
  uint64_t stolen = 0;
  if (FILE* const file = fopen("/proc/stat", "re"); file != nullptr) {
    if (fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &stolen) != 1) stolen = 0;
    fclose(file);
  }
  return stolen;
}

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

  // The longest that it did not look, since it was not given its cpu. After End.
  uint64_t longest_pause_ns() const { return longest_pause_; }

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
    uint64_t looked = BootNs();
    for (uint64_t step = 0; !ended_; ++step) {
      const uint64_t now = BootNs();
      longest_pause_ = std::max(longest_pause_, now - looked);
      looked = now;
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
  uint64_t longest_pause_ = 0;
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

int Run(const std::string& dir, uint64_t count, uint64_t pause_us) {
  auto segments = ledger::ListSegments(dir);
  if (!segments.ok() || segments->empty()) {
    fprintf(stderr, "bench_latency: no log in %s\n", dir.c_str());
    return 2;
  }
  const uint64_t first = segments->back().epoch;
  const std::string prefix = absl::StrCat("/cairn-latency/", getpid(), "/");
  std::vector<uint64_t> begun(count), stolen(count);
  Growth growth(dir, first);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string path = absl::StrCat(prefix, i);
    stolen[i] = StolenTicks();
    begun[i] = BootNs();
    (void)!open(path.c_str(), O_RDONLY);
    SleepUntil(begun[i] + pause_us * 1000);
  }
  sleep(1);
  growth.End();
  // From the probe before, whose time is this one's backlog, to the first that began behind it.
  const auto disturbed = [&, at_end = StolenTicks()](uint64_t i, uint64_t until) {
    const auto next = std::lower_bound(begun.begin(), begun.end(), until) - begun.begin();
    const auto behind = static_cast<uint64_t>(next);
    return stolen[i == 0 ? 0 : i - 1] != (behind == count ? at_end : stolen[behind]);
  };

  std::map<uint64_t, std::pair<uint64_t, uint64_t>> ends;  // block: segment, and its byte
  segments = ledger::ListSegments(dir);
  for (const ledger::SegmentInfo& segment : *segments) {
    if (segment.epoch >= first) AddBlockEnds(segment, &ends);
  }
  auto reader = ledger::LogReader::Open(dir);
  std::vector<double> took;
  uint64_t left_out = 0;
  ledger::LoggedRecord logged;
  while (reader.ok()) {
    const auto end = (*reader)->Next(&logged);
    if (!end.ok() || *end != ledger::ReadEnd::kRecord) break;
    absl::string_view number = logged.record->file().path();
    uint64_t i;
    if (!absl::ConsumePrefix(&number, prefix) || !absl::SimpleAtoi(number, &i) || i >= count)
      continue;
    const auto block = ends.find(logged.block);
    const uint64_t when =
        block == ends.end() ? 0 : growth.When(block->second.first, block->second.second);
    if (when == 0) continue;
    if (disturbed(i, when)) {
      ++left_out;
    } else {
      took.push_back(static_cast<double>(when - begun[i]) / 1000);
    }
  }
  std::sort(took.begin(), took.end());
  const auto at = [&took](double share) {
    return took.empty() ? 0.0
                        : took[static_cast<size_t>(share * static_cast<double>(took.size() - 1))];
  };
  printf("{\"found\": %zu, \"missing\": %zu, \"left_out\": %" PRIu64
         ", \"p50_us\": %.0f, \"p99_us\": %.0f, \"max_us\": %.0f, \"not_looked_us\": %.0f}\n",
         took.size(), count - std::min<size_t>(count, took.size() + left_out), left_out, at(0.5),
         at(0.99), at(1), static_cast<double>(growth.longest_pause_ns()) / 1000);
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
