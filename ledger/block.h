// Blocks: the unit that is hashed. Building one from records, and taking one apart.
// proto/FORMAT.md §3.
#ifndef CAIRN_LEDGER_BLOCK_H_
#define CAIRN_LEDGER_BLOCK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ledger/record_encoder.h"
#include "ledger/subject.h"
#include "proto/record.pb.h"

struct ZSTD_CCtx_s;

namespace cairn::ledger {

// What Add takes: one record and what stands around it.
struct Entry {
  uint64_t time_ns = 0;                        // CLOCK_BOOTTIME of the act
  const Record* record = nullptr;              // fields 1-3 unset: they are written here
  Subject* subject = nullptr;                  // who did it; null: nobody
  absl::Span<const std::string* const> rules;  // ids; the strings outlive the open block
  bool urgent = false;
};

// Collects records and serialises each exactly once. Reused from block to block without
// allocating. Capture thread only.
class BlockBuilder {
 public:
  explicit BlockBuilder(bool compress);
  ~BlockBuilder();

  // Processes get their details again from here on. Call when the block is empty.
  void StartSegment() { ++segment_; }
  void set_policy_generation(uint64_t generation) { policy_generation_ = generation; }

  // Adds a record. ResourceExhausted: it does not fit behind those already here (Finish, then
  // Add again). InvalidArgument: it does not fit into an empty block.
  absl::Status Add(const Entry& entry);

  bool empty() const { return count_ == 0; }
  size_t bytes() const { return processes_.size() + rules_.size() + records_size_; }
  uint32_t count() const { return count_; }
  uint32_t flags() const { return flags_; }

  // Appends R_i to `out` and empties the builder. `wall_offset_ns` as in Block.
  void Finish(uint64_t first_sequence, int64_t wall_offset_ns, std::string* out);

 private:
  absl::string_view records() const {
    return {reinterpret_cast<const char*>(records_.get()), records_size_};
  }
  uint32_t RuleRef(const std::string* rule);
  uint32_t AddRule(const std::string* rule);
  void AppendRecord(const Entry& entry, const EncodePlan& plan);
  void AppendProcess(Subject* subject);
  void Compress(std::string* out);

  const bool compress_;
  uint64_t block_;    // serial of the open block, of all builders' blocks
  uint64_t segment_;  // serial of the open segment
  uint64_t policy_generation_ = 0;
  uint32_t count_ = 0;
  uint32_t flags_ = 0;
  uint64_t first_time_ns_ = 0;
  uint64_t last_time_ns_ = 0;
  uint32_t process_count_ = 0;
  std::string processes_;  // fields 13, 14 and 15 of Block, as stored
  std::string rules_;
  const std::unique_ptr<uint8_t[]> records_;  // kMaxBlockBytes
  size_t records_size_ = 0;
  size_t last_record_bytes_ = 0;
  std::vector<const std::string*> rule_ids_;
  Process identity_;  // scratch
  // One each for large and small blocks: zstd gives memory back that its last blocks did not need.
  ZSTD_CCtx_s* const zstd_;
  ZSTD_CCtx_s* const small_zstd_;
};

// The first seven fields of a block.
struct BlockHead {
  uint64_t first_sequence = 0;
  uint64_t record_count = 0;
  uint64_t first_time_ns = 0;
  uint64_t last_time_ns = 0;
  int64_t wall_offset_ns = 0;
  uint64_t flags = 0;
  uint64_t policy_generation = 0;
};

// Reads a block's head and nothing behind it. InvalidArgument: not a block, or its fields are not
// in the order of their numbers. Any thread.
absl::Status ParseBlockHead(absl::string_view stored, BlockHead* head);
// Takes stored bytes apart, inflating where needed. InvalidArgument: not a block, or one whose
// head says otherwise. Any thread.
absl::Status ParseBlock(absl::string_view stored, Block* block);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_BLOCK_H_
