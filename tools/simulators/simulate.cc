// Plays many seeds of World. See tools/simulate.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "tools/simulators/world.h"

namespace {

// What all threads played.
struct Sum {
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> run{0};
  std::atomic<uint64_t> violations{0};
  std::atomic<uint64_t> steps{0};
  std::atomic<uint64_t> faults{0};
  std::atomic<uint64_t> trace{0};  // of all seeds, in whatever order they came to their ends
};

uint64_t Front(const cairn::ledger::Hash& hash) {
  uint64_t front = 0;
  for (size_t i = 0; i < sizeof front; ++i) front = front << 8 | hash[i];
  return front;
}

void Play(uint64_t first, uint64_t seeds, absl::Time end, Sum* sum) {
  const char* base = std::getenv("TMPDIR");
  for (;;) {
    const uint64_t seed = first + sum->next++;
    if (seed >= first + seeds || absl::Now() >= end) return;
    std::string dir = absl::StrCat(base != nullptr ? base : "/tmp", "/cairn-simulate-XXXXXX");
    if (::mkdtemp(dir.data()) == nullptr) return;
    {
      cairn::simulators::World world(seed, dir);
      const absl::Status played = world.Play();
      if (!played.ok()) {
        ++sum->violations;
        std::printf("%s\n", std::string(played.message()).c_str());
      }
      sum->steps += world.steps();
      sum->faults += world.faults();
      sum->trace ^= Front(world.trace());
    }
    ++sum->run;
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seeds = 1000;
  uint64_t first = 1;
  uint64_t seconds = 3600;
  uint64_t threads = std::max(1u, std::thread::hardware_concurrency());
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    uint64_t* const value = name == "--seeds"     ? &seeds
                            : name == "--first"   ? &first
                            : name == "--seconds" ? &seconds
                            : name == "--threads" ? &threads
                                                  : nullptr;
    if (value == nullptr || i + 1 == argc || !absl::SimpleAtoi(argv[i + 1], value)) {
      std::fputs("usage: tools/simulate [--seeds N] [--first SEED] [--seconds S] [--threads N]\n",
                 stderr);
      return 5;
    }
  }
  // With one seed the programs' own words help; with many they would bury the verdict.
  if (seeds > 1) cairn::SetLogLevel(static_cast<cairn::LogLevel>(0));
  Sum sum;
  const absl::Time end = absl::Now() + absl::Seconds(seconds);
  std::vector<std::thread> players;
  for (uint64_t i = 0; i < std::min(threads, seeds); ++i) {
    players.emplace_back([&] { Play(first, seeds, end, &sum); });
  }
  for (std::thread& player : players) player.join();
  std::printf(
      "%llu seeds from %llu, %llu steps, %llu faults, %llu violations, trace %016llx\n",
      static_cast<unsigned long long>(sum.run), static_cast<unsigned long long>(first),
      static_cast<unsigned long long>(sum.steps), static_cast<unsigned long long>(sum.faults),
      static_cast<unsigned long long>(sum.violations), static_cast<unsigned long long>(sum.trace));
  // Seeds that time was too short for are not a success.
  return sum.violations == 0 && sum.run == seeds ? 0 : 1;
}
