// CRC-32C (Castagnoli, RFC 3720 appendix B.4), in hardware where the CPU has it.
#ifndef CAIRN_BASE_CRC32C_H_
#define CAIRN_BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace cairn {

// CRC of the bytes so far (`crc`, 0 at first) followed by `data`.
uint32_t ExtendCrc32c(uint32_t crc, absl::string_view data);
inline uint32_t Crc32c(absl::string_view data) { return ExtendCrc32c(0, data); }

}  // namespace cairn

#endif  // CAIRN_BASE_CRC32C_H_
