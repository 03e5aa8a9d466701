#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace cairn {
namespace {

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();

uint32_t ExtendPortable(uint32_t state, const char* data, size_t size) {
  for (; size > 0; ++data, --size) {
    state = kTable[(state ^ static_cast<uint8_t>(*data)) & 0xff] ^ (state >> 8);
  }
  return state;
}

#if defined(__x86_64__)
// The instruction takes three cycles and can start every cycle: three lanes run side by side.
constexpr size_t kLane = 1024;

// What kLane zero bytes make of a state, which is linear in its bits: one table a byte of it.
struct LaneShift {
  std::array<std::array<uint32_t, 256>, 4> tables{};

  LaneShift() {
    for (size_t byte = 0; byte < 4; ++byte) {
      for (uint32_t value = 0; value < 256; ++value) {
        const std::array<char, kLane> zeros{};
        tables[byte][value] = ExtendPortable(value << (8 * byte), zeros.data(), zeros.size());
      }
    }
  }
  uint32_t operator()(uint32_t state) const {
    return tables[0][state & 0xff] ^ tables[1][state >> 8 & 0xff] ^ tables[2][state >> 16 & 0xff] ^
           tables[3][state >> 24];
  }
};

uint64_t Word(const char* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) uint32_t ExtendLanes(uint32_t state, const char* data) {
  static const LaneShift shift;
  uint64_t first = state;
  uint64_t second = 0;
  uint64_t third = 0;
  for (size_t i = 0; i < kLane; i += 8) {
    first = _mm_crc32_u64(first, Word(data + i));
    second = _mm_crc32_u64(second, Word(data + kLane + i));
    third = _mm_crc32_u64(third, Word(data + 2 * kLane + i));
  }
  const uint32_t two = shift(static_cast<uint32_t>(first)) ^ static_cast<uint32_t>(second);
  return shift(two) ^ static_cast<uint32_t>(third);
}

__attribute__((target("sse4.2"))) uint32_t ExtendHardware(uint32_t state, const char* data,
                                                          size_t size) {
  for (; size >= 3 * kLane; data += 3 * kLane, size -= 3 * kLane) state = ExtendLanes(state, data);
  uint64_t wide = state;
  for (; size >= 8; data += 8, size -= 8) {
    wide = _mm_crc32_u64(wide, Word(data));
  }
  state = static_cast<uint32_t>(wide);
  for (; size > 0; ++data, --size) state = _mm_crc32_u8(state, static_cast<uint8_t>(*data));
  return state;
}
#endif

}  // namespace

uint32_t ExtendCrc32c(uint32_t crc, absl::string_view data) {
#if defined(__x86_64__)
  static const bool hardware = __builtin_cpu_supports("sse4.2");
  if (hardware) return ~ExtendHardware(~crc, data.data(), data.size());
#endif
  return ~ExtendPortable(~crc, data.data(), data.size());
}

}  // namespace cairn
