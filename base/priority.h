// What a thread asks of the scheduler: sched_setattr(2).
#ifndef CAIRN_BASE_PRIORITY_H_
#define CAIRN_BASE_PRIORITY_H_

#include "absl/status/status.h"

namespace cairn {

// Asks for `nice`, -20 to 19, where this thread has not a lower one, and for short turns: its cpu
// sooner, and no more of it. Linux before 6.12 ignores the latter. Holds for the calling thread and
// those that it starts afterwards. PERMISSION_DENIED: without CAP_SYS_NICE, or by a seccomp filter.
absl::Status TakePriority(int nice);

}  // namespace cairn

#endif  // CAIRN_BASE_PRIORITY_H_
