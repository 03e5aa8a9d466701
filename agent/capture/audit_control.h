// The kernel's audit settings, through libaudit.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_CONTROL_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_CONTROL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace cairn::capture {

// struct audit_status, as `auditctl -s` shows it.
struct AuditKernelState {
  uint32_t enabled = 0;  // 0 off, 1 on, 2 on and locked until reboot
  uint32_t pid = 0;      // the daemon that owns the unicast socket; 0: none
  uint32_t backlog_limit = 0;
  uint32_t backlog_wait_time = 0;  // ticks a task may be held up for
  uint32_t lost = 0;               // since boot, wraps
  uint32_t backlog = 0;
};

// One control socket, separate from the one events are read from. Each call waits at most a
// second for the kernel. PermissionDenied without CAP_AUDIT_CONTROL, NotFound when the
// kernel has no audit. One thread.
class AuditControl {
 public:
  static absl::StatusOr<AuditControl> Open();

  absl::StatusOr<AuditKernelState> Read();
  absl::Status SetEnabled(uint32_t enabled);
  absl::Status SetBacklogLimit(uint32_t records);
  absl::Status SetBacklogWaitTime(uint32_t ticks);
  absl::Status ReleaseOwnership();  // pid 0; only the owner may

  // Every loaded rule as the bytes of its struct audit_rule_data, in the kernel's order.
  absl::StatusOr<std::vector<std::string>> ReadRules();

  // A user message (AUDIT_TEST, msg='op=cairn-canary nonce=...') that must come back as an event.
  absl::Status SendCanary(uint64_t nonce);

 private:
  explicit AuditControl(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_CONTROL_H_
