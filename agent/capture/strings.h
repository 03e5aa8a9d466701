// Bytes into the strings of a reused message, without an allocation once they have grown.
#ifndef CAIRN_AGENT_CAPTURE_STRINGS_H_
#define CAIRN_AGENT_CAPTURE_STRINGS_H_

#include <google/protobuf/repeated_ptr_field.h>

#include <string>

#include "absl/strings/string_view.h"

namespace cairn::capture {

inline void SetBytes(absl::string_view bytes, std::string* to) {
  to->assign(bytes.data(), bytes.size());
}

// NUL-separated `bytes` as /proc/PID/cmdline has them, one string each; a NUL at the very end
// ends the last and begins none.
inline void SetArguments(absl::string_view bytes,
                         google::protobuf::RepeatedPtrField<std::string>* to) {
  to->Clear();
  while (!bytes.empty()) {
    const size_t end = bytes.find('\0');
    SetBytes(bytes.substr(0, end), to->Add());
    if (end == absl::string_view::npos) return;
    bytes.remove_prefix(end + 1);
  }
}

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_STRINGS_H_
