#include "base/escape.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "base/utf8.h"

namespace cairn {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool Printable(uint32_t point) {
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return false;
  if (point == 0x2028 || point == 0x2029 || point == 0xfeff) return false;
  const bool bidirectional = (point >= 0x200b && point <= 0x200f) ||
                             (point >= 0x202a && point <= 0x202e) ||
                             (point >= 0x2066 && point <= 0x2069);
  return !bidirectional;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string EscapeBytes(absl::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    uint32_t point = 0;
    const size_t length = DecodeUtf8(bytes, &point);
    if (bytes[0] == '\\') {
      out += "\\\\";
      bytes.remove_prefix(1);
    } else if (length > 0 && Printable(point)) {
      out.append(bytes.data(), length);
      bytes.remove_prefix(length);
    } else {
      for (size_t i = 0; i < (length > 0 ? length : 1); ++i) {
        const uint8_t byte = static_cast<uint8_t>(bytes[i]);
        out += "\\x";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
      }
      bytes.remove_prefix(length > 0 ? length : 1);
    }
  }
  return out;
}

std::string UnescapeBytes(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '\\') {
      out += '\\';
      ++i;
    } else if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] == 'x' &&
               HexValue(text[i + 2]) >= 0 && HexValue(text[i + 3]) >= 0) {
      out += static_cast<char>(HexValue(text[i + 2]) << 4 | HexValue(text[i + 3]));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace cairn
