// The one table of field names: what policy conditions, `--where`, inline tests and JSON call
// the parts of an event, and for which events each exists.
#ifndef CAIRN_POLICY_SCHEMA_H_
#define CAIRN_POLICY_SCHEMA_H_

#include <bitset>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "policy/event.h"
#include "policy/value.h"

namespace cairn::policy {

using EventSet = std::bitset<256>;  // by EventType

// CEL types. kStrings: list(string). kAncestors: list of {pid, start_ns, exe, comm, uid, auid}.
enum class Type : uint8_t {
  kBool,
  kInt,
  kString,
  kTimestamp,
  kDuration,
  kIp,
  kCidr,
  kStrings,
  kInts,
  kAncestors,
  kAncestor,
  kMap,
  kEmptyList,
};
absl::string_view TypeName(Type type);  // "list(string)"

struct Field {
  absl::string_view name;  // "process.container.id"
  Type type;
  // The field's value; what is absent reads as 0, "", false or []; uid-like fields without a
  // process as kUnset. `scratch` holds text that must be made (addresses, hexadecimal).
  Value (*get)(const Event& event, const Field& field, Scratch* scratch);
  // Where it is stored: "container_id" in Process, "file.path" in Record; null: computed.
  const char* path;
  const EventSet* events;  // null: every event
  absl::string_view doc;
  // has(): null means "not the default".
  bool (*has)(const Event& event) = nullptr;
  const google::protobuf::FieldDescriptor* outer = nullptr;  // rows made from a message
  const google::protobuf::FieldDescriptor* inner = nullptr;

  bool of_process() const;  // "process.…": stored in Process
  bool ExistsFor(EventType event) const {
    return events == nullptr || events->test(static_cast<size_t>(event));
  }
};

// All fields, sorted by name. Lives for ever. Any thread.
absl::Span<const Field> Fields();
const Field* FindField(absl::string_view name);  // null: none
// Whether `name` is the beginning of field names ("process.container").
bool IsFieldPrefix(absl::string_view name);
bool Has(const Event& event, const Field& field, Scratch* scratch);

// Fields of an ancestor: null when there is none of that name.
struct AncestorField {
  absl::string_view name;
  Type type;
  Value (*get)(const Ancestor& ancestor);
};
const AncestorField* FindAncestorField(absl::string_view name);
absl::Span<const AncestorField> AncestorFields();

// Bit names of word lists (Value::words).
enum WordTableId : uint16_t { kAccessWords, kCapabilityWords };
const WordTable& WordsOf(uint16_t table);

// Why `record` does not fit its schema (message of another group, address of a wrong length, a
// path beyond its bound, unknown type); null: it fits. Static text. Any thread, no allocation.
const char* SchemaFault(const Record& record);

// Every event, by name or "group.*". False: no such event or group.
bool ParseEvents(absl::string_view name, EventSet* events);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_SCHEMA_H_
