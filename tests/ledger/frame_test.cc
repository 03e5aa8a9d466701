#include "ledger/frame.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace cairn::ledger {
namespace {

TEST(Frame, EveryTruncationNeedsMoreAndIsNeverTaken) {
  const std::string frame = MakeFrame(FrameType::kCheckpoint, "some note");
  for (size_t length = 0; length < frame.size(); ++length) {
    FrameView view;
    std::string cause;
    EXPECT_EQ(ParseFrame(absl::string_view(frame).substr(0, length), &view, &cause),
              FrameEnd::kNeedMore);
    EXPECT_FALSE(PeekFrame(absl::string_view(frame).substr(0, length), &view)) << length;
  }
}

TEST(Frame, APeekSeesTheSameFrameWithoutItsChecksum) {
  std::string frame = MakeFrame(FrameType::kCheckpoint, "some note");
  frame[6] ^= 1;  // of the checksum
  const std::string bytes = frame + "what follows";
  FrameView view;
  std::string cause;
  EXPECT_EQ(ParseFrame(bytes, &view, &cause), FrameEnd::kBad);
  ASSERT_TRUE(PeekFrame(bytes, &view));
  EXPECT_EQ(view.type, FrameType::kCheckpoint);
  EXPECT_EQ(view.body, "some note");
  EXPECT_EQ(view.size, frame.size());
  frame[4] = 0;
  EXPECT_FALSE(PeekFrame(frame, &view)) << "no type";
}

TEST(Frame, AnyFlippedBitIsBadOrNeedsMore) {
  const std::string frame = MakeFrame(FrameType::kCheckpoint, "some note");
  for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string flipped = frame;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    FrameView view;
    std::string cause;
    EXPECT_NE(ParseFrame(flipped, &view, &cause), FrameEnd::kFrame) << bit;
  }
}

TEST(Frame, LengthIsBoundedBeforeItIsBelieved) {
  std::string frame = MakeFrame(FrameType::kBlock, std::string(kMaxFrameBody, 'x'));
  FrameView view;
  std::string cause;
  EXPECT_EQ(ParseFrame(frame, &view, &cause), FrameEnd::kFrame);
  frame[0] = '\xff';
  EXPECT_EQ(ParseFrame(frame, &view, &cause), FrameEnd::kBad);
  EXPECT_NE(cause.find("is over"), std::string::npos);
}

TEST(Frame, TypeZeroAndUnknownTypesAreBad) {
  FrameView view;
  std::string cause;
  EXPECT_EQ(ParseFrame(std::string(64, '\0'), &view, &cause), FrameEnd::kBad);
  EXPECT_EQ(ParseFrame(MakeFrame(static_cast<FrameType>(6), ""), &view, &cause), FrameEnd::kBad);
}

TEST(Frame, CheckpointFileComesBack) {
  const auto file = ParseCheckpointFile(FormatCheckpointFile({"0000000003.seg", 77, "n\n\ns\n"}));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->segment, "0000000003.seg");
  EXPECT_EQ(file->offset, 77u);
  EXPECT_EQ(file->note, "n\n\ns\n");
  for (const char* bad :
       {"", "segment ../x\noffset 1\n\nn", "segment 0000000003.seg\noffset -1\n\nn",
        "segment 0000000003.seg\n\noffset 1\n"}) {
    EXPECT_FALSE(ParseCheckpointFile(bad).ok()) << bad;
  }
}

TEST(Frame, SegmentNamesAreTenDigits) {
  uint64_t epoch = 0;
  EXPECT_EQ(SegmentName(17), "0000000017.seg");
  EXPECT_TRUE(ParseSegmentName("0000000017.seg", &epoch));
  EXPECT_EQ(epoch, 17u);
  for (const char* bad : {"17.seg", "0000000017", "+000000017.seg", "0000000017.seg.tmp", ""}) {
    EXPECT_FALSE(ParseSegmentName(bad, &epoch)) << bad;
  }
}

}  // namespace
}  // namespace cairn::ledger
