// Inside of DecodeAuditEvent: what its files share.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_DECODE_PARTS_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_DECODE_PARTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/capture/audit_decode.h"
#include "agent/capture/audit_text.h"
#include "agent/capture/audit_types.h"

namespace cairn::capture::audit {

// An event and where its decoding goes.
struct Decoding {
  const AuditEvent& event;
  Record* record;
  AuditActor* actor;

  Audit* audit() { return record->mutable_audit(); }
  // The text of the first record of `type`; nothing when there is none.
  std::optional<absl::string_view> Find(uint16_t type) const;
};

// The number of a field: decimal, or of the given base (8, 16). Nothing when it is none.
std::optional<int64_t> Number(absl::string_view text, absl::string_view name, int base = 10);
std::optional<int64_t> ParseNumber(absl::string_view value, int base);

// The decoded bytes of a field, at most AuditBounds::kValue of them.
std::string Bytes(absl::string_view text, absl::string_view name);

// Takes a path over, with its length when it is cut.
void SetPath(absl::string_view path, File* file);

// Puts a value into Audit.fields, within the bounds. Names that are not [A-Za-z0-9_-] are left.
void KeepField(Decoding* d, absl::string_view name, absl::string_view value);

// KeepField for each field of `text` that is not in `known`.
void KeepOthers(Decoding* d, absl::string_view text);

// Device number as stat(2) gives it, of "fd:01".
uint64_t ParseDevice(absl::string_view text);

// pid, ids, exe, comm, tty, subject: the kernel's words in `text`.
void TakeActor(Decoding* d, absl::string_view text);

// SYSCALL (or URINGOP) and its companions. False when the event has none.
bool DecodeSyscall(Decoding* d);

// EXECVE records: argv of the actor.
void TakeArguments(Decoding* d);

// SOCKADDR's hex as an address; `local` for the near end.
void TakeSocketAddress(absl::string_view hex, bool local, Net* net);

// Records that speak for themselves: MAC, configuration, users, services. False when `type`
// is none of those.
bool DecodeMessage(Decoding* d, uint16_t type, absl::string_view text);

}  // namespace cairn::capture::audit

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_DECODE_PARTS_H_
