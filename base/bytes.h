// Big-endian integers in byte strings, as proto/FORMAT.md writes them.
#ifndef CAIRN_BASE_BYTES_H_
#define CAIRN_BASE_BYTES_H_

#include <cstdint>
#include <string>

#include "absl/base/internal/endian.h"
#include "absl/strings/string_view.h"

namespace cairn {

inline void PutU32(std::string* out, uint32_t value) {
  char bytes[4];
  absl::big_endian::Store32(bytes, value);
  out->append(bytes, 4);
}

inline void PutU64(std::string* out, uint64_t value) {
  char bytes[8];
  absl::big_endian::Store64(bytes, value);
  out->append(bytes, 8);
}

// `bytes` must hold at least that many.
inline uint32_t GetU32(const char* bytes) { return absl::big_endian::Load32(bytes); }
inline uint64_t GetU64(const char* bytes) { return absl::big_endian::Load64(bytes); }

}  // namespace cairn

#endif  // CAIRN_BASE_BYTES_H_
