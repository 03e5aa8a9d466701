#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "agent/capture/ring.h"
#include "agent/capture/rings.h"
#include "bpf/event_maps.h"

namespace cairn::capture {
namespace {

constexpr size_t kChunk = 65536;
constexpr size_t kChunks = 4;
constexpr size_t kBytes = kChunk * kChunks;
constexpr size_t kStride = kChunk + LANE_SLACK;

// A lane whose writer is this test; it does what bpf/lane.h does.
class LaneTest : public testing::Test {
 protected:
  bool Put(const std::string& record) {
    const uint64_t after = lane_after(head_, record.size(), kChunk);
    if (after - tail_ > kBytes) return false;
    char* at = &memory_[head_ / kChunk % kChunks * kStride + head_ % kChunk];
    const uint64_t size = record.size();
    memcpy(at, &size, sizeof(size));
    memcpy(at + LANE_HEADER, record.data(), size);
    head_ = after;
    return true;
  }

  uint64_t head_ = 0, tail_ = 0;
  std::vector<char> memory_ = std::vector<char>(kChunks * kStride);
  const Lane lane_ = {&tail_, &head_, memory_.data(), kChunk};
  Ring ring_{lane_, kBytes};
};

std::string Bytes(std::mt19937* random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((*random)());
  return bytes;
}

TEST_F(LaneTest, RecordsOfAllSizesComeWholeAndInOrder) {
  std::mt19937 random(7);
  std::vector<std::string> waiting;
  size_t read = 0, refused = 0, largest = 0;
  for (int i = 0; i < 20'000; ++i) {
    const bool large = random() % 20 == 0;
    const size_t size = sizeof(event_header) +
                        random() % ((large ? size_t{EVENT_BYTES} : 300) - sizeof(event_header));
    std::string record = Bytes(&random, size);
    if (Put(record)) {
      waiting.push_back(std::move(record));
      largest = std::max(largest, size);
    } else {
      ++refused;
    }
    if (random() % 40 != 0) continue;
    while (read < waiting.size() && random() % 64 != 0) {
      ASSERT_EQ(ring_.Peek(), waiting[read]) << "record " << read;
      waiting[read++].clear();
      ring_.Advance();
    }
    ring_.Release();
  }
  EXPECT_GT(refused, 100u);
  EXPECT_GT(read, 5'000u);
  EXPECT_GT(largest, EVENT_BYTES - 1000u);
  EXPECT_GT(head_, 20 * kBytes);
}

TEST_F(LaneTest, WhatWasNotReleasedIsNotOverwritten) {
  const std::string record(1000, 'a');
  int put = 0;
  while (Put(record)) ++put;
  EXPECT_GE(put, static_cast<int>(kBytes / 1008) - 1);
  for (int i = 0; i < put; ++i) {
    ASSERT_EQ(ring_.Peek(), record);
    ring_.Advance();
    EXPECT_FALSE(Put(record)) << "passed, not released";
  }
  EXPECT_TRUE(ring_.Peek().empty());
  ring_.Release();
  EXPECT_TRUE(Put(record));
  EXPECT_EQ(ring_.Peek(), record);
}

TEST_F(LaneTest, ARecordThatEndsWithItsChunkIsFollowedByTheNextChunk) {
  ASSERT_TRUE(Put(std::string(EVENT_BYTES, 'a')));
  ASSERT_TRUE(Put(std::string(kChunk - head_ - LANE_HEADER, 'b')));
  EXPECT_EQ(head_, kChunk);
  ASSERT_TRUE(Put(std::string(sizeof(event_header), 'c')));
  for (const char first : {'a', 'b', 'c'}) {
    ASSERT_EQ(ring_.Peek().substr(0, 1), std::string(1, first));
    ring_.Advance();
  }
  EXPECT_FALSE(ring_.HasData());
}

TEST_F(LaneTest, PositionsThatSomebodyMovedEndTheReadingAndNothingElse) {
  const uint64_t jumps[] = {8, 4096, kChunk, kBytes, kBytes + 8, ~uint64_t{0} / 2, 1 << 20};
  const std::string record(100, 'a');
  for (const char fill : {'\xff', '\0', '\x10'}) {
    for (const uint64_t jump : jumps) {
      ASSERT_TRUE(Put(record));
      ASSERT_EQ(ring_.Peek(), record);
      ring_.Advance();
      ring_.Release();
      EXPECT_FALSE(ring_.WasMoved());
      memset(memory_.data(), fill, memory_.size());  // no length of a record
      head_ += jump;
      EXPECT_TRUE(ring_.Peek().empty()) << jump;
      EXPECT_FALSE(ring_.HasData()) << jump;
      EXPECT_TRUE(ring_.WasMoved()) << jump;
      ring_.Release();
      ASSERT_EQ(tail_, head_);
      head_ &= ~uint64_t{7};  // and back
      ring_.Peek();
      ring_.Release();
      ring_.WasMoved();
    }
  }
}

TEST_F(LaneTest, AReadingPositionThatSomebodyMovedIsToldEvenWhenMoreWasReadSince) {
  const std::string record(100, 'a');
  ASSERT_TRUE(Put(record));
  ASSERT_EQ(ring_.Peek(), record);
  ring_.Advance();
  tail_ += 4096;
  ring_.Release();
  EXPECT_EQ(tail_, head_);
  EXPECT_TRUE(ring_.WasMoved());
  EXPECT_FALSE(ring_.WasMoved());
}

TEST(FittingRingBytes, LanesOfManyCpusAreLessThanOldKernelsCanMap) {
  EXPECT_EQ(FittingRingBytes(1 << 20, 2), 1u << 20);
  EXPECT_EQ(FittingRingBytes(256 << 20, 2), 256u << 20);
  EXPECT_EQ(FittingRingBytes(1 << 20, EVENT_CPUS), 1u << 20);
  EXPECT_EQ(FittingRingBytes(256 << 20, 64), 16u << 20);
  EXPECT_EQ(FittingRingBytes(256 << 20, EVENT_CPUS), 1u << 20);
}

}  // namespace
}  // namespace cairn::capture
