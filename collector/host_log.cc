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
  urgent_seen_ = 0;
}

// ---- recovery ---------------------------------------------------------------------

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
  ASSIGN_OR_RETURN(Fd fd, OpenFile(io_, SegmentPath(epoch), O_WRONLY | O_APPEND | O_NOFOLLOW));
  file_ = std::make_shared<StoredFile>(io_, SegmentPath(epoch), std::move(fd));
  RETURN_IF_ERROR(file_->Sync());
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
  file_.reset();
  next_ = anchor_ = {first_epoch, 0};
  NewVerifier(std::nullopt);
  return absl::OkStatus();
}

absl::Status HostLog::NextSegment(uint64_t epoch) {
  if (file_ != nullptr) {
    RETURN_IF_ERROR(file_->Sync());
    ::fchmod(file_->fd(), 0440);
    RETURN_IF_ERROR(verifier_->EndSegment());
    closed_ = true;
  }
  const std::string path = SegmentPath(epoch);
  RETURN_IF_ERROR(verifier_->BeginSegment(path));
  file_.reset();
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
    ::fchmod(file_->fd(), 0440);
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
  file_ = std::make_shared<StoredFile>(io_, path, std::move(file));
  return SyncDirectory(io_, dir_);
}

absl::Status HostLog::Write(absl::string_view bytes) {
  const std::string path = SegmentPath(next_.epoch);
  if (file_ == nullptr) {
    RETURN_IF_ERROR(Create(path, bytes));
  } else {
    RETURN_IF_ERROR(WriteAll(io_, file_->fd(), bytes, path));
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

}  // namespace cairn::collector
