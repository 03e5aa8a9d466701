#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn {
namespace {

// RFC 3720 appendix B.4.
TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
}

TEST(Crc32c, ExtendsAtEverySplit) {
  const std::string text = "The quick brown fox jumps over the lazy dog";
  for (size_t i = 0; i <= text.size(); ++i) {
    EXPECT_EQ(ExtendCrc32c(Crc32c(text.substr(0, i)), text.substr(i)), Crc32c(text)) << i;
  }
}

// Long texts go through several lanes at once, their pieces do not.
TEST(Crc32c, LongTextsAreTheSumOfTheirPieces) {
  std::string text;
  for (size_t i = 0; i < 20000; ++i) text.push_back(static_cast<char>(i * i >> 3));
  for (size_t size = 0; size <= text.size(); size += 611) {
    uint32_t pieces = 0;
    for (size_t at = 0; at < size; at += 100) {
      pieces = ExtendCrc32c(pieces, text.substr(at, std::min<size_t>(100, size - at)));
    }
    EXPECT_EQ(Crc32c(text.substr(0, size)), pieces) << size;
  }
}

}  // namespace
}  // namespace cairn
