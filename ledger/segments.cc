#include "ledger/segments.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/open_segment.h"

namespace cairn::ledger {

absl::StatusOr<SegmentHeader> ReadHeader(const std::string& path) {
  ASSIGN_OR_RETURN(const Fd fd, OpenSegment(path));
  std::string bytes(kHeaderPrefixBytes + kMaxHeaderBytes, '\0');
  const ssize_t n = ::pread(fd.get(), bytes.data(), bytes.size(), 0);
  if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
  bytes.resize(static_cast<size_t>(n));
  SegmentHeader header;
  size_t size = 0;
  std::string cause = "the file ends within its header";
  if (ParseHeader(bytes, &header, &size, &cause) != FrameEnd::kFrame) {
    return absl::DataLossError(absl::StrCat(path, ": ", cause));
  }
  return header;
}

absl::StatusOr<std::vector<SegmentInfo>> ListSegments(const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(dir));
  std::vector<SegmentInfo> segments;
  for (const std::string& name : names) {
    SegmentInfo segment;
    if (!ParseSegmentName(name, &segment.epoch)) continue;
    segment.path = absl::StrCat(dir, "/", name);
    struct stat st;
    if (::lstat(segment.path.c_str(), &st) != 0) {
      return ErrnoStatus(errno, absl::StrCat("stat ", segment.path));
    }
    segment.file_bytes = segment.valid_bytes = static_cast<uint64_t>(st.st_size);
    segments.push_back(std::move(segment));
  }
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    if (segments[i + 1].epoch != segments[i].epoch + 1) continue;
    const absl::StatusOr<SegmentHeader> next = ReadHeader(segments[i + 1].path);
    if (next.ok() && next->previous_end() == "storage") {
      segments[i].valid_bytes = std::min(segments[i].file_bytes, next->previous_valid_bytes());
    }
  }
  return segments;
}

absl::StatusOr<CheckpointFile> ReadCheckpointFile(const std::string& dir) {
  const std::string path = absl::StrCat(dir, "/", kCheckpointFile);
  ASSIGN_OR_RETURN(const std::string text, ReadRegularFile(path, kMaxNoteBytes + 256));
  absl::StatusOr<CheckpointFile> file = ParseCheckpointFile(text);
  if (!file.ok()) return Annotate(file.status(), path);
  return file;
}

}  // namespace cairn::ledger
