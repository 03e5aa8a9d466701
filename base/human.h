// Numbers as people read them.
#ifndef CAIRN_BASE_HUMAN_H_
#define CAIRN_BASE_HUMAN_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace cairn {

// "12.3 MiB", "17 B".
std::string HumanBytes(uint64_t bytes);
// "1,234,567".
std::string HumanCount(uint64_t count);
// "3 s", "12 min", "5 h", "9 d".
std::string HumanAge(absl::Duration age);

}  // namespace cairn

#endif  // CAIRN_BASE_HUMAN_H_
