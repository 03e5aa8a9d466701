// "Did you mean": the nearest of some names.
#ifndef CAIRN_BASE_SUGGEST_H_
#define CAIRN_BASE_SUGGEST_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cairn {

// " (did you mean 'x'?)" with the candidate that takes the fewest insertions, deletions,
// replacements and swaps of neighbours to make from `word`, when they are few (a third of its
// length, at most 3); else "". Words above 64 bytes get no suggestion. Any thread.
std::string DidYouMean(absl::string_view word, absl::Span<const absl::string_view> candidates);

}  // namespace cairn

#endif  // CAIRN_BASE_SUGGEST_H_
