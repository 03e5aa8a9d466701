// The segment files of one log directory, and how far each counts.
#ifndef CAIRN_LEDGER_SEGMENTS_H_
#define CAIRN_LEDGER_SEGMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/frame.h"

namespace cairn::ledger {

struct SegmentInfo {
  uint64_t epoch = 0;
  std::string path;
  uint64_t file_bytes = 0;
  // How many of them count: all, or fewer where the next segment's header says that this one
  // was abandoned after a storage fault (FORMAT.md §8).
  uint64_t valid_bytes = 0;
};

// The segments of `dir` by epoch. Gaps are the caller's to judge. NotFound: no such directory.
absl::StatusOr<std::vector<SegmentInfo>> ListSegments(const std::string& dir);

// A segment's header, read from disk. NotFound; DataLoss: not a whole, good header.
absl::StatusOr<SegmentHeader> ReadHeader(const std::string& path);

// DIR/checkpoint. NotFound; InvalidArgument.
absl::StatusOr<CheckpointFile> ReadCheckpointFile(const std::string& dir);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_SEGMENTS_H_
