// The records of blocks, one block behind the other, each with its process made whole.
#ifndef CAIRN_LEDGER_BLOCK_RECORDS_H_
#define CAIRN_LEDGER_BLOCK_RECORDS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ledger/reader.h"
#include "ledger/segment_index.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// Give it all blocks of a segment from its start, in order: what is said of a process once is
// remembered, also in the next segment, whose carried blocks (FORMAT.md §8) do not repeat it. One
// thread.
class BlockRecords {
 public:
  // Blocks from here on are of this segment.
  void BeginSegment(const SegmentHeader& header);

  // Reads block `index`. InvalidArgument: not a block, and there are no records.
  absl::Status Take(uint64_t index, absl::string_view stored);
  int size() const { return block_.records_size(); }
  // Record `i` of it, from 0. Views are good until the next Take.
  void Fill(int i, LoggedRecord* out);

  // Both: calls `take` for each record of block `index`.
  absl::Status Walk(uint64_t index, absl::string_view stored,
                    absl::FunctionRef<absl::Status(const LoggedRecord&)> take);

  const Block& block() const { return block_; }  // the last one

 private:
  const Process* Remember(const Process& process);

  std::string origin_;
  std::string boot_id_;
  uint64_t epoch_ = 0;
  uint64_t index_ = 0;
  Block block_;
  LoggedRecord logged_;
  std::vector<const Process*> now_;
  absl::flat_hash_map<ProcessKey, std::unique_ptr<Process>> processes_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_BLOCK_RECORDS_H_
