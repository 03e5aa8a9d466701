// The segment file being written, and the thread that makes it durable.
#ifndef CAIRN_LEDGER_SEGMENT_FILE_H_
#define CAIRN_LEDGER_SEGMENT_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/fd.h"
#include "base/io.h"
#include "ledger/hash.h"
#include "ledger/key.h"

namespace cairn::ledger {

// An append-only file. Append from any thread; whole frames never mix.
class SegmentFile {
 public:
  // Creates DIR/<epoch>.seg (O_EXCL, 0640) and makes its name durable.
  static absl::StatusOr<std::shared_ptr<SegmentFile>> Create(Io* io, const std::string& dir,
                                                             uint64_t epoch);

  // Appends and returns the offset behind `frames`. After an error the file is abandoned: every
  // later call returns that error.
  absl::StatusOr<uint64_t> Append(absl::string_view frames) ABSL_LOCKS_EXCLUDED(mutex_);
  // fdatasync. After an error the page cache lies: the file is abandoned.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t size() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status fault() const ABSL_LOCKS_EXCLUDED(mutex_);
  const std::string& name() const { return name_; }

 private:
  SegmentFile(Io* io, std::string name, std::string path, Fd fd)
      : io_(io), name_(std::move(name)), path_(std::move(path)), fd_(std::move(fd)) {}

  Io* const io_;
  const std::string name_;
  const std::string path_;
  const Fd fd_;
  mutable absl::Mutex mutex_;
  uint64_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status fault_ ABSL_GUARDED_BY(mutex_);
};

// What a commit makes durable, and vouches for when `checkpoint` is set.
struct CommitJob {
  std::shared_ptr<SegmentFile> file;
  uint64_t offset = 0;  // behind the COMMIT frame
  uint64_t size = 0;    // blocks
  std::string root;     // at `size`
  bool checkpoint = false;
  const SigningKey* epoch_key = nullptr;  // stays until the job is done
  uint64_t epoch = 0;
};

struct CommitResult {
  absl::Status status;
  uint64_t size = 0;             // blocks durable
  uint64_t offset = 0;           // of the file, durable
  uint64_t checkpoint_size = 0;  // newest durable checkpoint; 0: none by this job
};

// One commit in flight; the rest share the next:
//   fdatasync(segment)
//   [ sign; append CHECKPOINT; fdatasync(segment); open write fdatasync rename fsync(dir) of
//     the file `checkpoint` ]
// No signature is made over bytes that are not durable.
class Committer {
 public:
  // `finished` (or none) is called on the committer's thread behind each job that Start was given.
  Committer(Io* io, std::string dir, std::string origin, const SigningKey* log_key,
            std::function<void()> finished);
  ~Committer();  // finishes the job in flight

  // The steps above, on the calling thread.
  CommitResult Run(const CommitJob& job);

  // Says in the file `checkpoint` that its note's segment is durable up to `offset` (a seal).
  absl::Status MoveCheckpoint(const std::string& segment, uint64_t offset)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same as Run on the committer's thread. Only when idle().
  void Start(CommitJob job) ABSL_LOCKS_EXCLUDED(mutex_);
  bool idle() const ABSL_LOCKS_EXCLUDED(mutex_);  // nothing runs, and the last result is taken
  // True once for each finished job.
  bool TakeResult(CommitResult* result) ABSL_LOCKS_EXCLUDED(mutex_);
  void Wait() ABSL_LOCKS_EXCLUDED(mutex_);  // until nothing runs

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WriteCheckpoint(const CommitJob& job, CommitResult* result);

  Io* const io_;
  const std::string dir_;
  const std::string origin_;
  const SigningKey* const log_key_;
  const std::function<void()> tell_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  CommitJob job_ ABSL_GUARDED_BY(mutex_);
  CommitResult result_ ABSL_GUARDED_BY(mutex_);
  std::string newest_note_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace cairn::ledger

#endif  // CAIRN_LEDGER_SEGMENT_FILE_H_
