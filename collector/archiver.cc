#include "collector/archiver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "collector/examine.h"
#include "ledger/frame.h"
#include "ledger/hash.h"
#include "ledger/segments.h"

namespace cairn::collector {
namespace {

constexpr size_t kMaxSegment = 256 << 20;
constexpr char kRecord[] = "archived";

absl::Status Fork(const archive::Pin& pin, absl::string_view what) {
  return absl::AbortedError(absl::StrCat("segment ", pin.epoch, ": ", what, " than ", pin.by,
                                         " archived (version ", pin.version, ")"));
}

}  // namespace

Archiver::Archiver(ArchiverOptions options, const Cosigner* cosigner, Alarm alarm)
    : options_(std::move(options)), cosigner_(cosigner), alarm_(std::move(alarm)) {}

absl::StatusOr<std::unique_ptr<Archiver>> Archiver::Create(ArchiverOptions options,
                                                           const Cosigner* cosigner, Alarm alarm) {
  RETURN_IF_ERROR(archive::Archive(options.archive).Check());
  auto archiver = absl::WrapUnique(new Archiver(std::move(options), cosigner, std::move(alarm)));
  for (int i = 0; i < std::max(1, archiver->options_.threads); ++i) {
    archiver->threads_.emplace_back([raw = archiver.get()] { raw->Loop(); });
  }
  return archiver;
}

Archiver::~Archiver() {
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

// ---- the queue --------------------------------------------------------------------

Archiver::Work* Archiver::WorkOf(const Origin& origin, const std::string& dir,
                                 const ledger::VerifierKey& key) {
  std::unique_ptr<Work>& work = works_[origin.Text()];
  if (work == nullptr) {
    work = std::make_unique<Work>();
    work->origin = origin;
    work->backoff = options_.retry_min;
  }
  work->dir = dir;
  work->key = key;
  return work.get();
}

void Archiver::Notice(const Origin& origin, const std::string& dir,
                      const ledger::VerifierKey& key) {
  const absl::MutexLock lock(&mutex_);
  Work* const work = WorkOf(origin, dir, key);
  work->notice = true;
  if (!std::exchange(work->queued, true)) queue_.push_back(work);
}

std::shared_ptr<Preparation> Archiver::Prepare(const Origin& origin, const std::string& dir,
                                               const ledger::VerifierKey& key) {
  const absl::MutexLock lock(&mutex_);
  Work* const work = WorkOf(origin, dir, key);
  // One whose session has gone was for the same directory: it serves as well.
  if (work->preparation == nullptr) work->preparation = std::make_shared<Preparation>();
  work->not_before = absl::InfinitePast();
  if (!std::exchange(work->queued, true)) queue_.push_front(work);
  return work->preparation;
}

ArchivedReceipt Archiver::newest(const std::string& origin) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = works_.find(origin);
  return found == works_.end() ? ArchivedReceipt() : found->second->newest;
}

size_t Archiver::waiting() const {
  const absl::MutexLock lock(&mutex_);
  return queue_.size();
}

// The first that is due and that no other thread is at.
std::deque<Archiver::Work*>::const_iterator Archiver::Due() const {
  const absl::Time now = absl::Now();
  return std::find_if(queue_.begin(), queue_.end(),
                      [now](Work* work) { return !work->busy && work->not_before <= now; });
}

Archiver::Work* Archiver::Next() {
  const auto due = Due();
  if (due == queue_.end()) return nullptr;
  Work* const work = *due;
  queue_.erase(due);
  work->queued = false;
  work->busy = true;
  return work;
}

void Archiver::Loop() {
  archive::Archive archive(options_.archive);
  for (;;) {
    Work* work = nullptr;
    {
      const absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stop_ || Due() != queue_.end();
      };
      // What waits for its time is looked at again now and then.
      mutex_.AwaitWithTimeout(absl::Condition(&ready), absl::Milliseconds(200));
      if (stop_) return;
      work = Next();
    }
    if (work != nullptr) Do(&archive, work);
  }
}

void Archiver::Do(archive::Archive* archive, Work* work) {
  std::shared_ptr<Preparation> preparation;
  bool notice = false;
  {
    const absl::MutexLock lock(&mutex_);
    preparation = std::exchange(work->preparation, nullptr);
    notice = std::exchange(work->notice, false);
  }
  absl::Status status;
  if (preparation != nullptr) status = Hydrate(archive, work);
  const bool prepared = status.ok();
  if (notice && prepared) status = ArchiveClosed(archive, work);
  if (!status.ok()) {
    ++failures_;
    alarm_(absl::IsAborted(status) ? "fork" : "archive", work->origin.Text(), status.message());
  }
  const absl::MutexLock lock(&mutex_);
  work->busy = false;
  const bool again = notice && !status.ok() && !absl::IsAborted(status);
  work->not_before = again ? absl::Now() + work->backoff : absl::InfinitePast();
  work->backoff = again ? std::min(work->backoff * 2, options_.retry_max) : options_.retry_min;
  work->notice = work->notice || again;
  if ((work->notice || work->preparation != nullptr) && !std::exchange(work->queued, true)) {
    queue_.push_back(work);
  }
  if (preparation != nullptr) {
    if (!prepared) preparation->status = status;
    preparation->done.Notify();
  }
}

// ---- to the archive ---------------------------------------------------------------

// Older segments are closed; the newest one is when it is sealed.
absl::Status Archiver::ArchiveClosed(archive::Archive* archive, Work* work) {
  const std::string log = work->origin.Path();
  ASSIGN_OR_RETURN(const std::optional<archive::Pin> newest, archive->Newest(log));
  ASSIGN_OR_RETURN(const std::vector<ledger::SegmentInfo> segments,
                   ledger::ListSegments(work->dir));
  for (const ledger::SegmentInfo& segment : segments) {
    if (newest.has_value() && segment.epoch <= newest->epoch) continue;
    ASSIGN_OR_RETURN(const std::string bytes, ReadFile(segment.path, kMaxSegment));
    ASSIGN_OR_RETURN(Examined examined, Examine(bytes, segment.path, work->key));
    if (segment.epoch == segments.back().epoch && !examined.sealed) break;
    if (!examined.note.empty()) {
      ASSIGN_OR_RETURN(const Cosigner::Cosignature ours, cosigner_->Sign(examined.note));
      absl::StrAppend(&examined.note, ours.line, "\n");
    }
    ASSIGN_OR_RETURN(
        const archive::Pin pin,
        archive->Keep(log,
                      {.epoch = segment.epoch, .by = cosigner_->key().name, .note = examined.note},
                      bytes));
    ++archived_;
    LogInfo("archive: ", log, " segment ", segment.epoch, ", ", pin.bytes, " bytes, version ",
            pin.version);
    RETURN_IF_ERROR(Record(*work, pin));
    RETURN_IF_ERROR(Publish(work, segment.epoch, examined.note));
    Prune(*work, segment.epoch);
  }
  return absl::OkStatus();
}

// open(archived, append) write fdatasync: one line a segment.
absl::Status Archiver::Record(const Work& work, const archive::Pin& pin) const {
  const std::string path = absl::StrCat(work.dir, "/", kRecord);
  ASSIGN_OR_RETURN(const Fd fd,
                   OpenFile(options_.io, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
  RETURN_IF_ERROR(WriteAll(options_.io, fd.get(),
                           absl::StrCat(ledger::SegmentName(pin.epoch), " ", pin.version, " ",
                                        pin.bytes, " ", pin.sha256, " ", pin.by, "\n"),
                           path));
  return options_.io->Fdatasync(fd.get()) == 0 ? absl::OkStatus()
                                               : ErrnoStatus(errno, "fdatasync " + path);
}

// `note` is known to be archived; whoever signed it, the host is told in our name.
absl::Status Archiver::Publish(Work* work, uint64_t epoch, const std::string& note) {
  if (note.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string bare, NoteOfHost(note, work->key));
  ASSIGN_OR_RETURN(const ledger::Note parsed, ledger::Note::Parse(bare));
  ASSIGN_OR_RETURN(const ledger::Checkpoint checkpoint, ledger::Checkpoint::Parse(parsed.text));
  ASSIGN_OR_RETURN(const Cosigner::Cosignature ours, cosigner_->Sign(bare));
  const absl::MutexLock lock(&mutex_);
  if (checkpoint.size < work->newest.size) return absl::OkStatus();
  work->newest = {.size = checkpoint.size,
                  .epoch = epoch,
                  .note = absl::StrCat(bare, ours.line, "\n"),
                  .line = ours.line};
  return absl::OkStatus();
}

void Archiver::Prune(const Work& work, uint64_t newest) const {
  const auto segments = ledger::ListSegments(work.dir);
  if (!segments.ok()) return;
  for (const ledger::SegmentInfo& segment : *segments) {
    struct stat st;
    if (segment.epoch >= newest || ::stat(segment.path.c_str(), &st) != 0) continue;
    if (absl::Now() - absl::FromTimeT(st.st_mtime) < options_.keep_local) continue;
    if (options_.io->Unlink(segment.path.c_str()) != 0) {
      LogWarning(ErrnoStatus(errno, absl::StrCat("remove ", segment.path)).message());
    }
  }
}

// ---- from the archive -------------------------------------------------------------

absl::Status Archiver::Hydrate(archive::Archive* archive, Work* work) {
  ASSIGN_OR_RETURN(const std::optional<archive::Pin> newest, archive->Newest(work->origin.Path()));
  if (!newest.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(MakeDirectories(options_.io, work->dir, 0750));
  ASSIGN_OR_RETURN(const std::vector<ledger::SegmentInfo> segments,
                   ledger::ListSegments(work->dir));
  const uint64_t last = segments.empty() ? 0 : segments.back().epoch;
  const bool behind = segments.empty() || last < newest->epoch ||
                      (last == newest->epoch && segments.back().file_bytes <= newest->bytes);
  if (behind) RETURN_IF_ERROR(Replace(archive, *work, *newest));
  return Publish(work, newest->epoch, newest->note);
}

// What is here must be the beginning of what was archived; then the archive's copy replaces it.
//   open(.seg.tmp) write fdatasync rename fsync(dir) unlink(older)
absl::Status Archiver::Replace(archive::Archive* archive, const Work& work,
                               const archive::Pin& newest) {
  const std::string log = work.origin.Path();
  ASSIGN_OR_RETURN(const std::vector<ledger::SegmentInfo> segments, ledger::ListSegments(work.dir));
  ASSIGN_OR_RETURN(const std::string bytes, archive->Fetch(log, newest));
  if (!segments.empty()) {
    const ledger::SegmentInfo& last = segments.back();
    ASSIGN_OR_RETURN(const std::string held, ReadFile(last.path, kMaxSegment));
    std::string fetched;
    archive::Pin pin = newest;
    if (last.epoch != newest.epoch) {
      ASSIGN_OR_RETURN(pin, archive->Claimed(log, last.epoch));
      ASSIGN_OR_RETURN(fetched, archive->Fetch(log, pin));
    }
    const std::string& whole = last.epoch == newest.epoch ? bytes : fetched;
    if (whole.substr(0, held.size()) != held) return Fork(pin, "other bytes are on this disk");
    if (last.epoch == newest.epoch && held.size() == whole.size()) return absl::OkStatus();
  }
  const std::string name = ledger::SegmentName(newest.epoch);
  ASSIGN_OR_RETURN(const Examined examined, Examine(bytes, name, work.key));
  RETURN_IF_ERROR(WriteFileDurably(options_.io, work.dir, name, bytes, 0440));
  LogInfo("archive: ", log, " goes on behind segment ", newest.epoch, ", archived by ", newest.by);
  for (const ledger::SegmentInfo& segment : segments) {
    if (segment.epoch < newest.epoch) options_.io->Unlink(segment.path.c_str());
  }
  return SyncDirectory(options_.io, work.dir);
}

}  // namespace cairn::collector
