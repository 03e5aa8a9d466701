// Bytes from the kernel, made safe to show.
#ifndef CAIRN_BASE_ESCAPE_H_
#define CAIRN_BASE_ESCAPE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace cairn {

// `bytes` as valid, printable UTF-8: control characters (C0, DEL, C1), bidirectional
// overrides and bytes that are not UTF-8 become \xHH, a backslash becomes \\. Reversible,
// one line, harmless to a terminal. Any thread.
std::string EscapeBytes(absl::string_view bytes);

// The inverse. InvalidArgument is never returned: what is no escape stands for itself.
std::string UnescapeBytes(absl::string_view text);

}  // namespace cairn

#endif  // CAIRN_BASE_ESCAPE_H_
