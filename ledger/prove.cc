#include "ledger/prove.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/io.h"
#include "base/status.h"
#include "ledger/block.h"
#include "ledger/format.h"
#include "ledger/open_segment.h"
#include "ledger/segments.h"
#include "ledger/stream_verifier.h"

namespace cairn::ledger {
namespace {

constexpr absl::string_view kProofMagic = "c2sp.org/tlog-proof@v1\n";
constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMaxReceipts = 10000;

using Progress = std::function<void(uint64_t done, uint64_t total)>;

// The leaves of a log, and the one block that is wanted.
struct Leaves {
  std::vector<Hash> hashes;
  std::optional<uint64_t> wanted;  // index
  std::string block;
};

absl::StatusOr<Leaves> ReadLeaves(const std::string& dir, std::optional<uint64_t> sequence,
                                  const Progress& progress) {
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, ListSegments(dir));
  if (segments.empty()) return absl::NotFoundError(absl::StrCat(dir, ": no segments"));
  if (segments.front().epoch != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(dir, ": the log's beginning is not here; proofs need all its blocks"));
  }
  uint64_t total = 0;
  for (const SegmentInfo& segment : segments) total += segment.valid_bytes;
  Leaves leaves;
  uint64_t next_sequence = 0;
  StreamOptions options;
  options.on_block = [&](uint64_t index, absl::string_view, absl::string_view stored) {
    leaves.hashes.push_back(LeafHash(stored));
    BlockHead head;
    if (!sequence.has_value() || !ParseBlockHead(stored, &head).ok()) return;
    next_sequence = head.first_sequence + head.record_count;
    if (head.first_sequence <= *sequence && *sequence < next_sequence) {
      leaves.wanted = index;
      leaves.block = std::string(stored);
    }
  };
  StreamVerifier verifier(std::move(options), std::nullopt);
  std::string buffer(kReadBytes, '\0');
  uint64_t done = 0;
  for (const SegmentInfo& segment : segments) {
    RETURN_IF_ERROR(verifier.BeginSegment(segment.path));
    ASSIGN_OR_RETURN(const Fd fd, OpenSegment(segment.path));
    for (uint64_t left = segment.valid_bytes; left > 0;) {
      const ssize_t n = ::read(fd.get(), buffer.data(), std::min<uint64_t>(left, buffer.size()));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", segment.path));
      if (n == 0) break;
      RETURN_IF_ERROR(verifier.Feed(absl::string_view(buffer.data(), static_cast<size_t>(n))));
      left -= static_cast<uint64_t>(n);
      done += static_cast<uint64_t>(n);
      if (progress) progress(done, total);
    }
  }
  return leaves;
}

struct SignedCheckpoint {
  Checkpoint checkpoint;
  std::string note;
  size_t signatures = 0;
};

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
    const auto text = ReadFile(absl::StrCat(receipts, "/", names[i]), kMaxNoteBytes);
    if (text.ok()) offer(*text);
  }
  if (const auto file = ReadCheckpointFile(dir); file.ok()) offer(file->note);
  if (!best.has_value()) {
    return absl::NotFoundError(absl::StrCat(dir, ": no checkpoint covers block ", above, " yet"));
  }
  return *best;
}

Hash RootOf(const std::vector<Hash>& leaves, uint64_t size) {
  Frontier frontier;
  for (uint64_t i = 0; i < size; ++i) frontier.Add(leaves[i]);
  return frontier.Root();
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
                                       const Progress& progress) {
  ASSIGN_OR_RETURN(Leaves leaves, ReadLeaves(dir, sequence, progress));
  if (!leaves.wanted.has_value()) {
    return absl::NotFoundError(absl::StrCat(dir, ": no record ", sequence));
  }
  ASSIGN_OR_RETURN(const SignedCheckpoint best, BestCheckpoint(dir, *leaves.wanted));
  if (best.checkpoint.size > leaves.hashes.size()) {
    return absl::DataLossError(absl::StrCat(dir, ": a checkpoint vouches for ",
                                            best.checkpoint.size, " blocks, ", leaves.hashes.size(),
                                            " are here; run `cairn verify`"));
  }
  leaves.hashes.resize(best.checkpoint.size);
  if (View(RootOf(leaves.hashes, best.checkpoint.size)) != best.checkpoint.root) {
    return absl::DataLossError(
        absl::StrCat(dir, ": the blocks do not hash to the checkpoint's root; run `cairn verify`"));
  }
  BlockProof proof;
  proof.index = *leaves.wanted;
  proof.block = std::move(leaves.block);
  proof.hashes = InclusionProof(leaves.hashes, proof.index);
  proof.note = best.note;
  return proof;
}

absl::StatusOr<ConsistencyReport> ProveConsistency(const std::string& dir, uint64_t old_size,
                                                   uint64_t size, const Progress& progress) {
  ASSIGN_OR_RETURN(Leaves leaves, ReadLeaves(dir, std::nullopt, progress));
  if (old_size > size || size > leaves.hashes.size()) {
    return absl::OutOfRangeError(absl::StrCat("sizes ", old_size, " and ", size,
                                              " do not rise up to the log's ", leaves.hashes.size(),
                                              " blocks"));
  }
  leaves.hashes.resize(size);
  ConsistencyReport report;
  report.old_size = old_size;
  report.size = size;
  report.old_root = RootOf(leaves.hashes, old_size);
  report.root = RootOf(leaves.hashes, size);
  report.hashes = ConsistencyProof(leaves.hashes, old_size);
  return report;
}

}  // namespace cairn::ledger
