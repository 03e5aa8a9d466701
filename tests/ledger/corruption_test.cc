// Attackers' edits of a finished log: each must be seen, and its place named.
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ledger/frame.h"
#include "ledger/verifier.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

struct PlacedFrame {
  size_t offset;
  size_t size;
  FrameType type;
};

std::vector<PlacedFrame> Frames(const std::string& bytes) {
  SegmentHeader header;
  size_t at = 0;
  std::string cause;
  EXPECT_EQ(ParseHeader(bytes, &header, &at, &cause), FrameEnd::kFrame) << cause;
  std::vector<PlacedFrame> frames;
  while (at < bytes.size()) {
    FrameView frame;
    const FrameEnd end = ParseFrame(absl::string_view(bytes).substr(at), &frame, &cause);
    EXPECT_EQ(end, FrameEnd::kFrame) << cause;
    frames.push_back({at, frame.size, frame.type});
    at += frame.size;
  }
  return frames;
}

class Corruption : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(log_.Open().ok());
    for (int epoch = 0; epoch < 3; ++epoch) {
      for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(log_.Append(absl::StrCat("/epoch/", epoch, "/", i)).ok());
        log_.ledger->Flush();
      }
      if (epoch == 2) break;
      ASSERT_TRUE(log_.ledger->Rotate("signal").ok());
    }
    ASSERT_TRUE(log_.ledger->Close("stop").ok());
    ASSERT_EQ(log_.Verify().verdict, Verdict::kOk);
    bytes_ = ReadAll(log_.SegmentPath(1));
  }

  Report VerifyWith(const std::string& bytes) {
    WriteAllTo(log_.SegmentPath(1), bytes);
    Report report = log_.Verify();
    WriteAllTo(log_.SegmentPath(1), bytes_);
    return report;
  }

  TestLog log_;
  std::string bytes_;
};

TEST_F(Corruption, AnyFlippedByteIsSeen) {
  for (size_t at = 0; at < bytes_.size(); ++at) {
    std::string bytes = bytes_;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    const Report report = VerifyWith(bytes);
    ASSERT_EQ(report.verdict, Verdict::kTampered) << at;
    ASSERT_FALSE(report.findings.empty());
  }
}

TEST_F(Corruption, AFlippedBitInABlockNamesTheBlockAndItsRecords) {
  uint64_t block = 12;  // epoch 0: opening, 10, close
  for (const PlacedFrame& frame : Frames(bytes_)) {
    if (frame.type != FrameType::kBlock) continue;
    for (size_t bit = 0; bit < 8; ++bit) {
      std::string bytes = bytes_;
      const size_t at = frame.offset + frame.size - 3;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      const Report report = VerifyWith(bytes);
      ASSERT_EQ(report.verdict, Verdict::kTampered);
      EXPECT_EQ(report.findings[0].block, block);
      EXPECT_EQ(report.findings[0].first_sequence, block) << "one record a block here";
      EXPECT_EQ(report.findings[0].code, "frame");
    }
    ++block;
  }
  EXPECT_EQ(block, 24u);
}

TEST_F(Corruption, ARewrittenBlockWithARepairedChecksumIsSeen) {
  for (const PlacedFrame& placed : Frames(bytes_)) {
    if (placed.type != FrameType::kBlock) continue;
    std::string frame = bytes_.substr(placed.offset, placed.size);
    const size_t name = frame.find("/epoch/1/");
    if (name == std::string::npos) continue;
    frame[name + 1] = 'E';
    FinishFrame(FrameType::kBlock, frame.data(), frame.size());
    std::string bytes = bytes_;
    bytes.replace(placed.offset, placed.size, frame);
    const Report report = VerifyWith(bytes);
    ASSERT_EQ(report.verdict, Verdict::kTampered);
    EXPECT_EQ(report.findings[0].code, "chain");
    EXPECT_LE(report.findings[0].block, report.findings[0].end_block);
  }
}

TEST_F(Corruption, EveryDeletedDuplicatedOrSwappedFrameIsSeen) {
  const std::vector<PlacedFrame> frames = Frames(bytes_);
  for (size_t i = 0; i < frames.size(); ++i) {
    const auto& [offset, size, type] = frames[i];
    if (type == FrameType::kCommit) continue;  // says nothing that the rest does not
    std::string bytes = bytes_;
    bytes.erase(offset, size);
    EXPECT_EQ(VerifyWith(bytes).verdict, Verdict::kTampered) << "deleted " << i;
    bytes = bytes_;
    bytes.insert(offset, bytes_.substr(offset, size));
    EXPECT_EQ(VerifyWith(bytes).verdict, Verdict::kTampered) << "doubled " << i;
    if (i + 1 == frames.size()) continue;
    bytes = bytes_;
    bytes.erase(offset, size);
    bytes.insert(offset + frames[i + 1].size, bytes_.substr(offset, size));
    EXPECT_EQ(VerifyWith(bytes).verdict, Verdict::kTampered) << "swapped " << i;
  }
}

TEST_F(Corruption, EveryTruncationOfASealedSegmentIsSeen) {
  for (size_t length = 0; length < bytes_.size(); ++length) {
    const Report report = VerifyWith(bytes_.substr(0, length));
    ASSERT_NE(report.verdict, Verdict::kOk) << length;
    ASSERT_NE(report.verdict, Verdict::kIncomplete) << length;
  }
}

TEST_F(Corruption, AMissingSegmentIsSeenWhereverItWas) {
  for (uint64_t epoch = 1; epoch < 3; ++epoch) {
    const std::string bytes = ReadAll(log_.SegmentPath(epoch));
    std::filesystem::remove(log_.SegmentPath(epoch));
    EXPECT_EQ(log_.Verify().verdict, Verdict::kTampered) << epoch;
    WriteAllTo(log_.SegmentPath(epoch), bytes);
  }
  std::filesystem::remove(log_.SegmentPath(0));
  EXPECT_EQ(log_.Verify().verdict, Verdict::kIncomplete) << "starts later, and does not say why";
}

TEST_F(Corruption, AnotherKeyVouchesForNothing) {
  VerifyOptions options;
  options.key = log_.verifier_key();
  options.key->public_key = SigningKey::Generate().public_key();
  EXPECT_EQ(VerifyLog(log_.dir.path(), options).verdict, Verdict::kTampered);
  EXPECT_EQ(VerifyLog(log_.dir.path(), {}).verdict, Verdict::kIncomplete) << "no key at all";
  VerifyOptions self;
  self.self_key = true;
  EXPECT_EQ(VerifyLog(log_.dir.path(), self).verdict, Verdict::kOk);
}

TEST_F(Corruption, WhatIsNoLogIsBadInput) {
  TempDir dir;
  EXPECT_EQ(VerifyLog(dir.path(), {}).verdict, Verdict::kBadInput);
  EXPECT_EQ(VerifyLog(dir.path() + "/absent", {}).verdict, Verdict::kBadInput);
  for (const char* content : {"", "x", "CAIRNSG1", "CAIRNSG1\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    WriteAllTo(dir.path() + "/0000000000.seg", content);
    EXPECT_NE(VerifyLog(dir.path(), {}).verdict, Verdict::kOk);
  }
}

}  // namespace
}  // namespace cairn::ledger
