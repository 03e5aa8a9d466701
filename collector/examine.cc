#include "collector/examine.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/stream_verifier.h"

namespace cairn::collector {

absl::StatusOr<Examined> Examine(absl::string_view bytes, const std::string& file,
                                 const ledger::VerifierKey& log_key) {
  Examined examined;
  ledger::StreamOptions options;
  options.log_key = log_key;
  options.on_checkpoint = [&](const ledger::Checkpoint&, absl::string_view note) {
    examined.note = std::string(note);
  };
  ledger::StreamVerifier verifier(std::move(options), std::nullopt);
  RETURN_IF_ERROR(verifier.BeginSegment(file));
  RETURN_IF_ERROR(verifier.Feed(bytes));
  RETURN_IF_ERROR(verifier.EndSegment());
  examined.sealed = verifier.sealed();
  return examined;
}

absl::StatusOr<std::string> NoteOfHost(absl::string_view note, const ledger::VerifierKey& log_key) {
  ASSIGN_OR_RETURN(const ledger::Note parsed, ledger::Note::Parse(note));
  if (ledger::CheckNote(parsed, log_key) != ledger::NoteCheck::kValid) {
    return absl::DataLossError(absl::StrCat("a note that ", log_key.name, " did not sign"));
  }
  ledger::Note bare{.text = parsed.text};
  for (const auto& signature : parsed.signatures) {
    // The log's own and its epoch's; a collector's name is another.
    if (absl::StartsWith(signature.name, log_key.name)) bare.signatures.push_back(signature);
  }
  return bare.ToString();
}

}  // namespace cairn::collector
