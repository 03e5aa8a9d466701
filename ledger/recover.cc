#include "ledger/recover.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/segments.h"

namespace cairn::ledger {
namespace {

constexpr size_t kMaxSegmentBytes = 256 << 20;
constexpr size_t kMaxReceipts = 10000;

// The highest offset that any COMMIT behind `from` states: frames are followed by their
// lengths as far as those make sense, for a damaged frame may stand before good ones.
uint64_t DurableBehind(absl::string_view bytes, uint64_t from) {
  uint64_t durable = 0;
  bytes.remove_prefix(from);
  while (bytes.size() >= kFramePrefixBytes) {
    FrameView frame;
    std::string cause;
    frame.size = 0;
    const FrameEnd end = ParseFrame(bytes, &frame, &cause);
    if (end == FrameEnd::kNeedMore || (end == FrameEnd::kBad && frame.size == 0)) break;
    if (end == FrameEnd::kFrame && frame.type == FrameType::kCommit) {
      const absl::StatusOr<Commit> commit = ParseCommit(frame.body);
      if (commit.ok()) durable = std::max(durable, commit->durable_offset);
    }
    bytes.remove_prefix(frame.size);
  }
  return durable;
}

// fdatasync(segment) fsync(directory): what a kill left in the page cache alone, a power cut would
// still take, and the next epoch builds on it.
absl::Status MakeDurable(Io* io, const std::string& dir, const std::string& path) {
  ASSIGN_OR_RETURN(const Fd fd, OpenFile(io, path, O_RDONLY | O_NOFOLLOW));
  if (io->Fdatasync(fd.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fdatasync ", path));
  return SyncDirectory(io, dir);
}

// Copies bytes[from, end) to quarantine/, durably, then cuts the segment there.
//   write quarantine/NAME.FROM  fdatasync  rename  fsync(dir)   ftruncate(segment)  fsync(segment)
absl::Status QuarantineTail(Io* io, const std::string& dir, const SegmentInfo& segment,
                            absl::string_view bytes, uint64_t from, std::string* name) {
  *name = absl::StrCat(SegmentName(segment.epoch), ".", from);
  const std::string quarantine = absl::StrCat(dir, "/", kQuarantineDir);
  RETURN_IF_ERROR(MakeDirectories(io, quarantine, 0750));
  RETURN_IF_ERROR(WriteFileDurably(io, quarantine, *name, bytes.substr(from), 0440));
  if (from == 0) {
    if (io->Unlink(segment.path.c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("unlink ", segment.path));
    }
    return SyncDirectory(io, dir);
  }
  ASSIGN_OR_RETURN(const Fd fd, OpenFile(io, segment.path, O_WRONLY | O_NOFOLLOW));
  if (io->Ftruncate(fd.get(), static_cast<off_t>(from)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("truncate ", segment.path));
  }
  if (io->Fsync(fd.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fsync ", segment.path));
  return absl::OkStatus();
}

class Recoverer {
 public:
  Recoverer(Io* io, const std::string& dir, const VerifierKey& key)
      : io_(io), dir_(dir), key_(key), origin_(key.name) {}

  absl::StatusOr<Recovered> Run() {
    ASSIGN_OR_RETURN(segments_, ListSegments(dir_));
    FindLargestReceipt();
    if (const auto file = ReadCheckpointFile(dir_); file.ok()) {
      checkpoint_ = *file;
    } else if (!absl::IsNotFound(file.status())) {
      LogWarning("recovery: ", file.status().message());
    }
    while (!segments_.empty()) {
      ASSIGN_OR_RETURN(const bool done, TrySegment());
      if (done) return out_;
      segments_.pop_back();
    }
    if (checkpoint_.has_value() || receipted_ > 0) {
      return absl::DataLossError(
          absl::StrCat(dir_, ": ", checkpoint_.has_value() ? "the file checkpoint" : receipt_,
                       " vouches for a log, but no segment is there"));
    }
    out_.state = LogState::Beginning(origin_);
    out_.previous_end = "none";
    return out_;
  }

 private:
  // Examines the newest segment. False: nothing of it counts, and it is in quarantine.
  absl::StatusOr<bool> TrySegment() {
    const SegmentInfo& segment = segments_.back();
    ASSIGN_OR_RETURN(const std::string bytes, ReadFile(segment.path, kMaxSegmentBytes, io_));
    StreamOptions options;
    options.on_epoch = [this](const SegmentHeader&, const EpochOpen& open, uint64_t) {
      out_.tpm_counter = open.tpm_counter();
    };
    StreamVerifier verifier(std::move(options), std::nullopt);
    RETURN_IF_ERROR(verifier.BeginSegment(SegmentName(segment.epoch)));
    absl::Status fed = verifier.Feed(bytes);
    if (fed.ok()) fed = verifier.EndSegment();
    const uint64_t valid = verifier.opened() ? verifier.offset() : 0;
    RETURN_IF_ERROR(CheckDurable(segment, bytes, valid, verifier.durable_offset(), fed));
    if (verifier.opened() && verifier.state().size < receipted_) {
      return absl::DataLossError(absl::StrCat(dir_, ": ", receipt_, " is a receipt for ",
                                              receipted_, " blocks signed by this log's key, ",
                                              verifier.state().size,
                                              " are here: this disk is older than the truth"));
    }
    if (verifier.opened() && verifier.header().origin() != origin_) {
      return absl::DataLossError(absl::StrCat(
          segment.path, ": is of log '", verifier.header().origin(), "', not '", origin_, "'"));
    }
    std::string quarantined;
    if (valid < bytes.size() || valid == 0) {
      RETURN_IF_ERROR(QuarantineTail(io_, dir_, segment, bytes, valid, &quarantined));
      out_.clean = false;
      out_.record.set_quarantine_file(quarantined);
      out_.record.set_quarantined_bytes(bytes.size() - valid);
      out_.record.set_detail(std::string(fed.message()));
    }
    if (valid == 0) return false;
    RETURN_IF_ERROR(MakeDurable(io_, dir_, segment.path));
    Describe(verifier);
    return true;
  }

  // A note by our own key says how far this log once was. (The shipper writes this directory:
  // what is not signed by us says nothing.)
  void FindLargestReceipt() {
    const std::string dir = absl::StrCat(dir_, "/", kReceiptsDir);
    const auto names = ListDirectory(dir);
    if (!names.ok()) return;
    for (size_t i = 0; i < std::min(names->size(), kMaxReceipts); ++i) {
      const std::string path = absl::StrCat(dir, "/", (*names)[i]);
      const absl::StatusOr<std::string> text = ReadFile(path, kMaxNoteBytes);
      const absl::StatusOr<Note> note = text.ok() ? Note::Parse(*text) : text.status();
      if (!note.ok() || CheckNote(*note, key_) != NoteCheck::kValid) continue;
      const absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Parse(note->text);
      if (!checkpoint.ok() || checkpoint->origin != origin_ || checkpoint->size <= receipted_)
        continue;
      receipted_ = checkpoint->size;
      receipt_ = path;
    }
  }

  // DataLoss when less is valid than was durable.
  absl::Status CheckDurable(const SegmentInfo& segment, absl::string_view bytes, uint64_t valid,
                            uint64_t durable, const absl::Status& fed) const {
    durable = std::max(durable, DurableBehind(bytes, std::min<uint64_t>(valid, bytes.size())));
    if (checkpoint_.has_value()) {
      uint64_t epoch = 0;
      ParseSegmentName(checkpoint_->segment, &epoch);
      if (epoch == segment.epoch) durable = std::max(durable, checkpoint_->offset);
      if (epoch > segment.epoch) {
        return absl::DataLossError(
            absl::StrCat(dir_, ": the file checkpoint names ", checkpoint_->segment,
                         ", but the newest segment is ", SegmentName(segment.epoch)));
      }
    }
    if (valid >= durable) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(segment.path, ": ", durable,
                                            " bytes were durable, only ", valid, " are good",
                                            fed.ok() ? absl::string_view() : ": ", fed.message()));
  }

  void Describe(const StreamVerifier& verifier) {
    out_.state = verifier.state();
    const bool stopped = verifier.sealed() &&
                         (verifier.close_reason() == "stop" || verifier.close_reason() == "key");
    out_.previous_end = !verifier.sealed() ? "torn" : stopped ? "sealed" : "interrupted";
    out_.previous_valid_bytes = verifier.offset();
    if (!verifier.sealed()) out_.state.next_epoch = verifier.header().epoch() + 1;
    if (!stopped) out_.clean = false;
    out_.record.set_epoch(verifier.header().epoch());
    out_.record.set_valid_bytes(verifier.offset());
    out_.record.set_size(verifier.state().size);
    out_.record.set_how(out_.previous_end);
    out_.record.set_unknown_since_wall_ns(verifier.last_wall_ns());
  }

  Io* const io_;
  const std::string dir_;
  const VerifierKey& key_;
  const std::string& origin_;
  std::vector<SegmentInfo> segments_;
  std::optional<CheckpointFile> checkpoint_;
  uint64_t receipted_ = 0;  // blocks
  std::string receipt_;     // its file
  Recovered out_;
};

}  // namespace

absl::StatusOr<Recovered> Recover(Io* io, const std::string& dir, const VerifierKey& key) {
  return Recoverer(io, dir, key).Run();
}

}  // namespace cairn::ledger
