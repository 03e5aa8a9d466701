// Preloaded into cairnd: while the file $CAIRN_SLEPT exists, the machine has slept for a minute, as
// far as the boot-time clock tells, which alone runs on in a suspended machine.
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const long result = syscall(SYS_clock_gettime, clock, now);
  static const char* const slept = getenv("CAIRN_SLEPT");
  if (clock == CLOCK_BOOTTIME && slept != nullptr && access(slept, F_OK) == 0) now->tv_sec += 60;
  return static_cast<int>(result);
}
