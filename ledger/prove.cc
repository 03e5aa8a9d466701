#include "ledger/prove.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/segments.h"

namespace cairn::ledger {
namespace {

constexpr absl::string_view kProofMagic = "c2sp.org/tlog-proof@v1\n";
constexpr size_t kMaxReceipts = 10000;

struct SignedCheckpoint {
  Checkpoint checkpoint;
  std::string note;
  size_t signatures = 0;

  Hash root() const {
    Hash hash;
    std::memcpy(hash.data(), checkpoint.root.data(), hash.size());
    return hash;
  }
};

absl::Status NotAsSigned(const std::string& dir) {
  return absl::DataLossError(
      absl::StrCat(dir, ": the blocks do not hash to the checkpoint's root; run `cairn verify`"));
}

std::optional<SignedCheckpoint> ParseSigned(absl::string_view text) {
  const absl::StatusOr<Note> note = Note::Parse(text);
  if (!note.ok()) return std::nullopt;
  const absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Parse(note->text);
  if (!checkpoint.ok()) return std::nullopt;
  return SignedCheckpoint{*checkpoint, std::string(text), note->signatures.size()};
}

// The statement that most people will believe: more signatures first, then the newest.
absl::StatusOr<SignedCheckpoint> BestCheckpoint(const std::string& dir, uint64_t above) {
  std::optional<SignedCheckpoint> best;
  const auto offer = [&](absl::string_view text) {
    std::optional<SignedCheckpoint> offered = ParseSigned(text);
    if (!offered.has_value() || offered->checkpoint.size <= above) return;
    const bool better = !best.has_value() || offered->signatures > best->signatures ||
                        (offered->signatures == best->signatures &&
                         offered->checkpoint.size > best->checkpoint.size);
    if (better) best = std::move(offered);
  };
  const std::string receipts = absl::StrCat(dir, "/", kReceiptsDir);
  const auto names = ListDirectory(receipts).value_or(std::vector<std::string>{});
  for (size_t i = 0; i < std::min(names.size(), kMaxReceipts); ++i) {
    const auto text = ReadRegularFile(absl::StrCat(receipts, "/", names[i]), kMaxNoteBytes);
    if (text.ok()) offer(*text);
  }
  if (const auto file = ReadCheckpointFile(dir); file.ok()) offer(file->note);
  if (!best.has_value()) {
    return absl::NotFoundError(absl::StrCat(dir, ": no checkpoint covers block ", above, " yet"));
  }
  return *best;
}

}  // namespace

std::string BlockProof::ToString() const {
  std::string out = absl::StrCat(kProofMagic, "index ", index, "\n");
  for (const Hash& hash : hashes) absl::StrAppend(&out, absl::Base64Escape(View(hash)), "\n");
  return absl::StrCat(out, "\n", note);
}

absl::StatusOr<BlockProof> BlockProof::Parse(absl::string_view text) {
  const auto bad = [](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("proof: ", what));
  };
  if (text.size() > kMaxNoteBytes + 8192) return bad("too long");
  if (!absl::ConsumePrefix(&text, kProofMagic))
    return bad("does not begin with 'c2sp.org/tlog-proof@v1'");
  const size_t split = text.find("\n\n");
  if (split == absl::string_view::npos) return bad("no blank line before the checkpoint");
  const std::vector<absl::string_view> lines = absl::StrSplit(text.substr(0, split), '\n');
  absl::string_view index = lines[0];
  BlockProof proof;
  if (!absl::ConsumePrefix(&index, "index ") || !absl::SimpleAtoi(index, &proof.index) ||
      absl::StrCat(proof.index) != index) {
    return bad("the second line is not 'index N'");
  }
  if (lines.size() > 65) return bad("more hashes than any tree has levels");
  for (size_t i = 1; i < lines.size(); ++i) {
    std::string bytes;
    if (!absl::Base64Unescape(lines[i], &bytes) || bytes.size() != kHashBytes ||
        absl::Base64Escape(bytes) != lines[i]) {
      return bad(absl::StrCat("line ", i + 2, " is not base64 of 32 bytes"));
    }
    std::memcpy(proof.hashes.emplace_back().data(), bytes.data(), kHashBytes);
  }
  proof.note = std::string(text.substr(split + 2));
  return proof;
}

absl::StatusOr<uint64_t> CheckProof(const BlockProof& proof, absl::string_view block,
                                    const VerifierKey& key) {
  ASSIGN_OR_RETURN(const Note note, Note::Parse(proof.note));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Parse(note.text));
  if (checkpoint.origin != key.name || CheckNote(note, key) != NoteCheck::kValid) {
    return absl::DataLossError("the proof's checkpoint is not signed by the given key");
  }
  Hash root;
  std::memcpy(root.data(), checkpoint.root.data(), root.size());
  RETURN_IF_ERROR(
      VerifyInclusion(LeafHash(block), proof.index, checkpoint.size, root, proof.hashes));
  return checkpoint.size;
}

absl::StatusOr<BlockProof> ProveRecord(const std::string& dir, uint64_t sequence,
                                       const LogTree::Progress& progress) {
  ASSIGN_OR_RETURN(LogTree before, LogTree::Open(dir, progress));
  ASSIGN_OR_RETURN(LogTree::FoundBlock found, before.Find(sequence));
  ASSIGN_OR_RETURN(const SignedCheckpoint best, BestCheckpoint(dir, found.index));
  ASSIGN_OR_RETURN(LogTree tree, LogTree::Open(dir, progress));  // it may have grown meanwhile
  BlockProof proof;
  proof.index = found.index;
  proof.block = std::move(found.stored);
  ASSIGN_OR_RETURN(proof.hashes, tree.Roots(InclusionRanges(proof.index, best.checkpoint.size)));
  proof.note = best.note;
  const absl::Status holds = VerifyInclusion(LeafHash(proof.block), proof.index,
                                             best.checkpoint.size, best.root(), proof.hashes);
  if (!holds.ok()) return NotAsSigned(dir);
  return proof;
}

absl::StatusOr<ConsistencyReport> ProveConsistency(const std::string& dir, uint64_t old_size,
                                                   uint64_t size,
                                                   const LogTree::Progress& progress) {
  if (old_size > size) {
    return absl::OutOfRangeError(absl::StrCat("size ", old_size, " is above size ", size));
  }
  ConsistencyReport report;
  report.old_size = old_size;
  report.size = size;
  report.old_root = report.root = Frontier().Root();
  if (size == 0) return report;
  const absl::StatusOr<SignedCheckpoint> best = BestCheckpoint(dir, size - 1);
  if (!best.ok()) return absl::OutOfRangeError(best.status().message());
  ASSIGN_OR_RETURN(LogTree tree, LogTree::Open(dir, progress));
  ASSIGN_OR_RETURN(report.root, tree.Root({0, size}));
  if (old_size > 0) {
    ASSIGN_OR_RETURN(report.old_root, tree.Root({0, old_size}));
  }
  ASSIGN_OR_RETURN(report.hashes, tree.Roots(ConsistencyRanges(old_size, size)));
  // What is printed is what was signed: from here to the checkpoint, too.
  ASSIGN_OR_RETURN(const std::vector<Hash> onward,
                   tree.Roots(ConsistencyRanges(size, best->checkpoint.size)));
  if (!VerifyConsistency(old_size, report.old_root, size, report.root, report.hashes).ok() ||
      !VerifyConsistency(size, report.root, best->checkpoint.size, best->root(), onward).ok()) {
    return NotAsSigned(dir);
  }
  return report;
}

}  // namespace cairn::ledger
