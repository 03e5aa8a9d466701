// How long until it records: from the start of cairnd's program to the first act that is in its
// log. Meanwhile this program sets its own user id, which changes nothing and is always wanted,
// once a millisecond. Goal: at most 1 s.
//
//   tools/bench start [ROUNDS]   15; the first with a new log, the others with one that is there
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ledger/reader.h"
#include "tools/benchmarks/host.h"

namespace cairn {
namespace {

constexpr uint64_t kGoalNs = 1'000'000'000;
constexpr uint64_t kAfterNs = 3'000'000'000;  // how long the acts go on
constexpr uint64_t kActEveryUs = 1'000;

// When the first of our acts after each of `starts` happened that is in the log; 0: none.
std::vector<uint64_t> FirstActs(const std::string& log, const std::vector<uint64_t>& starts) {
  std::vector<uint64_t> first(starts.size(), 0);
  auto reader = ledger::LogReader::Open(log);
  ledger::LoggedRecord logged;
  while (reader.ok()) {
    const auto end = (*reader)->Next(&logged);
    if (!end.ok() || *end != ledger::ReadEnd::kRecord) break;
    if (logged.record->type() != CRED_SETUID || logged.process == nullptr ||
        logged.process->pid() != static_cast<uint32_t>(getpid())) {
      continue;
    }
    const auto after = std::upper_bound(starts.begin(), starts.end(), logged.time_ns);
    if (after == starts.begin()) continue;
    uint64_t& round = first[static_cast<size_t>(after - starts.begin()) - 1];
    if (round == 0) round = logged.time_ns;
  }
  return first;
}

bool Run(BenchHost* host, int rounds) {
  if (!host->Prepare("", "audit: multicast")) return false;
  std::vector<uint64_t> starts;
  for (int round = 0; round < rounds; ++round) {
    starts.push_back(BootNs());
    if (!host->Start()) return false;
    while (BootNs() < starts.back() + kAfterNs) {
      (void)!setuid(getuid());
      usleep(kActEveryUs);
    }
    if (host->Stop() != 0) return false;
  }
  std::vector<uint64_t> took = FirstActs(host->dir() + "/log/1", starts);
  for (size_t i = 0; i < took.size(); ++i) {
    if (took[i] == 0) {
      printf("round %zu: nothing was recorded\n", i + 1);
      return false;
    }
    took[i] -= starts[i];
  }
  printf("a new log          %6.0f ms\n", static_cast<double>(took[0]) / 1e6);
  std::sort(took.begin(), took.end());
  const uint64_t median = took[took.size() / 2];
  printf("fastest            %6.0f ms\n", static_cast<double>(took.front()) / 1e6);
  printf("median of %-3zu      %6.0f ms  (goal <= 1000)\n", took.size(),
         static_cast<double>(median) / 1e6);
  printf("slowest            %6.0f ms\n", static_cast<double>(took.back()) / 1e6);
  return median <= kGoalNs;
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  const std::string programs = cairn::ProgramsBeside(argv[0]);
  if (programs.empty()) return 4;
  const int rounds = argc > 1 ? atoi(argv[1]) : 15;
  if (rounds < 1) {
    fputs("usage: tools/bench start [ROUNDS]\n", stderr);
    return 5;
  }
  cairn::BenchHost host(programs);
  const bool good = cairn::Run(&host, rounds);
  host.Stop();
  host.Finish(good);
  return good ? 0 : 1;
}
