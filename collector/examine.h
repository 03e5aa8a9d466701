// A whole segment, verified once more before somebody vouches for it.
#ifndef CAIRN_COLLECTOR_EXAMINE_H_
#define CAIRN_COLLECTOR_EXAMINE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/note.h"

namespace cairn::collector {

struct Examined {
  bool sealed = false;
  std::string note;  // newest checkpoint in it, as the host signed it; empty: none
};

// `file` is for errors. DataLoss: it does not verify. Any thread.
absl::StatusOr<Examined> Examine(absl::string_view bytes, const std::string& file,
                                 const ledger::VerifierKey& log_key);

// `note` with the host's signatures alone: without those of collectors. DataLoss: `log_key` did
// not sign it.
absl::StatusOr<std::string> NoteOfHost(absl::string_view note, const ledger::VerifierKey& log_key);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_EXAMINE_H_
