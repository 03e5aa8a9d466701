// Names of audit record types and of system calls, by architecture. The tables are generated
// from libaudit when cairn is built (audit_names_gen.cc), with the few names that are younger.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_NAMES_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace cairn::capture {

// "SYSCALL"; "UNKNOWN[n]" for a type without a name, as auditd writes it. Any thread.
std::string AuditTypeName(uint16_t type);

// The inverse, of "UNKNOWN[n]" too.
std::optional<uint16_t> AuditTypeByName(absl::string_view name);

// "openat" for a call of the architecture `arch` (AUDIT_ARCH_*); empty when unknown.
absl::string_view AuditSyscallName(uint32_t arch, int number);

// "openat" for an IORING_OP_*; empty when unknown.
absl::string_view AuditUringName(int op);

// Name of the architecture ("x86_64"); empty when unknown.
absl::string_view AuditArchName(uint32_t arch);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_NAMES_H_
