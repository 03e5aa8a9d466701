// UTF-8 (RFC 3629), checked.
#ifndef CAIRN_BASE_UTF8_H_
#define CAIRN_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace cairn {

// Length of the sequence that `text` (not empty) starts with and its code point; 0: it is none.
size_t DecodeUtf8(absl::string_view text, uint32_t* point);

bool IsUtf8(absl::string_view text);

}  // namespace cairn

#endif  // CAIRN_BASE_UTF8_H_
