// Writes the files `checkpoint` of the hosts' logs, behind the receipts that were given: what they
// say stands in the segments too, so nobody waits for them.
#ifndef CAIRN_COLLECTOR_CHECKPOINT_SAVER_H_
#define CAIRN_COLLECTOR_CHECKPOINT_SAVER_H_

#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/io.h"
#include "ledger/frame.h"

namespace cairn::collector {

// Any thread.
class CheckpointSaver {
 public:
  // `failed` is told, by whichever thread wrote it, why a file could not be written.
  // `background`: on a thread of its own; else within Save.
  CheckpointSaver(Io* io, bool background, std::function<void(const absl::Status&)> failed);
  ~CheckpointSaver();  // writes first what waits

  // DIR/checkpoint shall say `file`. Of several for one directory the last one counts.
  void Save(const std::string& dir, ledger::CheckpointFile file) ABSL_LOCKS_EXCLUDED(mutex_);
  // Until nothing of `dir` waits or is being written: it may be read, or written by others.
  void Finish(const std::string& dir) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  void Write(const std::string& dir, const ledger::CheckpointFile& file);

  Io* const io_;
  const std::function<void(const absl::Status&)> failed_;
  absl::Mutex mutex_;
  std::map<std::string, ledger::CheckpointFile> waiting_ ABSL_GUARDED_BY(mutex_);
  std::string writing_ ABSL_GUARDED_BY(mutex_);  // directory
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // not joinable: within Save
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CHECKPOINT_SAVER_H_
