#include "ledger/incarnation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/host.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/note.h"
#include "ledger/segments.h"

namespace cairn::ledger {
namespace {

// What is known of the incarnation at `dir` that cannot be continued.
Predecessor Describe(const std::string& dir, const std::string& origin, absl::string_view reason) {
  Predecessor from;
  from.origin = origin;
  from.reason = std::string(reason);
  const absl::StatusOr<CheckpointFile> file = ReadCheckpointFile(dir);
  if (!file.ok()) return from;
  const absl::StatusOr<Note> note = Note::Parse(file->note);
  if (!note.ok()) return from;
  const absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Parse(note->text);
  if (!checkpoint.ok()) return from;
  from.size = checkpoint->size;
  from.root = checkpoint->root;
  return from;
}

}  // namespace

absl::StatusOr<OpenedLog> OpenNewestIncarnation(LedgerOptions options, const SigningKey& key) {
  const std::string base_dir = options.dir;
  const std::string host = options.origin;
  RETURN_IF_ERROR(MakeDirectories(options.io, base_dir, 0750));
  ASSIGN_OR_RETURN(int number, NewestIncarnation(base_dir));
  OpenedLog opened;
  for (int attempt = 0; attempt < 2; ++attempt, ++number) {
    opened.dir = options.dir = absl::StrCat(base_dir, "/", number);
    opened.origin = options.origin = absl::StrCat(host, "/", number);
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(options, key.Clone());
    if (ledger.ok()) {
      opened.ledger = *std::move(ledger);
      return opened;
    }
    if (!absl::IsDataLoss(ledger.status())) return ledger.status();
    opened.forked = std::string(ledger.status().message());
    LogError("log ", opened.origin, " cannot be continued: ", opened.forked,
             "; it is kept as it is and incarnation ", number + 1, " begins");
    options.from = Describe(opened.dir, opened.origin, opened.forked);
  }
  return absl::DataLossError(opened.forked);
}

}  // namespace cairn::ledger
