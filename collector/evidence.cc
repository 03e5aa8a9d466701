// What a log that did not verify leaves behind.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/status.h"
#include "collector/host_log.h"
#include "ledger/segments.h"

namespace cairn::collector {
namespace {

constexpr size_t kMaxEvidence = 16;
constexpr size_t kMaxTail = 8 << 20;

}  // namespace

absl::Status HostLog::KeepEvidence(absl::string_view code, absl::string_view why,
                                   absl::string_view shown_note, absl::string_view bytes) {
  const std::string all = absl::StrCat(dir_, "/evidence");
  RETURN_IF_ERROR(MakeDirectories(io_, all, 0750));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(all));
  if (names.size() < kMaxEvidence) {
    const std::string dir = absl::StrFormat("%s/%02d-%s", all, names.size(), code);
    RETURN_IF_ERROR(MakeDirectories(io_, dir, 0750));
    RETURN_IF_ERROR(WriteFileDurably(io_, dir, "why", absl::StrCat(why, "\n"), 0440));
    RETURN_IF_ERROR(WriteFileDurably(io_, dir, "held.note", receipt_.note, 0440));
    RETURN_IF_ERROR(WriteFileDurably(io_, dir, "shown.note", shown_note, 0440));
    RETURN_IF_ERROR(WriteFileDurably(io_, dir, "refused.bytes", bytes, 0440));
    RETURN_IF_ERROR(CopyTail(dir));
  } else {
    LogWarning(all, ": has ", names.size(), " pieces; this one is only logged: ", why);
  }
  return DropBehindAnchor();
}

// Blocks that verified one by one but that no checkpoint vouches for.
absl::Status HostLog::CopyTail(const std::string& to) const {
  if (next_.offset <= (anchor_.epoch == next_.epoch ? anchor_.offset : 0)) return absl::OkStatus();
  const uint64_t from = anchor_.epoch == next_.epoch ? anchor_.offset : 0;
  ASSIGN_OR_RETURN(const Fd fd, OpenFile(io_, SegmentPath(next_.epoch), O_RDONLY | O_NOFOLLOW));
  std::string tail(std::min<uint64_t>(next_.offset - from, kMaxTail), '\0');
  const ssize_t n = ::pread(fd.get(), tail.data(), tail.size(), static_cast<off_t>(from));
  if (n < 0) return ErrnoStatus(errno, "read the tail");
  tail.resize(static_cast<size_t>(n));
  return WriteFileDurably(io_, to, "dropped.bytes", tail, 0440);
}

// Back to the newest verified checkpoint, so that a good copy of the rest can come.
absl::Status HostLog::DropBehindAnchor() {
  file_.reset();
  return DropAfter(anchor_);
}

}  // namespace cairn::collector
