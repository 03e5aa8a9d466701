#include "agent/capture/merge.h"

#include <random>

#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

struct Numbers {
  std::vector<uint64_t> times;
  size_t at = 0;
  bool Head(uint64_t* time) {
    if (at == times.size()) return false;
    *time = times[at];
    return true;
  }
  template <typename Sink>
  void Take(Sink& sink) {
    sink(times[at++]);
  }
};

TEST(Merge, AnyStreamsComeOutInOrderUpToTheLimit) {
  std::mt19937 random(7);
  std::vector<std::pair<uint64_t, uint32_t>> heap;
  for (int round = 0; round < 200; ++round) {
    std::vector<Numbers> streams(random() % 8);
    std::vector<uint64_t> all;
    for (Numbers& stream : streams) {
      const size_t count = random() % 20;
      for (size_t i = 0; i < count; ++i) stream.times.push_back(random() % 100);
      std::sort(stream.times.begin(), stream.times.end());
      all.insert(all.end(), stream.times.begin(), stream.times.end());
    }
    std::sort(all.begin(), all.end());
    const uint64_t limit = random() % 110;
    std::vector<uint64_t> got;
    const size_t count = Merge(streams, limit, heap, [&](uint64_t time) { got.push_back(time); });
    all.erase(std::upper_bound(all.begin(), all.end(), limit), all.end());
    EXPECT_EQ(got, all);
    EXPECT_EQ(count, all.size());
  }
}

}  // namespace
}  // namespace cairn::capture
