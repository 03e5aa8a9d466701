// Notes, checkpoints, proofs, verifier keys and the file `checkpoint`: what parses is written back
// as it was.
#include <cstdint>
#include <cstdlib>

#include "ledger/frame.h"
#include "ledger/note.h"
#include "ledger/prove.h"
#include "ledger/rotation.h"

using cairn::ledger::Checkpoint;
using cairn::ledger::Note;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto note = Note::Parse(bytes);
  if (note.ok()) {
    if (note->ToString() != bytes) std::abort();
    const auto checkpoint = Checkpoint::Parse(note->text);
    if (checkpoint.ok() && checkpoint->ToText() != note->text) std::abort();
  }
  cairn::ledger::VerifierKey::Parse(bytes).IgnoreError();
  const auto proof = cairn::ledger::BlockProof::Parse(bytes);
  if (proof.ok() && proof->ToString() != bytes) std::abort();
  if (proof.ok()) cairn::ledger::CheckProof(*proof, "x", {}).status().IgnoreError();
  const auto rotated = cairn::ledger::RotatedKey(bytes);
  if (rotated.ok()) cairn::ledger::CheckRotation(bytes, *rotated).IgnoreError();
  const auto file = cairn::ledger::ParseCheckpointFile(bytes);
  if (file.ok()) Note::Parse(file->note).IgnoreError();
  return 0;
}
