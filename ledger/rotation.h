// The note by which a log's old key names the new one. proto/FORMAT.md §6.
#ifndef CAIRN_LEDGER_ROTATION_H_
#define CAIRN_LEDGER_ROTATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/note.h"

namespace cairn::ledger {

// "cairn/key-rotation/v1\n<old vkey>\n<new vkey>\n", signed by `key`, the old one's private half.
std::string MakeRotation(const VerifierKey& old_key, const VerifierKey& new_key,
                         const SigningKey& key);

// The key that such a note says it is by; nothing is checked.
absl::StatusOr<VerifierKey> RotatedKey(absl::string_view note);

// The new key. InvalidArgument: not such a note; DataLoss: not signed by `old_key`, or the new key
// is not of a later incarnation of the same host's log.
absl::StatusOr<VerifierKey> CheckRotation(absl::string_view note, const VerifierKey& old_key);

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_ROTATION_H_
