// Strict YAML bound to a protobuf message: how every file an operator writes is read.
#ifndef CAIRN_BASE_YAML_H_
#define CAIRN_BASE_YAML_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace cairn {

struct YamlLimits {
  size_t max_bytes = 4 << 20;
  int max_depth = 64;
  size_t max_nodes = 1 << 20;
};

// One thing wrong with a file. Lines and columns count from 1.
struct YamlError {
  int line = 0;
  int column = 0;
  std::string cause;  // "rules[2].when: unknown field 'wen' (did you mean 'when'?)"
};

// Parses `text` into `message` (cleared first) and appends every error found to `errors`;
// `message` holds the parts without errors. Refused: duplicate keys, anchors, aliases, tags,
// several documents, octal and other non-decimal integers, booleans other than true/false,
// unknown keys, values of another type, NUL and invalid UTF-8, anything beyond `limits`.
// Durations are google.protobuf-free: a field named *_ms, *_s takes "10s", "5m", "1h".
// Any thread.
void ParseYaml(absl::string_view text, const YamlLimits& limits, google::protobuf::Message* message,
               std::vector<YamlError>* errors);

// The same as one status: InvalidArgument "FILE:LINE:COLUMN: cause", one line an error.
absl::Status ParseYamlFile(absl::string_view text, absl::string_view file,
                           google::protobuf::Message* message);

}  // namespace cairn

#endif  // CAIRN_BASE_YAML_H_
