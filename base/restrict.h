// What a daemon of ours gives up at its start, for good: systemd/*.service says the same, and this
// holds where no systemd started it.
#ifndef CAIRN_BASE_RESTRICT_H_
#define CAIRN_BASE_RESTRICT_H_

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace cairn {

enum class Network {
  kIp,         // sockets of families unix, IPv4, IPv6
  kLocalOnly,  // sockets of families unix and netlink
};

// Keeps, of the capabilities this process has, those in `keep` (CAP_* of linux/capability.h), and
// nothing in the inheritable, ambient and (where CAP_SETPCAP allows) bounding sets. Sets no new
// privileges. Then refuses with EPERM, to every thread, the system calls that no daemon of ours
// makes: other programs, ptrace, modules, mounts, namespaces, clocks, other users, keyrings,
// io_uring, and sockets beyond `network`. Call before other threads exist. Unavailable: the kernel
// has no seccomp; the capabilities are given up all the same.
absl::Status Restrict(absl::Span<const int> keep, Network network);

}  // namespace cairn

#endif  // CAIRN_BASE_RESTRICT_H_
