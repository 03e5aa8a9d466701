// Records out of a log, in order: what `cairn events` and exports read.
// Reading is not verifying: ledger/verifier.h is for trust.
#ifndef CAIRN_LEDGER_READER_H_
#define CAIRN_LEDGER_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// One record with what its block and segment say of it. Pointers and views are valid until the
// next call of Next.
struct LoggedRecord {
  uint64_t sequence = 0;
  uint64_t block = 0;
  uint64_t epoch = 0;
  uint64_t time_ns = 0;  // kernel, boot-time clock
  uint64_t wall_ns = 0;  // since 1970
  uint64_t policy_generation = 0;
  const Record* record = nullptr;
  const Process* process = nullptr;  // identity, and details where they were read; or null
  std::vector<absl::string_view> rules;
  absl::string_view boot_id;  // empty before the epoch's opening was read
  absl::string_view origin;
};

enum class ReadEnd { kRecord, kEnd, kTornTail };

// Reads one directory of segments, or one segment file. One thread. Memory: a segment's
// processes and 1 MiB.
class LogReader {
 public:
  // NotFound: nothing there; InvalidArgument: neither a log directory nor a segment.
  static absl::StatusOr<std::unique_ptr<LogReader>> Open(const std::string& path);
  ~LogReader();

  // kRecord: `out` is filled. kEnd: no more just now; a later call sees what was appended
  // since (follow). kTornTail: the same, but the newest segment ends within a frame (a writer
  // at work, or a crash). DataLoss names file, byte and cause; a later call goes on behind it, with
  // the next block, or the next segment where frames cannot be told apart.
  absl::StatusOr<ReadEnd> Next(LoggedRecord* out);

  // Skips records before `wall_ns`, whole segments at a time where it can. Call before Next.
  void SeekTime(uint64_t wall_ns);

 private:
  class Impl;
  explicit LogReader(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_READER_H_
