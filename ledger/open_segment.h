// How a segment file is opened by whoever reads it.
#ifndef CAIRN_LEDGER_OPEN_SEGMENT_H_
#define CAIRN_LEDGER_OPEN_SEGMENT_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/fd.h"

namespace cairn::ledger {

// Never through a link, and a pipe in its place blocks nobody.
absl::StatusOr<Fd> OpenSegment(const std::string& path);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_OPEN_SEGMENT_H_
