#include "collector/host_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "ledger/format.h"
#include "ledger/frame.h"
#include "ledger/segments.h"

namespace cairn::collector {
namespace {

constexpr size_t kChunk = 256 << 10;

// Reads exactly `size` bytes at `offset`, or up to the end of the file.
absl::StatusOr<std::string> ReadAt(int fd, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t n =
        ::pread(fd, bytes.data() + have, size - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read");
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  bytes.resize(have);
  return bytes;
}

}  // namespace

HostLog::HostLog(Io* io, std::string dir, ledger::VerifierKey log_key, const Cosigner* cosigner)
    : io_(io), dir_(std::move(dir)), log_key_(std::move(log_key)), cosigner_(cosigner) {}

std::string HostLog::SegmentPath(uint64_t epoch) const {
  return absl::StrCat(dir_, "/", ledger::SegmentName(epoch));
}

absl::StatusOr<std::unique_ptr<HostLog>> HostLog::Open(Io* io, std::string dir,
                                                       ledger::VerifierKey log_key,
                                                       const Cosigner* cosigner) {
  RETURN_IF_ERROR(MakeDirectories(io, dir, 0750));
  auto log = absl::WrapUnique(new HostLog(io, std::move(dir), std::move(log_key), cosigner));
  struct stat st;
  if (::stat(absl::StrCat(log->dir_, "/", ledger::kKeyFile).c_str(), &st) != 0) {
    RETURN_IF_ERROR(
        WriteFileDurably(io, log->dir_, ledger::kKeyFile, log->log_key_.ToString() + "\n", 0440));
  }
  RETURN_IF_ERROR(log->Recover());
  return log;
}

void HostLog::NewVerifier(std::optional<ledger::LogState> from) {
  ledger::StreamOptions options;
  options.log_key = log_key_;
  options.on_checkpoint = [this](const ledger::Checkpoint& checkpoint, absl::string_view note) {
    OnCheckpoint(checkpoint, note);
  };
  verifier_ = std::make_unique<ledger::StreamVerifier>(std::move(options), std::move(from));
}

void HostLog::OnCheckpoint(const ledger::Checkpoint& checkpoint, absl::string_view note) {
  // The verifier still stands before the frame.
  staged_anchor_ = {verifier_->header().epoch(),
                    verifier_->offset() + ledger::kFramePrefixBytes + note.size()};
  staged_.note = std::string(note);
  staged_.size = checkpoint.size;
  staged_.records = verifier_->state().next_sequence;
  staged_.wall_ns = verifier_->last_wall_ns();
}

void HostLog::TakeStaged() {
  if (!staged_anchor_.has_value()) return;
  anchor_ = *std::exchange(staged_anchor_, std::nullopt);
  if (staged_.size >= receipt_.size) pending_ = std::move(staged_);
}

// ---- recovery ---------------------------------------------------------------------

absl::Status HostLog::LoadReceipt() {
  const absl::StatusOr<ledger::CheckpointFile> file = ledger::ReadCheckpointFile(dir_);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  if (!file.ok()) {
    LogWarning(file.status().message(), "; the segments will tell");
    return absl::OkStatus();
  }
  const absl::StatusOr<ledger::Note> note = ledger::Note::Parse(file->note);
  const absl::StatusOr<ledger::Checkpoint> checkpoint =
      note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
  uint64_t time_s = 0;
  if (!checkpoint.ok() || checkpoint->origin != log_key_.name ||
      ledger::CheckNote(*note, log_key_) != ledger::NoteCheck::kValid ||
      ledger::CheckNote(*note, cosigner_->key(), &time_s) != ledger::NoteCheck::kValid) {
    LogWarning(dir_, "/", ledger::kCheckpointFile, ": not a receipt of ours for this log; ignored");
    return absl::OkStatus();
  }
  receipt_.size = saved_size_ = checkpoint->size;
  receipt_.time_s = time_s;
  receipt_.note = file->note;
  ledger::ParseSegmentName(file->segment, &receipt_.place.epoch);
  receipt_.place.offset = file->offset;
  return absl::OkStatus();
}

absl::Status HostLog::Recover() {
  RETURN_IF_ERROR(LoadReceipt());
  ASSIGN_OR_RETURN(const std::vector<ledger::SegmentInfo> segments, ledger::ListSegments(dir_));
  for (const ledger::SegmentInfo& segment : segments) stored_bytes_ += segment.file_bytes;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    ASSIGN_OR_RETURN(const bool found, RecoverFrom(segment->epoch));
    if (found) return absl::OkStatus();
  }
  if (receipt_.size > 0) {
    return absl::DataLossError(absl::StrCat(dir_, ": no segment is left of a log of ",
                                            receipt_.size, " receipted blocks"));
  }
  if (!segments.empty()) RETURN_IF_ERROR(DropAfter({0, 0}));
  NewVerifier(ledger::LogState::Beginning(log_key_.name));
  return absl::OkStatus();
}

// Verifies segment `epoch` up to `limit` bytes; the verifier is left there. Returns how many
// bytes are whole, good frames.
absl::StatusOr<uint64_t> HostLog::VerifyStored(uint64_t epoch, uint64_t limit) {
  const std::string path = SegmentPath(epoch);
  ASSIGN_OR_RETURN(const Fd fd, OpenFile(io_, path, O_RDONLY | O_NOFOLLOW));
  anchor_ = {epoch, 0};
  staged_anchor_.reset();
  NewVerifier(std::nullopt);
  RETURN_IF_ERROR(verifier_->BeginSegment(path));
  for (uint64_t at = 0; at < limit;) {
    ASSIGN_OR_RETURN(const std::string bytes,
                     ReadAt(fd.get(), at, std::min<uint64_t>(kChunk, limit - at)));
    if (bytes.empty() || !verifier_->Feed(bytes).ok()) break;
    at += bytes.size();
  }
  TakeStaged();
  return verifier_->offset();
}

// False: the file holds nothing that can be gone on from.
absl::StatusOr<bool> HostLog::RecoverFrom(uint64_t epoch) {
  ASSIGN_OR_RETURN(uint64_t good, VerifyStored(epoch, UINT64_MAX));
  if (!verifier_->header_seen() || good == 0) return false;
  const ledger::Finding* finding = verifier_->finding();
  if (receipt_.size > verifier_->checkpointed()) {
    return absl::DataLossError(
        absl::StrCat(SegmentPath(epoch), ": the store vouched for ", receipt_.size,
                     " blocks, only ", verifier_->checkpointed(), " are left",
                     finding != nullptr ? absl::StrCat(": ", finding->ToString()) : ""));
  }
  if (finding != nullptr) {
    // What stands behind the newest checkpoint was never receipted: it comes again.
    LogWarning("store: ", finding->ToString(), "; dropped back to the checkpoint before it");
    good = anchor_.offset;
    if (good == 0) return false;
    ASSIGN_OR_RETURN(good, VerifyStored(epoch, good));
  }
  RETURN_IF_ERROR(DropAfter({epoch, good}));
  ASSIGN_OR_RETURN(file_, OpenFile(io_, SegmentPath(epoch), O_WRONLY | O_APPEND | O_NOFOLLOW));
  if (io_->Fdatasync(file_.get()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("fdatasync ", SegmentPath(epoch)));
  }
  next_ = {epoch, good};
  closed_ = true;  // who listens may not have heard of it
  if (pending_.size == receipt_.size) pending_ = {};
  return true;
}

absl::Status HostLog::DropAfter(const Place& place) {
  ASSIGN_OR_RETURN(const std::vector<ledger::SegmentInfo> segments, ledger::ListSegments(dir_));
  for (const ledger::SegmentInfo& segment : segments) {
    const bool cut = segment.epoch == place.epoch && place.offset > 0;
    if (segment.epoch < place.epoch) continue;
    if (cut && ::chmod(segment.path.c_str(), 0640) != 0) {
      return ErrnoStatus(errno, absl::StrCat("chmod ", segment.path));
    }
    if (cut && segment.file_bytes <= place.offset) continue;
    LogInfo("store: ", segment.path, ": ", segment.file_bytes, " bytes, ", cut ? place.offset : 0,
            " kept");
    stored_bytes_ -= segment.file_bytes - (cut ? place.offset : 0);
    if (cut) {
      ASSIGN_OR_RETURN(const Fd fd, OpenFile(io_, segment.path, O_WRONLY | O_NOFOLLOW));
      if (io_->Ftruncate(fd.get(), static_cast<off_t>(place.offset)) != 0) {
        return ErrnoStatus(errno, absl::StrCat("truncate ", segment.path));
      }
    } else if (io_->Unlink(segment.path.c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("remove ", segment.path));
    }
  }
  // Also where nothing changed: a name that is seen need not have been durable.
  return SyncDirectory(io_, dir_);
}

// ---- growth -----------------------------------------------------------------------

absl::Status HostLog::StartAt(uint64_t first_epoch) {
  if (!empty() && first_epoch <= next_.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("segment ", first_epoch, " is not after ", next_.epoch));
  }
  const std::string line =
      absl::StrCat("segments from ", next_.epoch, " byte ", next_.offset, " up to segment ",
                   first_epoch, " were not offered by the host\n");
  ASSIGN_OR_RETURN(const Fd gaps,
                   OpenFile(io_, absl::StrCat(dir_, "/gaps"), O_WRONLY | O_CREAT | O_APPEND, 0640));
  RETURN_IF_ERROR(WriteAll(io_, gaps.get(), line, "gaps"));
  if (io_->Fdatasync(gaps.get()) != 0) return ErrnoStatus(errno, "fdatasync gaps");
  at_least_ = std::max(receipt_.size, pending_.size);
  file_.Reset();
  next_ = anchor_ = {first_epoch, 0};
  NewVerifier(std::nullopt);
  return absl::OkStatus();
}

absl::Status HostLog::NextSegment(uint64_t epoch) {
  if (file_.valid()) {
    if (io_->Fdatasync(file_.get()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("fdatasync ", SegmentPath(next_.epoch)));
    }
    ::fchmod(file_.get(), 0440);
    RETURN_IF_ERROR(verifier_->EndSegment());
    closed_ = true;
  }
  const std::string path = SegmentPath(epoch);
  RETURN_IF_ERROR(verifier_->BeginSegment(path));
  file_.Reset();
  next_ = {epoch, 0};
  return absl::OkStatus();
}

absl::Status HostLog::Append(const Place& place, absl::string_view bytes) {
  const bool next_segment = place.offset == 0 && place.epoch == next_.epoch + 1 && next_.offset > 0;
  if (place.epoch < next_.epoch || (place.epoch == next_.epoch && place.offset < next_.offset)) {
    return Compare(place, bytes);
  }
  if (place != next_ && !next_segment) {
    return absl::OutOfRangeError(absl::StrCat("segment ", place.epoch, " byte ", place.offset,
                                              " does not follow segment ", next_.epoch, " byte ",
                                              next_.offset));
  }
  if (place.offset == 0) RETURN_IF_ERROR(NextSegment(place.epoch));
  RETURN_IF_ERROR(verifier_->Feed(bytes));
  if (verifier_->offset() != next_.offset + bytes.size()) {
    return absl::InvalidArgumentError("the bytes do not end with a frame");
  }
  if (verifier_->header().first_block() < at_least_) {
    return absl::AbortedError(absl::StrCat("segment ", place.epoch, " begins with block ",
                                           verifier_->header().first_block(), ", ", at_least_,
                                           " are receipted"));
  }
  RETURN_IF_ERROR(Write(bytes));
  if (verifier_->sealed()) {
    ::fchmod(file_.get(), 0440);
    closed_ = true;
  }
  return absl::OkStatus();
}

// open(.new) write rename fsync(directory): a segment has its first frames as soon as it has its
// name.
absl::Status HostLog::Create(const std::string& path, absl::string_view bytes) {
  const std::string temporary = absl::StrCat(dir_, "/.new");
  ASSIGN_OR_RETURN(Fd file, OpenFile(io_, temporary,
                                     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0640));
  RETURN_IF_ERROR(WriteAll(io_, file.get(), bytes, temporary));
  if (io_->Rename(temporary.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rename ", temporary, " to ", path));
  }
  file_ = std::move(file);
  return SyncDirectory(io_, dir_);
}

absl::Status HostLog::Write(absl::string_view bytes) {
  const std::string path = SegmentPath(next_.epoch);
  if (!file_.valid()) {
    RETURN_IF_ERROR(Create(path, bytes));
  } else {
    RETURN_IF_ERROR(WriteAll(io_, file_.get(), bytes, path));
  }
  next_.offset += bytes.size();
  stored_bytes_ += bytes.size();
  TakeStaged();
  return absl::OkStatus();
}

absl::Status HostLog::Recount() {
  ASSIGN_OR_RETURN(const std::vector<ledger::SegmentInfo> segments, ledger::ListSegments(dir_));
  stored_bytes_ = 0;
  for (const ledger::SegmentInfo& segment : segments) stored_bytes_ += segment.file_bytes;
  return absl::OkStatus();
}

// What is already here must be what comes again.
absl::Status HostLog::Compare(const Place& place, absl::string_view bytes) const {
  const std::string path = SegmentPath(place.epoch);
  const absl::StatusOr<Fd> fd = OpenFile(io_, path, O_RDONLY | O_NOFOLLOW);
  if (absl::IsNotFound(fd.status())) {
    return absl::OutOfRangeError(absl::StrCat("segment ", place.epoch, " is not held any more"));
  }
  RETURN_IF_ERROR(fd.status());
  ASSIGN_OR_RETURN(const std::string held, ReadAt(fd->get(), place.offset, bytes.size()));
  if (held == bytes) return absl::OkStatus();
  if (bytes.substr(0, held.size()) == held) {
    return absl::OutOfRangeError("the bytes overlap the end of what is held");
  }
  return absl::AbortedError(absl::StrCat("segment ", place.epoch, " byte ", place.offset,
                                         ": other bytes than those already held"));
}

// fdatasync(segment)  sign
// A receipt says: on stable storage. After an fsync error nothing more is said of this file.
absl::StatusOr<GivenReceipt> HostLog::MakeReceipt() {
  if (file_.valid() && io_->Fdatasync(file_.get()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("fdatasync ", SegmentPath(next_.epoch)));
  }
  ASSIGN_OR_RETURN(const Cosigner::Cosignature signature, cosigner_->Sign(pending_.note));
  receipt_.size = pending_.size;
  receipt_.records = pending_.records;
  receipt_.newest_ns = pending_.wall_ns;
  receipt_.time_s = signature.time_s;
  receipt_.line = signature.line;
  receipt_.note = absl::StrCat(pending_.note, signature.line, "\n");
  receipt_.place = anchor_;
  pending_ = {};
  return receipt_;
}

absl::Status HostLog::SaveCheckpoint() {
  if (receipt_.size == saved_size_) return absl::OkStatus();
  const ledger::CheckpointFile file{.segment = ledger::SegmentName(receipt_.place.epoch),
                                    .offset = receipt_.place.offset,
                                    .note = receipt_.note};
  RETURN_IF_ERROR(WriteFileDurably(io_, dir_, ledger::kCheckpointFile,
                                   ledger::FormatCheckpointFile(file), 0440));
  saved_size_ = receipt_.size;
  return absl::OkStatus();
}

}  // namespace cairn::collector
