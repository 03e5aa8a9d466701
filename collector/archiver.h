// The archive behind a collector: takes closed segments there, and brings the newest one back
// for a collector whose disk does not have it. With an archive the store on disk is a cache of
// what is not archived yet. proto/ARCHIVE.md.
#ifndef CAIRN_COLLECTOR_ARCHIVER_H_
#define CAIRN_COLLECTOR_ARCHIVER_H_

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "archive/archive.h"
#include "base/io.h"
#include "collector/cosigner.h"
#include "collector/origin.h"
#include "ledger/note.h"

namespace cairn::collector {

struct ArchiverOptions {
  archive::ArchiveOptions archive;
  int threads = 2;
  absl::Duration keep_local = absl::ZeroDuration();  // archived segments stay that long on disk
  absl::Duration retry_min = absl::Seconds(1);
  absl::Duration retry_max = absl::Minutes(1);
  Io* io = Io::Real();  // not owned
};

// What the archive vouches for.
struct ArchivedReceipt {
  uint64_t size = 0;  // blocks; 0: nothing yet
  uint64_t epoch = 0;
  std::string note;  // with the host's signature and this collector's
  std::string line;  // the latter
};

// A log that is being made ready to be opened.
struct Preparation {
  absl::Notification done;
  absl::Status status;  // once done
};

// Any thread.
class Archiver {
 public:
  using Alarm =
      std::function<void(absl::string_view kind, absl::string_view origin, absl::string_view text)>;

  // Checks the buckets. `cosigner` outlives the archiver.
  static absl::StatusOr<std::unique_ptr<Archiver>> Create(ArchiverOptions options,
                                                          const Cosigner* cosigner, Alarm alarm);
  ~Archiver();  // finishes the calls under way

  // Segments of `origin` in `dir` may have been closed. They are verified once more, archived
  // in order, and removed from the disk, all but the newest; tried until it works.
  void Notice(const Origin& origin, const std::string& dir, const ledger::VerifierKey& key);

  // Makes `dir` hold what a session must go on from: where the archive has got further, its
  // newest segment instead of what is there. Nobody else may touch `dir` until it is done.
  // Aborted: the archive holds another history than `dir`.
  std::shared_ptr<Preparation> Prepare(const Origin& origin, const std::string& dir,
                                       const ledger::VerifierKey& key);

  // The newest receipt from the archive for the log `origin`, as far as is known here.
  ArchivedReceipt newest(const std::string& origin) const;

  uint64_t archived() const { return archived_.load(); }  // segments, since start
  uint64_t failures() const { return failures_.load(); }
  size_t waiting() const;  // logs with something to do

 private:
  struct Work {
    Origin origin;
    std::string dir;
    ledger::VerifierKey key;
    bool notice = false;
    bool busy = false;
    bool queued = false;
    std::shared_ptr<Preparation> preparation;
    absl::Time not_before = absl::InfinitePast();
    absl::Duration backoff;
    ArchivedReceipt newest;
  };

  Archiver(ArchiverOptions options, const Cosigner* cosigner, Alarm alarm);
  void Loop();
  std::deque<Work*>::const_iterator Due() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  Work* Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Do(archive::Archive* archive, Work* work);
  Work* WorkOf(const Origin& origin, const std::string& dir, const ledger::VerifierKey& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ArchiveClosed(archive::Archive* archive, Work* work);
  absl::Status Hydrate(archive::Archive* archive, Work* work);
  absl::Status Replace(archive::Archive* archive, const Work& work, const archive::Pin& newest);
  absl::Status Publish(Work* work, uint64_t epoch, const std::string& note);
  absl::Status Record(const Work& work, const archive::Pin& pin) const;
  void Prune(const Work& work, uint64_t newest) const;

  const ArchiverOptions options_;
  const Cosigner* const cosigner_;
  const Alarm alarm_;
  std::atomic<uint64_t> archived_{0};
  std::atomic<uint64_t> failures_{0};
  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::unique_ptr<Work>> works_ ABSL_GUARDED_BY(mutex_);  // by origin
  std::deque<Work*> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_ARCHIVER_H_
