// The rows of the table in schema.h, by subject.
#ifndef CAIRN_POLICY_SCHEMA_ROWS_H_
#define CAIRN_POLICY_SCHEMA_ROWS_H_

#include <vector>

#include "policy/schema.h"

namespace cairn::policy {

std::vector<Field> ProcessRows();
std::vector<Field> RecordRows();   // what every record has
std::vector<Field> SubjectRows();  // file, target, net, cred, peer, memory, kernel, audit
std::vector<Field> AgentRows();    // what the agent says of itself, from the messages' descriptors

// A set that lives for ever. Names as in ParseEvents; a wrong one is our bug.
const EventSet* Events(std::initializer_list<absl::string_view> names);

// `bytes` as lower-case hexadecimal, and an address as text, in `scratch`.
Value HexValue(absl::string_view bytes, Scratch* scratch);
Value AddressValue(absl::string_view bytes, Scratch* scratch);

}  // namespace cairn::policy

// The getter of a row: an expression over `event` and `scratch`.
#define CAIRN_GET(expression)                                       \
  [](const Event& event, const Field&, Scratch* scratch) -> Value { \
    (void)event, (void)scratch;                                     \
    return expression;                                              \
  }

#endif  // CAIRN_POLICY_SCHEMA_ROWS_H_
