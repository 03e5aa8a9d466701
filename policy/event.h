// What is decided on.
#ifndef CAIRN_POLICY_EVENT_H_
#define CAIRN_POLICY_EVENT_H_

#include <cstdint>

#include "proto/record.pb.h"

namespace cairn::policy {

// A view: nothing is owned. `record` is never null where an Event is evaluated; `process` may be.
struct Event {
  uint64_t time_ns = 0;  // CLOCK_BOOTTIME, for limits
  const Record* record = nullptr;
  const Process* process = nullptr;
  uint64_t wall_ns = 0;  // since 1970, for `time` and expiry; 0: unknown
};

// "unset" of uid-like fields: what a record without a process has, and a process never logged in.
inline constexpr uint32_t kUnset = 0xFFFFFFFF;

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_EVENT_H_
