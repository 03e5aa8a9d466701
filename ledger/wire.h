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

// Of a field whose number is below 2048. One or two stores where the compiler knows the number.
inline uint8_t* PutTag(int field, int wire_type, uint8_t* to) {
  const int tag = field << 3 | wire_type;
  if (tag < 0x80) {
    *to = static_cast<uint8_t>(tag);
    return to + 1;
  }
  to[0] = static_cast<uint8_t>(tag | 0x80);
  to[1] = static_cast<uint8_t>(tag >> 7);
  return to + 2;
}

// A varint field, also when it is zero.
inline uint8_t* PutField(int field, uint64_t value, uint8_t* to) {
  return PutRawVarint(value, PutTag(field, 0, to));
}

// A varint field; zero is left out, as proto3 does.
inline uint8_t* PutVarint(int field, uint64_t value, uint8_t* to) {
  return value == 0 ? to : PutField(field, value, to);
}

// Tag and length of a field of `size` bytes that follow.
inline uint8_t* PutLength(int field, size_t size, uint8_t* to) {
  return PutRawVarint(size, PutTag(field, 2, to));
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
  to = PutTag(field, 2, to);
  return {to, to + (expected < 0x80 ? 1 : 2)};
}

inline uint8_t* EndLength(const LengthMark& mark, uint8_t* end) {
  const size_t size = static_cast<size_t>(end - mark.content);
  const size_t room = static_cast<size_t>(mark.content - mark.length);
  const size_t need = size < 0x80 ? 1 : size < 0x4000 ? 2 : 3;
  if (need != room) std::memmove(mark.length + need, mark.content, size);
  PutRawVarint(size, mark.length);
  return mark.length + need + size;
}

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_WIRE_H_
