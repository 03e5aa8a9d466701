// The text of audit records: stamps, name=value fields and their encodings. Pure functions
// over bytes nobody has checked; audit.spec and auditd's "encoding" conventions:
//   name=value  name="literal"  name=HEX (untrusted strings)  name=(null)  name=?
//   msg='name=value ...' written by a user process; in auditd's logs 0x1d, then
//   interpreted copies (UID="root").
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_TEXT_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/capture/audit_event.h"

namespace cairn::capture {

// Splits "audit(1170021493.977:293): REST". Nothing when it does not start so.
std::optional<AuditStamp> ParseAuditStamp(absl::string_view text, absl::string_view* rest);

// One line of auditd's log. Views into the line.
struct AuditLogLine {
  uint16_t type = 0;
  AuditStamp stamp;
  absl::string_view node;
  absl::string_view text;      // without the enrichment
  absl::string_view enriched;  // after 0x1d
};
std::optional<AuditLogLine> ParseAuditLogLine(absl::string_view line);

// One field as it stands. `quoted` values are without their quotes and were literal.
struct AuditField {
  absl::string_view name;
  absl::string_view value;
  bool quoted = false;
};

// Walks the fields of a record. Words without '=' are skipped; a quote that is never closed
// runs to the end of the text.
class AuditFields {
 public:
  explicit AuditFields(absl::string_view text) : rest_(text) {}
  bool Next(AuditField* field);

 private:
  absl::string_view rest_;
};

// The first field called `name`; an empty name in the answer when there is none.
AuditField FindAuditField(absl::string_view text, absl::string_view name);

// A record of a user process: what the kernel says of the sender, and what the sender said.
// The message is everything from the first "msg='", so that nothing in it can pass for the
// kernel's words.
struct AuditUserText {
  absl::string_view kernel;
  absl::string_view message;
};
AuditUserText SplitAuditUserText(absl::string_view text);

// Whether the field's type is one that is hex when it is not quoted (audit.spec "encoded").
bool IsEncodedAuditField(absl::string_view name);

// The bytes a field of an encoded type stands for; "", "?", "(null)" and "(none)" are empty.
std::string AuditFieldBytes(const AuditField& field);

// False unless `hex` is a non-empty even number of hex digits.
bool DecodeHex(absl::string_view hex, std::string* bytes);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_TEXT_H_
