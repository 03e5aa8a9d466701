// One line a host: when it was last heard of, how far it is verified, how it is doing.
#ifndef CAIRN_COLLECTOR_CONSOLE_HOST_SUMMARY_H_
#define CAIRN_COLLECTOR_CONSOLE_HOST_SUMMARY_H_

#include <map>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "collector/console/store_view.h"

namespace cairn::collector {

// Summaries, made anew when a log grew and the last one is over a second old. Any thread.
class HostSummaries {
 public:
  // {"host","incarnation","hostname","environment","version","backend","audit","policy":{…},
  //  "last_seen","verified":{…},"lost","degraded":[…],"records","bytes"}
  std::string Of(LogView* log);

 private:
  struct Known {
    uint64_t at_sequence = 0;
    absl::Time made;
    std::string json;
  };
  absl::Mutex mutex_;
  std::map<std::string, Known> known_ ABSL_GUARDED_BY(mutex_);  // by log id
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_HOST_SUMMARY_H_
