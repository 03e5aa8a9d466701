// Tag keys from epoch to epoch, as whoever holds a recipient's key follows them: K evolves with
// every block, and an epoch of the same run begins with a key made of the last one's.
// proto/FORMAT.md §4.
#ifndef CAIRN_LEDGER_TAG_RUN_H_
#define CAIRN_LEDGER_TAG_RUN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ledger/hash.h"
#include "ledger/log_state.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

// K of the next block, where it is known.
struct RunningTagKey {
  TagKey key;
  uint64_t epoch = 0;  // that it is of

  // The key of a later epoch of the same run, epochs without a block included.
  void MoveTo(uint64_t later);
};

// A block that a segment carries over from an abandoned one: its tag is by the key of its own time.
struct CarriedBlock {
  uint64_t index = 0;
  Hash chain{};  // C after it
  Tag tag{};
  std::optional<uint64_t> opens;    // an epoch whose opening it is
  std::optional<TagKey> first_key;  // of that epoch, where it is sealed to us
};

// What a segment says of tag keys at its beginning.
struct TagStart {
  std::vector<CarriedBlock> carried;
  bool opened = false;
  bool sealed_to_us = false;   // K is sealed to the recipient whose key is at hand
  std::string key_commitment;  // of the opening
};

// Whether the tags of carried blocks and the epoch's key continue `key`, that of the segment before
// in the same run; it is moved on, and found where a carried opening has it. `checked` counts tags.
// A finding of code open, tag or sealed-key.
std::optional<Mismatch> CheckTagRun(std::optional<RunningTagKey>* key, const SegmentHeader& header,
                                    TagStart* start, uint64_t* checked);

// Whether the writer of `header` is the one that wrote the segment before: its keys go on.
bool IsSameRun(const SegmentEnd& before, const SegmentHeader& header);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_TAG_RUN_H_
