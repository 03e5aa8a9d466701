// What a control group's path says: the systemd unit and the container.
#ifndef CAIRN_AGENT_CAPTURE_CGROUP_H_
#define CAIRN_AGENT_CAPTURE_CGROUP_H_

#include "absl/strings/string_view.h"

namespace cairn::capture {

// Parts of the path given; valid as long as it is.
struct CgroupNames {
  absl::string_view unit;          // innermost "*.service", "*.scope", …; empty: none
  absl::string_view container_id;  // innermost; 64 hex digits as a rule; empty: none
  absl::string_view runtime;  // docker | containerd | podman | cri-o | lxc | kubernetes | nspawn
};

// Understands the names docker, containerd, podman, CRI-O (systemd and cgroupfs drivers), LXC,
// systemd-nspawn and kubelet give. Pure; any thread.
CgroupNames ParseCgroup(absl::string_view path);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_CGROUP_H_
