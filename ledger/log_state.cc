#include "ledger/log_state.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "ledger/format.h"

namespace cairn::ledger {

LogState LogState::Beginning(absl::string_view origin) {
  LogState state;
  state.origin = std::string(origin);
  state.chain = ChainOrigin(origin);
  return state;
}

LogState LogState::Claimed(const SegmentHeader& header) {
  LogState state;
  state.origin = header.origin();
  state.size = header.first_block();
  state.next_sequence = header.first_sequence();
  state.next_epoch = header.epoch();
  std::memcpy(state.chain.data(), header.chain().data(), kHashBytes);
  state.frontier =
      Frontier::Restore(header.first_block(), {header.frontier().begin(), header.frontier().end()})
          .value();
  return state;
}

bool SaysSealed(const SegmentHeader& header) {
  return header.previous_end() == "sealed" || header.previous_end() == "interrupted";
}

bool KeyAsAnnounced(const SegmentEnd& before, const SegmentHeader& header,
                    absl::string_view epoch_key) {
  return header.previous_end() != "sealed" || before.announced_key.empty() ||
         before.announced_key == epoch_key;
}

std::optional<Mismatch> CheckLink(const SegmentEnd& before, const SegmentHeader& header) {
  const LogState& state = before.state;
  if (header.origin() != state.origin) {
    return Mismatch{"origin", absl::StrCat("the segment is of log '", header.origin(), "', not '",
                                           state.origin, "'")};
  }
  if (header.epoch() != state.next_epoch) {
    return Mismatch{"gap", absl::StrCat("epoch ", header.epoch(), " stands where epoch ",
                                        state.next_epoch, " should")};
  }
  const LogState claimed = LogState::Claimed(header);
  if (claimed.size != state.size || claimed.next_sequence != state.next_sequence ||
      claimed.chain != state.chain || claimed.frontier.hashes() != state.frontier.hashes()) {
    return Mismatch{"splice", "the header does not continue the log before it"};
  }
  const bool says_sealed = SaysSealed(header);
  if (says_sealed && !before.sealed) {
    return Mismatch{"unsealed", "the epoch before was sealed, but its seal is missing"};
  }
  if (!says_sealed && before.sealed) {
    return Mismatch{"unsealed", "the epoch before is sealed, but the header denies it"};
  }
  if (header.previous_valid_bytes() != before.bytes) {
    return Mismatch{"cut",
                    absl::StrCat("the segment before has ", before.bytes,
                                 " good bytes, the header says ", header.previous_valid_bytes())};
  }
  return std::nullopt;
}

}  // namespace cairn::ledger
