#include "ledger/open_segment.h"

#include <fcntl.h>

#include "base/io.h"

namespace cairn::ledger {

absl::StatusOr<Fd> OpenSegment(const std::string& path) {
  return OpenFile(Io::Real(), path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

}  // namespace cairn::ledger
