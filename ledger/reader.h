// Records out of a log, in order: what `cairn events` and exports read.
// Reading is not verifying: use ledger/verifier.h for trust.
#ifndef CAIRN_LEDGER_READER_H_
#define CAIRN_LEDGER_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// One record with what its block and segment say of it. Pointers are valid until the next
// call of Next.
struct LoggedRecord {
  uint64_t sequence = 0;
  uint64_t block = 0;
  uint64_t epoch = 0;
  uint64_t time_ns = 0;  // kernel, boot-time clock
  uint64_t wall_ns = 0;  // since 1970
  uint64_t policy_generation = 0;
  const Record* record = nullptr;
  const Process* process = nullptr;  // identity, and details where the segment has them; or null
  std::vector<absl::string_view> rules;
  absl::string_view boot_id;
  absl::string_view origin;
};

enum class ReadEnd { kRecord, kEnd, kTornTail };

// Reads one directory of segments, or one segment file. One thread.
class LogReader {
 public:
  // NotFound: nothing there; InvalidArgument: not a log.
  static absl::StatusOr<std::unique_ptr<LogReader>> Open(const std::string& path);
  virtual ~LogReader() = default;

  // kRecord: `out` is filled. kEnd: no more just now; a later call sees what was appended
  // since (follow). kTornTail: the newest segment ends within a frame (a writer at work, or a
  // crash); a later call tries again. DataLoss names file, byte and cause.
  virtual absl::StatusOr<ReadEnd> Next(LoggedRecord* out) = 0;

  // Skips whole segments and blocks that end before `wall_ns`. Call before Next.
  virtual absl::Status SeekTime(uint64_t wall_ns) = 0;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_READER_H_
