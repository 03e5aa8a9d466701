// The kernel's clocks, as records use them. Any thread.
#ifndef CAIRN_BASE_CLOCK_H_
#define CAIRN_BASE_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace cairn {

inline uint64_t ClockNs(clockid_t clock) {
  timespec ts;
  ::clock_gettime(clock, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(ts.tv_nsec);
}
inline uint64_t BootNs() { return ClockNs(CLOCK_BOOTTIME); }        // runs during suspend
inline uint64_t MonotonicNs() { return ClockNs(CLOCK_MONOTONIC); }  // does not
inline uint64_t WallNs() { return ClockNs(CLOCK_REALTIME); }        // may be set

// The first multiple of `period_ns` behind `ns`: what is done once a period at it shares its
// wake-ups.
constexpr uint64_t NextMultiple(uint64_t ns, uint64_t period_ns) {
  return (ns / period_ns + 1) * period_ns;
}

// CLOCK_REALTIME - CLOCK_BOOTTIME.
inline int64_t WallOffsetNs() {
  const uint64_t wall_ns = WallNs();
  return static_cast<int64_t>(wall_ns - BootNs());
}

// How long the machine was suspended since boot. The later reading is of the clock that is
// never behind, so that the difference is not negative.
inline uint64_t SuspendedNs() {
  const uint64_t monotonic_ns = MonotonicNs();
  return BootNs() - monotonic_ns;
}

}  // namespace cairn

#endif  // CAIRN_BASE_CLOCK_H_
