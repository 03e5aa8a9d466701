// Which object, in which version, is segment N of a log. proto/ARCHIVE.md.
#ifndef CAIRN_ARCHIVE_PIN_H_
#define CAIRN_ARCHIVE_PIN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::archive {

struct Pin {
  uint64_t epoch = 0;
  std::string version;  // of the segment's object; printable ASCII without spaces
  uint64_t bytes = 0;
  std::string sha256;  // of them, hexadecimal
  std::string by;      // the collector's name
  std::string note;    // newest checkpoint in the segment, with the host's and that collector's
                       // signatures; empty: a segment that was cut before its first one

  std::string ToText() const;
  // InvalidArgument: not such a text. Any thread.
  static absl::StatusOr<Pin> Parse(absl::string_view text);

  bool SameBytes(const Pin& other) const {
    return epoch == other.epoch && bytes == other.bytes && sha256 == other.sha256;
  }
};

}  // namespace cairn::archive

#endif  // CAIRN_ARCHIVE_PIN_H_
