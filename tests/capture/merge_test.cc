#include "agent/capture/merge.h"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

struct Numbers {
  std::vector<uint64_t> times;
  size_t at = 0;
  size_t* left = nullptr;  // of all streams: what may still be handed out; null: any
  bool Head(uint64_t* time) {
    if (at == times.size() || (left != nullptr && *left == 0)) return false;
    *time = times[at];
    return true;
  }
  template <typename Sink>
  void Take(Sink& sink) {
    sink(times[at++]);
    if (left != nullptr) --*left;
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

// A ring that holds much stops all of them, wherever that happens.
TEST(Merge, StoppedAnywhereItHandsOutTheOldestOnly) {
  std::mt19937 random(7);
  std::vector<std::pair<uint64_t, uint32_t>> heap;
  for (int round = 0; round < 500; ++round) {
    size_t left = 0;
    std::vector<Numbers> streams(2 + random() % 6);
    std::vector<uint64_t> all;
    for (Numbers& stream : streams) {
      stream.left = &left;
      for (int i = 0; i < 20; ++i) stream.times.push_back(random() % 1000);
      std::sort(stream.times.begin(), stream.times.end());
      all.insert(all.end(), stream.times.begin(), stream.times.end());
    }
    std::sort(all.begin(), all.end());
    std::vector<uint64_t> got;
    while (got.size() < all.size()) {
      const size_t some = left = 1 + random() % 9;
      const size_t before = got.size();
      Merge(streams, 1000, heap, [&](uint64_t time) { got.push_back(time); });
      ASSERT_EQ(got.size() - before, std::min(some, all.size() - before));
    }
    ASSERT_EQ(got, all) << "round " << round;
  }
}

}  // namespace
}  // namespace cairn::capture
