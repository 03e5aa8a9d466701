// Frames on a byte stream.
#include "proto/wire.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"

namespace cairn::wire {
namespace {

Frame AppendOf(const std::string& data) {
  Frame frame;
  frame.mutable_append()->set_epoch(3);
  frame.mutable_append()->set_offset(77);
  frame.mutable_append()->set_data(data);
  return frame;
}

TEST(Wire, FramesComeOutWhereverTheStreamIsCut) {
  std::string stream;
  for (int i = 0; i < 3; ++i) AppendFrame(AppendOf(absl::StrCat("data ", i)), &stream);
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    FrameParser parser;
    Frame frame;
    int frames = 0;
    for (const absl::string_view part :
         {absl::string_view(stream).substr(0, cut), absl::string_view(stream).substr(cut)}) {
      parser.Add(part);
      for (;;) {
        const absl::StatusOr<bool> got = parser.Next(&frame);
        ASSERT_TRUE(got.ok()) << got.status();
        if (!*got) break;
        EXPECT_EQ(frame.append().data(), absl::StrCat("data ", frames++));
      }
    }
    EXPECT_EQ(frames, 3);
    EXPECT_EQ(parser.buffered(), 0u);
  }
}

TEST(Wire, EveryCutFrameAsksForMore) {
  std::string stream;
  AppendFrame(AppendOf("data"), &stream);
  for (size_t size = 0; size < stream.size(); ++size) {
    FrameParser parser;
    Frame frame;
    parser.Add(absl::string_view(stream).substr(0, size));
    const absl::StatusOr<bool> got = parser.Next(&frame);
    ASSERT_TRUE(got.ok());
    EXPECT_FALSE(*got);
  }
}

TEST(Wire, LengthsOutOfBoundsAreRefusedBeforeTheirBytesCome) {
  for (const uint32_t length : {0u, static_cast<uint32_t>(kMaxFrameBytes) + 1, 0xffffffffu}) {
    FrameParser parser;
    std::string bytes;
    PutU32(&bytes, length);
    parser.Add(bytes);
    Frame frame;
    EXPECT_EQ(parser.Next(&frame).status().code(), absl::StatusCode::kInvalidArgument) << length;
  }
}

TEST(Wire, WhatIsNoFrameIsRefused) {
  for (const std::string& body : {std::string("\xff\xff\xff"), std::string("\x7a\x00", 2)}) {
    FrameParser parser;
    std::string bytes;
    PutU32(&bytes, static_cast<uint32_t>(body.size()));
    parser.Add(bytes + body);
    Frame frame;
    EXPECT_FALSE(parser.Next(&frame).ok());
  }
}

TEST(Wire, BoundsOfEachMessageHold) {
  Frame frame;
  frame.mutable_hello()->set_origin(std::string(kMaxTextBytes + 1, 'a'));
  EXPECT_FALSE(CheckFrame(frame).ok());
  frame.mutable_hello()->set_origin("a");
  EXPECT_TRUE(CheckFrame(frame).ok());
  frame.mutable_hello()->set_checkpoint(std::string(kMaxNoteBytes + 1, 'a'));
  EXPECT_FALSE(CheckFrame(frame).ok());
  EXPECT_FALSE(CheckFrame(AppendOf("")).ok());
  EXPECT_FALSE(CheckFrame(AppendOf(std::string(kMaxAppendBytes + 1, 'a'))).ok());
  EXPECT_TRUE(CheckFrame(AppendOf(std::string(kMaxAppendBytes, 'a'))).ok());
}

TEST(Wire, CompressionPaysOrIsLeftAlone) {
  Append append;
  const std::string plain(100000, 'x');
  SetAppendData(plain, true, &append);
  EXPECT_LT(append.data().size(), 1000u);
  EXPECT_EQ(*InflateAppend(append), plain);
  SetAppendData("short", true, &append);
  EXPECT_EQ(append.inflated(), 0u);
  EXPECT_EQ(append.data(), "short");
}

TEST(Wire, AWrongInflatedSizeIsRefused) {
  Append append;
  SetAppendData(std::string(100000, 'x'), true, &append);
  for (const uint32_t wrong : {1u, 99999u, 100001u, static_cast<uint32_t>(kMaxAppendBytes)}) {
    append.set_inflated(wrong);
    EXPECT_FALSE(InflateAppend(append).ok()) << wrong;
  }
  append.set_inflated(100);
  append.set_data("not zstd");
  EXPECT_FALSE(InflateAppend(append).ok());
}

}  // namespace
}  // namespace cairn::wire
