// What a crash left, and where the log goes on. proto/FORMAT.md §8.
#ifndef CAIRN_LEDGER_RECOVER_H_
#define CAIRN_LEDGER_RECOVER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "ledger/stream_verifier.h"
#include "proto/record.pb.h"

namespace cairn::ledger {

struct Recovered {
  LogState state;            // where the next segment begins
  std::string previous_end;  // none | sealed | interrupted | torn: for its header
  uint64_t previous_valid_bytes = 0;
  uint64_t tpm_counter = 0;  // of the newest opening; 0: none
  bool clean = true;         // the log was closed by the agent, or is new
  Recovery record;           // what agent.recovery says, unless clean
};

// Examines the newest segment of `dir`, moves what is torn off its end to quarantine/ and
// returns where to go on. May be interrupted anywhere and run again.
// DataLoss: bytes that a COMMIT or the file `checkpoint` calls durable are damaged or gone, or
// a receipt bears a larger checkpoint signed by `key` (whose name is the origin): this disk is
// older than the truth. Nothing was changed, and this log must not be continued.
absl::StatusOr<Recovered> Recover(Io* io, const std::string& dir, const VerifierKey& key);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_RECOVER_H_
