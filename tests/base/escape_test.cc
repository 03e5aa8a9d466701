#include "base/escape.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn {
namespace {

TEST(Escape, HostileBytesBecomeHarmlessText) {
  EXPECT_EQ(EscapeBytes("plain/päth"), "plain/päth");
  EXPECT_EQ(EscapeBytes("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
  EXPECT_EQ(EscapeBytes("back\\slash"), "back\\\\slash");
  EXPECT_EQ(EscapeBytes("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(EscapeBytes("\xe2\x80\xae"), "\\xe2\\x80\\xae") << "right-to-left override";
  EXPECT_EQ(EscapeBytes("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(EscapeBytes("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
}

TEST(Escape, EveryTwoByteStringComesBack) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string bytes = {static_cast<char>(first), static_cast<char>(second)};
      EXPECT_EQ(UnescapeBytes(EscapeBytes(bytes)), bytes) << first << " " << second;
    }
  }
}

}  // namespace
}  // namespace cairn
