// Runs a fuzz target over its seeds without libFuzzer, in every build: each seed whole, cut short,
// and with bytes changed. `tools/fuzz` searches further. Arguments: TARGET SEED-DIRECTORY.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// libFuzzer's; a target's own mutator refers to it. Nothing is mutated here.
extern "C" size_t LLVMFuzzerMutate(uint8_t*, size_t size, size_t) { return size; }

namespace {

constexpr size_t kPlaces = 200;  // cuts and changes of each seed

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

size_t Replay(const std::string& seed) {
  size_t runs = 1;
  Run(seed);
  const size_t step = seed.size() / kPlaces + 1;
  for (size_t at = 0; at < seed.size(); at += step, runs += 2) {
    Run(seed.substr(0, at));
    std::string changed = seed;
    changed[at] = static_cast<char>(changed[at] ^ 0x81);
    Run(changed);
  }
  return runs;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 5;
  size_t seeds = 0;
  size_t runs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[2])) {
    std::ifstream file(entry.path(), std::ios::binary);
    runs += Replay({std::istreambuf_iterator<char>(file), {}});
    ++seeds;
  }
  std::printf("%s: %zu seeds, %zu executions\n", argv[1], seeds, runs);
  return seeds > 0 ? 0 : 1;
}
