#include "ledger/incarnation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/host.h"
#include "base/io.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/note.h"
#include "ledger/rotation.h"
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

absl::StatusOr<OpenedLog> RotateKey(LedgerOptions options, const SigningKey& key,
                                    const SigningKey& next) {
  ASSIGN_OR_RETURN(const int newest, NewestIncarnation(options.dir));
  const auto text = ReadFile(absl::StrCat(options.dir, "/", newest, "/", kKeyFile), 4096);
  const auto vkey = text.ok() ? VerifierKey::Parse(*text) : text.status();
  if (vkey.ok() && vkey->public_key == next.public_key()) {
    return OpenNewestIncarnation(std::move(options), next);
  }
  ASSIGN_OR_RETURN(OpenedLog old, OpenNewestIncarnation(options, key));
  ASSIGN_OR_RETURN(const int number, NewestIncarnation(options.dir));
  const VerifierKey old_key = {old.origin, SignatureType::kEd25519, key.public_key()};
  const VerifierKey new_key = {absl::StrCat(options.origin, "/", number + 1),
                               SignatureType::kEd25519, next.public_key()};
  KeyRotation rotation;
  rotation.set_old_key(old_key.ToString());
  rotation.set_new_key(new_key.ToString());
  rotation.set_cross_signature(MakeRotation(old_key, new_key, key));
  RETURN_IF_ERROR(old.ledger->RecordRotation(rotation));
  RETURN_IF_ERROR(old.ledger->Close("key"));
  old.ledger.reset();

  options.from = Describe(old.dir, old.origin, "key rotated");
  options.rotation = rotation;
  OpenedLog opened;
  opened.origin = options.origin = new_key.name;
  opened.dir = options.dir = absl::StrCat(options.dir, "/", number + 1);
  ASSIGN_OR_RETURN(opened.ledger, Ledger::Open(std::move(options), next.Clone()));
  return opened;
}

}  // namespace cairn::ledger
