// Counts operator new in the program that is linked with this.
#ifndef CAIRN_TESTS_ALLOCATIONS_H_
#define CAIRN_TESTS_ALLOCATIONS_H_

#include <cstdint>

namespace cairn {

// Calls of operator new since the program began, on all threads. Any thread.
uint64_t Allocations();

}  // namespace cairn

#endif  // CAIRN_TESTS_ALLOCATIONS_H_
