// What this kernel's BTF says it has; what the programs are told at load.
#ifndef CAIRN_AGENT_CAPTURE_KERNEL_FEATURES_H_
#define CAIRN_AGENT_CAPTURE_KERNEL_FEATURES_H_

#include "base/fd.h"

namespace cairn::capture {

struct KernelFeatures {
  bool typed_reads = false;       // bpf_rdonly_cast (6.2): plain loads instead of helper calls
  bool uring_submit_sqe = false;  // tracepoint, up to 6.3
  bool uring_submit_req = false;  // tracepoint, since 6.4
  bool uring_complete = false;    // tracepoint
  bool security_hooks = false;    // security_path_* can be traced (fentry); tried, not guessed
  int security_hooks_error = 0;   // errno, when not
  bool complete_has_cqe = false;  // its third argument is the completion itself (6.12)
};

// Reads /sys/kernel/btf/vmlinux (all false when there is none) and tries one security hook.
KernelFeatures ReadKernelFeatures();

// The root directory of the unified control group hierarchy, wherever it is mounted; none:
// it is not.
Fd OpenRootCgroup();

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_KERNEL_FEATURES_H_
