// Audit events for tests, from lines as auditd writes them.
#ifndef CAIRN_TESTS_CAPTURE_AUDIT_EVENTS_H_
#define CAIRN_TESTS_CAPTURE_AUDIT_EVENTS_H_

#include <string>
#include <vector>

#include "agent/capture/audit_assembly.h"
#include "agent/capture/audit_decode.h"

namespace cairn::capture {

struct DecodedEvent {
  Record record;
  AuditActor actor;
  AuditStamp stamp;
};

// Assembles and decodes a log's text; lines that are no records are left out.
std::vector<DecodedEvent> DecodeLog(absl::string_view log);

// The only event of `log`; a failure of the test when there are more or none.
DecodedEvent DecodeOne(absl::string_view log);

// $CAIRN_SHARED/corpora/audit-logs, or that beside the source; empty when there is none.
std::string CorpusDirectory();

}  // namespace cairn::capture

#endif  // CAIRN_TESTS_CAPTURE_AUDIT_EVENTS_H_
