// A record as one JSON object: the names of policy/schema.h, nested by their dots.
//
//   {"sequence":7,"block":3,"epoch":0,"time":"2026-01-02T03:04:05.000000006Z","time_ns":…,
//    "boot_id":"…","origin":"…","policy_generation":1,"rules":["floor:exec"],"type":"process.exec",
//    "result":"success",…,"file":{…},"process":{"argv":["sh"],"container":{"id":"…"},…}}
//
// The head stands first, in this order; then the fields, sorted by name. A field is left out
// where it has its default, but for ids of a process that is known (uid 0 is said). Text went
// through EscapeBytes (base/escape.h) and is then a JSON string; lists of words are lists of
// strings; times are RFC 3339 with nanoseconds; digests are hexadecimal. Later versions add
// fields and never change one.
#ifndef CAIRN_POLICY_EVENT_JSON_H_
#define CAIRN_POLICY_EVENT_JSON_H_

#include <string>

#include "absl/strings/string_view.h"
#include "ledger/reader.h"

namespace cairn::policy {

// Appends the object, without a newline. Any thread.
void AppendEventJson(const ledger::LoggedRecord& logged, std::string* out);

// Appends `text`, escaped by EscapeBytes, as a JSON string.
void AppendJsonString(absl::string_view text, std::string* out);
// The same for text that went through EscapeBytes already.
void AppendJsonQuoted(absl::string_view escaped, std::string* out);

// "2026-01-02T03:04:05.000000006Z" from nanoseconds since 1970.
std::string FormatWallTime(uint64_t wall_ns);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_EVENT_JSON_H_
