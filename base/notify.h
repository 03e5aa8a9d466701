// What systemd is told: sd_notify(3)'s datagrams.
#ifndef CAIRN_BASE_NOTIFY_H_
#define CAIRN_BASE_NOTIFY_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace cairn {

// Sends `state` ("READY=1", "WATCHDOG=1", "STATUS=…") to $NOTIFY_SOCKET; nothing without one.
// A lost datagram is not an error. Any thread.
void Notify(absl::string_view state);

// How often the watchdog wants to hear, halved: from $WATCHDOG_USEC; 0 when it does not.
uint64_t WatchdogNs();

}  // namespace cairn

#endif  // CAIRN_BASE_NOTIFY_H_
