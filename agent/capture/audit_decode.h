// What an audit event means: a pure function from its text to a record.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_DECODE_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_DECODE_H_

#include <cstddef>

#include "agent/capture/audit_event.h"
#include "proto/record.pb.h"

namespace cairn::capture {

// Bounds of what is taken over. Longer values are cut; `*_length`, or an entry NAME_length in
// Audit.fields, then holds the whole length.
struct AuditBounds {
  static constexpr size_t kText = 16 << 10;
  static constexpr size_t kPath = 4096;
  static constexpr size_t kArgv = 32 << 10;
  static constexpr size_t kArguments = 4096;
  static constexpr size_t kValue = 1024;
  static constexpr size_t kFields = 48;
  static constexpr size_t kTypes = 64;
};

// Fills `record` and `process` (both cleared first).
//
// Type: see docs/events.md; what cairn has no name for is audit.other. Always set: source,
// type, and Audit with serial, types and text. In the text a record is one line as auditd
// would have written it, with backslash and newline inside a record as \\ and \n, so that
// nothing a process wrote starts a line.
//
// `process` is who acted as the kernel saw it; pid 0 when the event does not say. Fields
// that user processes claim about themselves never get there: they are in Audit. Ids the
// event does not give stay 0, so `process` counts only when has_identity is true.
// Paths are `argument`: the name as the call gave it; device and inode are the object's.
//
// Any bytes are fine. Any thread.
struct AuditActor {
  Process process;
  bool has_identity = false;  // uid, auid and session were given
};
void DecodeAuditEvent(const AuditEvent& event, Record* record, AuditActor* actor);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_DECODE_H_
