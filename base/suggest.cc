#include "base/suggest.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn {
namespace {

constexpr size_t kMaxWord = 64;

// Damerau-Levenshtein distance (optimal string alignment). Both at most kMaxWord bytes.
size_t Distance(absl::string_view a, absl::string_view b) {
  using Row = std::array<size_t, kMaxWord + 1>;
  Row before, previous, current;
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  before = previous;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    before = previous;
    previous = current;
  }
  return previous[b.size()];
}

}  // namespace

std::string DidYouMean(absl::string_view word, absl::Span<const absl::string_view> candidates) {
  if (word.empty() || word.size() > kMaxWord) return "";
  size_t best = std::min<size_t>(3, std::max<size_t>(1, word.size() / 3)) + 1;
  absl::string_view nearest;
  for (const absl::string_view candidate : candidates) {
    if (candidate.size() > kMaxWord) continue;
    const size_t distance = Distance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  if (nearest.empty()) return "";
  return absl::StrCat(" (did you mean '", nearest, "'?)");
}

}  // namespace cairn
