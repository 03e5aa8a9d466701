#include "base/utf8.h"

namespace cairn {

size_t DecodeUtf8(absl::string_view text, uint32_t* point) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto tail = [&](size_t i) { return i < text.size() && (at(i) & 0xc0) == 0x80; };
  const uint8_t lead = at(0);
  if (lead < 0x80) {
    *point = lead;
    return 1;
  }
  if (lead >= 0xc2 && lead <= 0xdf && tail(1)) {
    *point = (lead & 0x1fu) << 6 | (at(1) & 0x3fu);
    return 2;
  }
  if ((lead & 0xf0) == 0xe0 && tail(1) && tail(2)) {
    *point = (lead & 0x0fu) << 12 | (at(1) & 0x3fu) << 6 | (at(2) & 0x3fu);
    return *point >= 0x800 && (*point < 0xd800 || *point > 0xdfff) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4 && tail(1) && tail(2) && tail(3)) {
    *point = (lead & 0x07u) << 18 | (at(1) & 0x3fu) << 12 | (at(2) & 0x3fu) << 6 | (at(3) & 0x3fu);
    return *point >= 0x10000 && *point <= 0x10ffff ? 4 : 0;
  }
  return 0;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    uint32_t point = 0;
    const size_t length = DecodeUtf8(text, &point);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace cairn
