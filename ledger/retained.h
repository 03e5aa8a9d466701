// What a log says of its missing beginning: agent.retention records, and the roots that they must
// lead to. proto/FORMAT.md §9.
#ifndef CAIRN_LEDGER_RETAINED_H_
#define CAIRN_LEDGER_RETAINED_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// Any thread. Memory: 60 bytes a segment of a log that begins later than 0, and the first 10,000
// records.
class Retained {
 public:
  // A record, and the index of its block.
  void SeeRecord(const Retention& record, uint64_t block) ABSL_LOCKS_EXCLUDED(mutex_);
  // A segment of a log that begins later than 0.
  void SeeSegment(const SegmentHeader& header) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether a record among the first `through` blocks accounts for a log that begins with block
  // `first_block`, as CheckRetention says. `note`: by which record, or why not.
  bool Accounts(uint64_t first_block, uint64_t through, const VerifierKey& log_key,
                const std::optional<VerifierKey>& collector, std::string* note) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::pair<uint64_t, Retention>> records_ ABSL_GUARDED_BY(mutex_);
  // The root before each segment's first block.
  std::map<uint64_t, Hash> roots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_RETAINED_H_
