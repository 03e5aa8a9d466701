#include "ledger/finding.h"

#include "absl/strings/str_cat.h"

namespace cairn::ledger {

std::string Finding::ToString() const {
  std::string out = code;
  if (end_block > block + 1) {
    absl::StrAppend(&out, " blocks ", block, "-", end_block - 1);
  } else {
    absl::StrAppend(&out, " block ", block);
  }
  if (end_sequence > first_sequence + 1) {
    absl::StrAppend(&out, " records ", first_sequence, "-", end_sequence - 1);
  } else {
    absl::StrAppend(&out, " record ", first_sequence);
  }
  return absl::StrCat(out, ": ", file, ": byte ", offset, ": ", detail);
}

}  // namespace cairn::ledger
