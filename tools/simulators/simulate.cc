// Plays many seeds of World. See tools/simulate.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "tools/simulators/world.h"

int main(int argc, char** argv) {
  uint64_t seeds = 1000;
  uint64_t first = 1;
  uint64_t seconds = 3600;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    uint64_t* const value = name == "--seeds"     ? &seeds
                            : name == "--first"   ? &first
                            : name == "--seconds" ? &seconds
                                                  : nullptr;
    if (value == nullptr || i + 1 == argc || !absl::SimpleAtoi(argv[i + 1], value)) {
      std::fputs("usage: tools/simulate [--seeds N] [--first SEED] [--seconds S]\n", stderr);
      return 5;
    }
  }
  // With one seed the programs' own words help; with many they would bury the verdict.
  if (seeds > 1) cairn::SetLogLevel(static_cast<cairn::LogLevel>(0));
  const char* base = std::getenv("TMPDIR");
  const absl::Time end = absl::Now() + absl::Seconds(seconds);
  uint64_t run = 0;
  uint64_t violations = 0;
  uint64_t steps = 0;
  uint64_t faults = 0;
  for (; run < seeds && absl::Now() < end; ++run) {
    std::string dir = absl::StrCat(base != nullptr ? base : "/tmp", "/cairn-simulate-XXXXXX");
    if (::mkdtemp(dir.data()) == nullptr) return 1;
    {
      cairn::simulators::World world(first + run, dir);
      const absl::Status played = world.Play();
      if (!played.ok()) {
        ++violations;
        std::printf("%s\n", std::string(played.message()).c_str());
      }
      steps += world.steps();
      faults += world.faults();
    }
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  std::printf("%llu seeds from %llu, %llu steps, %llu faults, %llu violations\n",
              static_cast<unsigned long long>(run), static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(steps), static_cast<unsigned long long>(faults),
              static_cast<unsigned long long>(violations));
  return violations == 0 ? 0 : 1;
}
