// What the kernel's audit says of itself, and who else listens to it. No libaudit: one message.
#ifndef CAIRN_CLI_AUDIT_STATUS_H_
#define CAIRN_CLI_AUDIT_STATUS_H_

#include <linux/audit.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace cairn::cli {

// AUDIT_GET. PermissionDenied without CAP_AUDIT_CONTROL; Unavailable: the kernel has no audit.
absl::StatusOr<audit_status> ReadAuditStatus();

// Names of processes that hold an audit netlink socket, each once: "systemd-journald (312)".
// Others' descriptors are seen by root alone.
std::vector<std::string> AuditListeners();

}  // namespace cairn::cli

#endif  // CAIRN_CLI_AUDIT_STATUS_H_
