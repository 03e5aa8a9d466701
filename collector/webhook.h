// Alarms, told to a URL.
#ifndef CAIRN_COLLECTOR_WEBHOOK_H_
#define CAIRN_COLLECTOR_WEBHOOK_H_

#include <cstdint>
#include <deque>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace cairn::collector {

// Posts {"time","kind","origin","text"} as JSON from a thread of its own, each tried three
// times. A receiver that is slow or gone delays nobody: beyond 256 waiting alarms the oldest
// are dropped, and the next that gets through says how many. Any thread.
class Webhook {
 public:
  explicit Webhook(std::string url);
  ~Webhook();  // what still waits is dropped

  void Post(absl::string_view kind, absl::string_view origin, absl::string_view text,
            absl::Time time);

 private:
  void Loop();
  bool Send(const std::string& body) const;

  const std::string url_;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::string> waiting_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_WEBHOOK_H_
