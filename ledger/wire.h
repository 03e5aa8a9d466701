// Protobuf's wire format: written field by field into memory that the caller has made sure of, and
// read varint by varint.
// https://protobuf.dev/programming-guides/encoding/
#ifndef CAIRN_LEDGER_WIRE_H_
#define CAIRN_LEDGER_WIRE_H_

#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace cairn::ledger {

inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

// False: `end` comes first, or it is longer than ten bytes.
inline bool GetVarint(const uint8_t** at, const uint8_t* end, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 70 && *at < end; shift += 7) {
    const uint8_t byte = *(*at)++;
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

inline uint8_t* PutRawVarint(uint64_t value, uint8_t* to) {
  while (value >= 0x80) {
    *to++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<uint8_t>(value);
  return to;
}

// A varint field, also when it is zero.
inline uint8_t* PutField(int field, uint64_t value, uint8_t* to) {
  to = PutRawVarint(static_cast<uint64_t>(field) << 3, to);
  return PutRawVarint(value, to);
}

// A varint field; zero is left out, as proto3 does.
inline uint8_t* PutVarint(int field, uint64_t value, uint8_t* to) {
  return value == 0 ? to : PutField(field, value, to);
}

// Tag and length of a field of `size` bytes that follow.
inline uint8_t* PutLength(int field, size_t size, uint8_t* to) {
  to = PutRawVarint(static_cast<uint64_t>(field) << 3 | 2, to);
  return PutRawVarint(size, to);
}

inline uint8_t* PutBytes(int field, absl::string_view bytes, uint8_t* to) {
  if (bytes.empty()) return to;
  to = PutLength(field, bytes.size(), to);
  std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

// A field whose length is known only behind it: Begin, write at `content`, End. `expected` (bytes)
// decides how much room the length gets; content of another length class is moved.
struct LengthMark {
  uint8_t* length;
  uint8_t* content;
};

inline LengthMark BeginLength(int field, size_t expected, uint8_t* to) {
  to = PutRawVarint(static_cast<uint64_t>(field) << 3 | 2, to);
  return {to, to + (expected < 0x80 ? 1 : 2)};
}

inline uint8_t* EndLength(const LengthMark& mark, uint8_t* end) {
  const size_t size = static_cast<size_t>(end - mark.content);
  uint8_t prefix[10];
  const size_t prefix_size = static_cast<size_t>(PutRawVarint(size, prefix) - prefix);
  if (mark.length + prefix_size != mark.content) {
    std::memmove(mark.length + prefix_size, mark.content, size);
  }
  std::memcpy(mark.length, prefix, prefix_size);
  return mark.length + prefix_size + size;
}

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_WIRE_H_
