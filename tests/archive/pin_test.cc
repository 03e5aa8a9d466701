// The text of a pin: proto/ARCHIVE.md §2.
#include "archive/pin.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "archive/archive.h"
#include "base/io.h"
#include "tests/paths.h"

namespace cairn::archive {
namespace {

Pin Example() {
  return {.epoch = 17,
          .version = "0JP8sAAgsa2G8UdHMcrEOJHzfMqykuB",
          .bytes = 6,
          .sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
          .by = "collector.example"};
}

TEST(Pin, TheDocumentsExampleIsWhatIsWritten) {
  const auto document = ReadFile(SourcePath("proto/ARCHIVE.md"), 1 << 20);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_NE(document->find(absl::StrCat("```\n", Example().ToText(), "```\n")), std::string::npos);
}

TEST(Pin, ComesBackAsItWasWithItsNote) {
  Pin pin = Example();
  pin.note = "origin\n5\nroot\n\n— name sig\n";
  const auto parsed = Pin::Parse(pin.ToText());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->ToText(), pin.ToText());
  EXPECT_EQ(parsed->note, pin.note);
  EXPECT_TRUE(parsed->SameBytes(pin));
}

TEST(Pin, EveryCutOfTheHeadAndEveryWrongLineIsRefused) {
  const std::string text = Example().ToText();
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(Pin::Parse(text.substr(0, size)).ok()) << size;
  }
  for (const auto& [from, to] : {std::pair{"v1", "v2"},
                                 {"0000000017.seg", "17.seg"},
                                 {"bytes 6", "bytes -6"},
                                 {"bytes 6", "bytes 6 "},
                                 {"sha256 58", "sha256 5"},
                                 {"sha256 58", "sha256 5G"},
                                 {"by ", "by"},
                                 {"version ", "version  "}}) {
    std::string wrong = text;
    wrong.replace(wrong.find(from), std::string(from).size(), to);
    EXPECT_FALSE(Pin::Parse(wrong).ok()) << wrong;
  }
  EXPECT_FALSE(Pin::Parse(text + std::string(100000, 'x')).ok());
}

TEST(ArchivedLog, IsABucketAndThreeNames) {
  const auto log = ArchivedLog::Parse("s3://bucket/dep/uuid/1/");
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(log->bucket, "bucket");
  EXPECT_EQ(log->log, "dep/uuid/1");
  for (const char* wrong : {"s3://", "s3://b", "s3://b/d/u", "s3://b/d/u/1/2", "s3://b//u/1",
                            "http://b/d/u/1", "b/d/u/1"}) {
    EXPECT_FALSE(ArchivedLog::Parse(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace cairn::archive
