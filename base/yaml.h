// Strict YAML bound to a protobuf message: how every file an operator writes is read.
//
// How a field looks in YAML:
//   key          the field's name. Of an integer named *_ns, *_ms or *_s the key is what stands
//                before that: `uint32 commit_age_ms` is `commit_age: 50ms`.
//   duration     such a field: a decimal number and a unit, ns us ms s m h d ("1h30m" too); 0
//                needs none. What the field's unit cannot hold exactly is an error.
//   size         an integer named *_bytes: a number, or one with KiB MiB GiB TiB (powers of
//                1024) or KB MB GB TB (of 1000): `segment_bytes: 64MiB`.
//   enum         the value's name in lower case, '_' written '-', without the prefix that is
//                the enum's own name: SEVERITY_HIGH of Severity is `high`.
//   string,bytes the scalar's text as it stands. bool: true or false. int: decimal.
//   map<string,> a mapping. repeated: a list.
//   message      a mapping; with `option (cairn.inlined) = true` (proto/options.proto) whatever
//                its only field takes; cairn.YamlNode: anything, kept for later.
// A key that is absent leaves the field unset. `key:` without a value is an error.
#ifndef CAIRN_BASE_YAML_H_
#define CAIRN_BASE_YAML_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace cairn {

struct YamlLimits {
  size_t max_bytes = 4 << 20;
  int max_depth = 64;
  size_t max_nodes = 1 << 20;
  size_t max_errors = 100;  // then the file is given up
};

// One thing wrong with a file. Lines and columns count from 1; columns in characters.
struct YamlError {
  int line = 0;
  int column = 0;
  std::string cause;  // "rules[2]: unknown key 'wen' (did you mean 'when'?)"
};

struct YamlPlace {
  int line = 0;
  int column = 0;
};

// Where each value stands, by path: "rules[2].when", "lists.internal[0]".
using YamlPlaces = absl::flat_hash_map<std::string, YamlPlace>;

// Parses `text` into `message` (cleared first) and appends every error found to `errors`;
// `message` holds the parts without errors. Refused: an empty document, duplicate keys, anchors,
// aliases, tags, several documents, octal and other non-decimal integers, booleans other than
// true/false, unknown keys, values of another type, control characters and invalid UTF-8,
// anything beyond `limits`. `places` may be null. Any thread.
void ParseYaml(absl::string_view text, const YamlLimits& limits, google::protobuf::Message* message,
               std::vector<YamlError>* errors, YamlPlaces* places = nullptr);

// The same as one status: InvalidArgument "FILE:LINE:COLUMN: cause", one line an error.
absl::Status ParseYamlFile(absl::string_view text, absl::string_view file,
                           google::protobuf::Message* message);

// Where byte `offset` of `value` stands in `text`; the scalar `value` begins at `start`. For
// plain, quoted, literal and folded scalars; escapes in "" count as they are written.
YamlPlace PlaceInScalar(absl::string_view text, YamlPlace start, absl::string_view value,
                        size_t offset);

// "10s", "1h30m", "50ms" in nanoseconds; InvalidArgument says what is wrong.
absl::StatusOr<int64_t> ParseDurationNs(absl::string_view text);
// "64MiB", "1GB", "4096" in bytes.
absl::StatusOr<uint64_t> ParseSizeBytes(absl::string_view text);

}  // namespace cairn

#endif  // CAIRN_BASE_YAML_H_
