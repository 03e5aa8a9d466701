// Threads that wait for the disk, so that the event loops do not: one host's fdatasync delays
// nobody else's receipt, and syncs that run together share the disk's flushes.
#ifndef CAIRN_COLLECTOR_SYNCER_H_
#define CAIRN_COLLECTOR_SYNCER_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace cairn::collector {

// Any thread.
class Syncer {
 public:
  explicit Syncer(int threads);  // at least 2
  ~Syncer();                     // does first what was submitted

  // Runs `work` on one of the threads: urgent ones before others, in order among themselves. One
  // thread is kept free of others, so that an urgent one never waits for all disks of a flood.
  void Submit(bool urgent, std::function<void()> work) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  std::deque<std::function<void()>> urgent_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> others_ ABSL_GUARDED_BY(mutex_);
  size_t others_running_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  const size_t most_others_;
  std::vector<std::thread> threads_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_SYNCER_H_
