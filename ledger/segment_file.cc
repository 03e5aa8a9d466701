#include "ledger/segment_file.h"

#include <fcntl.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/frame.h"
#include "ledger/note.h"

namespace cairn::ledger {

absl::StatusOr<std::shared_ptr<SegmentFile>> SegmentFile::Create(Io* io, const std::string& dir,
                                                                 uint64_t epoch) {
  const std::string name = SegmentName(epoch);
  const std::string path = absl::StrCat(dir, "/", name);
  // Its owner may write: recovery cuts a torn tail off without CAP_DAC_OVERRIDE.
  ASSIGN_OR_RETURN(Fd fd,
                   OpenFile(io, path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0640));
  if (const absl::Status synced = SyncDirectory(io, dir); !synced.ok()) {
    io->Unlink(path.c_str());
    return synced;
  }
  return std::shared_ptr<SegmentFile>(new SegmentFile(io, name, path, std::move(fd)));
}

absl::StatusOr<uint64_t> SegmentFile::Append(absl::string_view frames) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(fault_);
  fault_ = WriteAll(io_, fd_.get(), frames, path_);
  RETURN_IF_ERROR(fault_);
  size_ += frames.size();
  return size_;
}

absl::Status SegmentFile::Sync() {
  const int result = io_->Fdatasync(fd_.get());
  const int error = errno;
  const absl::MutexLock lock(&mutex_);
  if (result != 0 && fault_.ok()) {
    fault_ = ErrnoStatus(error, absl::StrCat("fdatasync ", path_));
  }
  return fault_;
}

uint64_t SegmentFile::size() const {
  const absl::MutexLock lock(&mutex_);
  return size_;
}

absl::Status SegmentFile::fault() const {
  const absl::MutexLock lock(&mutex_);
  return fault_;
}

Committer::Committer(Io* io, std::string dir, std::string origin, const SigningKey* log_key,
                     std::function<void()> finished)
    : io_(io),
      dir_(std::move(dir)),
      origin_(std::move(origin)),
      log_key_(log_key),
      tell_(std::move(finished)),
      thread_([this] { Loop(); }) {}

Committer::~Committer() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

CommitResult Committer::Run(const CommitJob& job) {
  CommitResult result;
  result.status = job.file->Sync();
  if (!result.status.ok()) return result;
  result.size = job.size;
  result.offset = job.offset;
  if (job.checkpoint) result.status = WriteCheckpoint(job, &result);
  return result;
}

absl::Status Committer::WriteCheckpoint(const CommitJob& job, CommitResult* result) {
  Note note;
  note.text = Checkpoint{origin_, job.size, job.root}.ToText();
  note.signatures.push_back(SignNote(note.text, origin_, *log_key_));
  note.signatures.push_back(
      SignNote(note.text, absl::StrCat(origin_, "/e/", job.epoch), *job.epoch_key));
  const std::string text = note.ToString();
  ASSIGN_OR_RETURN(const uint64_t offset,
                   job.file->Append(MakeFrame(FrameType::kCheckpoint, text)));
  RETURN_IF_ERROR(job.file->Sync());
  result->offset = offset;
  RETURN_IF_ERROR(WriteFileDurably(io_, dir_, kCheckpointFile,
                                   FormatCheckpointFile({job.file->name(), offset, text}), 0440));
  result->checkpoint_size = job.size;
  const absl::MutexLock lock(&mutex_);
  newest_note_ = text;
  return absl::OkStatus();
}

absl::Status Committer::MoveCheckpoint(const std::string& segment, uint64_t offset) {
  std::string note;
  {
    const absl::MutexLock lock(&mutex_);
    note = newest_note_;
  }
  return WriteFileDurably(io_, dir_, kCheckpointFile, FormatCheckpointFile({segment, offset, note}),
                          0440);
}

void Committer::Start(CommitJob job) {
  const absl::MutexLock lock(&mutex_);
  job_ = std::move(job);
  running_ = true;
  finished_ = false;
}

bool Committer::idle() const {
  const absl::MutexLock lock(&mutex_);
  return !running_ && !finished_;
}

bool Committer::TakeResult(CommitResult* result) {
  const absl::MutexLock lock(&mutex_);
  if (!finished_) return false;
  *result = result_;
  finished_ = false;
  return true;
}

void Committer::Wait() {
  const absl::MutexLock lock(
      &mutex_,
      absl::Condition(
          +[](Committer* self) ABSL_NO_THREAD_SAFETY_ANALYSIS { return !self->running_; }, this));
}

void Committer::Loop() {
  for (;;) {
    CommitJob job;
    {
      const absl::MutexLock lock(&mutex_, absl::Condition(
                                              +[](Committer* self) ABSL_NO_THREAD_SAFETY_ANALYSIS {
                                                return self->running_ || self->stopping_;
                                              },
                                              this));
      if (!running_) return;
      job = std::move(job_);
    }
    CommitResult result = Run(job);
    {
      const absl::MutexLock lock(&mutex_);
      result_ = std::move(result);
      running_ = false;
      finished_ = true;
    }
    if (tell_ != nullptr) tell_();
  }
}

}  // namespace cairn::ledger
