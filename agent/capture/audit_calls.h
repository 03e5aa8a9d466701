// Which system calls are which events, and where their arguments are.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_CALLS_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_CALLS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "proto/record.pb.h"

namespace cairn::capture::audit {

enum class AuditShape {
  kPath,      // one path or descriptor
  kOpen,      // a path, and open flags
  kTwoPaths,  // an old and a new name
  kOwner,     // uid in argument `uid`, gid in the next
  kSize,      // length in argument 1
  kFlags,     // a path, and flags
  kExec,
  kFork,
  kExit,
  kSocket,
  kAddress,
  kTarget,  // another process: pid in `fd`, signal in `flags`
  kCredentials,
  kKernel,
  kMemory,
  kNamespace,
};

struct AuditCall {
  // Indexes of arguments; -1: there is none.
  struct Args {
    int dirfd = -1;
    int fd = -1;
    int flags = -1;
    int mode = -1;
    int uid = -1;
    int dirfd2 = -1;
  };

  absl::string_view name;
  EventType type;
  AuditShape shape;
  Args args;
};

// Null when no event is named after the call. Lives for ever. Any thread.
const AuditCall* FindAuditCall(absl::string_view name);

}  // namespace cairn::capture::audit

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_CALLS_H_
