// Event names: "group.verb" from the enum's GROUP_VERB (record.proto).
#ifndef CAIRN_PROTO_NAMES_H_
#define CAIRN_PROTO_NAMES_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "proto/record.pb.h"

namespace cairn {

// "process.exec"; "unknown" for a number without a name. Lives for ever. Any thread.
absl::string_view EventName(EventType type);
// "process", the part before the dot.
absl::string_view EventGroup(EventType type);
// Nothing when there is no event of that name.
std::optional<EventType> EventByName(absl::string_view name);

}  // namespace cairn

#endif  // CAIRN_PROTO_NAMES_H_
