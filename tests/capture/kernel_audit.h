// Kernel audit is one thing for the whole machine: a test that touches it holds this.
#ifndef CAIRN_TESTS_CAPTURE_KERNEL_AUDIT_H_
#define CAIRN_TESTS_CAPTURE_KERNEL_AUDIT_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "agent/capture/audit_control.h"
#include "base/fd.h"

namespace cairn::capture {

// Waits for /run/lock/cairn-kernel-audit.lock and notes the settings; puts them back in the
// end, by a watching process even when the test dies. Refuses (ok() false, with a reason) where
// there is no root, no audit, or a daemon or rules that are not ours.
class KernelAudit {
 public:
  KernelAudit();
  ~KernelAudit();

  bool ok() const { return reason_.empty(); }
  const std::string& reason() const { return reason_; }
  const AuditKernelState& before() const { return before_; }
  AuditControl* control() { return control_.get(); }

 private:
  void StartWatcher();

  std::string reason_;
  Fd lock_;
  std::unique_ptr<AuditControl> control_;
  AuditKernelState before_;
  Fd alive_;  // closed when this process ends, however it ends
  pid_t watcher_ = -1;
};

}  // namespace cairn::capture

#endif  // CAIRN_TESTS_CAPTURE_KERNEL_AUDIT_H_
