#include "base/priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace cairn {
namespace {

// The kernel's struct sched_attr, whose header cannot stand beside the C library's.
struct SchedAttr {
  uint32_t size = sizeof(SchedAttr);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};

constexpr uint64_t kTurnNs = 100'000;  // the shortest that Linux gives

}  // namespace

absl::Status TakePriority(int nice) {
  SchedAttr attr;
  attr.nice = std::min(nice, ::getpriority(PRIO_PROCESS, 0));
  attr.runtime_ns = kTurnNs;
  if (::syscall(SYS_sched_setattr, 0, &attr, 0) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "sched_setattr");
}

}  // namespace cairn
