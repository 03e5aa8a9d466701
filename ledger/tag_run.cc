#include "ledger/tag_run.h"

#include "absl/strings/str_cat.h"

namespace cairn::ledger {

void RunningTagKey::MoveTo(uint64_t later) {
  while (epoch < later) key.NextEpoch(++epoch);
}

bool IsSameRun(const SegmentEnd& before, const SegmentHeader& header) {
  return header.previous_end() == "storage" ||
         (header.previous_end() == "sealed" && !before.announced_key.empty());
}

std::optional<Mismatch> CheckTagRun(std::optional<RunningTagKey>* key, const SegmentHeader& header,
                                    TagStart* start, uint64_t* checked) {
  for (CarriedBlock& block : start->carried) {
    if (block.opens.has_value() && key->has_value()) {
      if (*block.opens < (*key)->epoch) {
        return Mismatch{"open",
                        "a carried block opens an epoch before that of the block before it"};
      }
      (*key)->MoveTo(*block.opens);
    } else if (block.first_key.has_value()) {
      *key = RunningTagKey{*std::move(block.first_key), *block.opens};
    }
    if (!key->has_value()) continue;
    if ((*key)->key.TagAndEvolve(block.chain) != block.tag) {
      return Mismatch{"tag", absl::StrCat("the tag of carried block ", block.index,
                                          " is not by the key of its time")};
    }
    ++*checked;
  }
  if (!start->opened || !key->has_value()) return std::nullopt;
  (*key)->MoveTo(header.epoch());
  if (start->key_commitment != View((*key)->key.Commitment())) {
    return Mismatch{"sealed-key", "the epoch's tag key is not made of that of the epoch before"};
  }
  if (!start->sealed_to_us) {
    return Mismatch{"sealed-key",
                    "the epoch's tag key is not sealed to the recipient, as that before was"};
  }
  return std::nullopt;
}

}  // namespace cairn::ledger
