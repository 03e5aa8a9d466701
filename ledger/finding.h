// What a verifier found, and where. proto/FORMAT.md §9.
#ifndef CAIRN_LEDGER_FINDING_H_
#define CAIRN_LEDGER_FINDING_H_

#include <cstdint>
#include <string>

namespace cairn::ledger {

// Blocks [block, end_block), which hold the records [first_sequence, end_sequence).
struct BlockRange {
  uint64_t block = 0;
  uint64_t end_block = 0;
  uint64_t first_sequence = 0;
  uint64_t end_sequence = 0;
};

// What is wrong with a log, at the first place where it shows.
struct Finding {
  std::string code;    // FORMAT.md §9
  uint64_t block = 0;  // blocks in doubt: [block, end_block)
  uint64_t end_block = 0;
  uint64_t first_sequence = 0;  // records in doubt: [first_sequence, end_sequence)
  uint64_t end_sequence = 0;
  std::string file;
  uint64_t offset = 0;  // of the frame, in bytes
  std::string detail;   // one sentence

  std::string ToString() const;  // one line, without the verdict
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_FINDING_H_
