// Token buckets, one for each key of each limit, with exact counts of what they held back.
#ifndef CAIRN_POLICY_LIMITS_H_
#define CAIRN_POLICY_LIMITS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "proto/record.pb.h"

namespace cairn::policy {

struct LimitRate {
  const std::string* rule = nullptr;
  double per_ns = 0;  // tokens a nanosecond
  double burst = 0;
};

// Any thread. At most kMaxKeys buckets: beyond that the keys that came last share one.
class LimitTable {
 public:
  static constexpr size_t kMaxKeys = 16384;

  // True: one more is allowed at `time_ns`. `key` names what the limit is per.
  bool Allow(const LimitRate& rate, absl::string_view key, uint64_t time_ns);

  // agent.limit_start for buckets that began to hold back, agent.limit_stop, with the count,
  // for those that have held nothing back for a second (all, when `last`). Full idle buckets go.
  void TakeNotices(uint64_t time_ns, bool last, absl::FunctionRef<void(const Record&)> sink);

 private:
  struct Bucket {
    LimitRate rate;
    double tokens = 0;
    uint64_t filled_ns = 0;
    uint64_t suppressed = 0;
    uint64_t from_ns = 0;
    uint64_t to_ns = 0;
    bool started = false;  // limit_start was told
  };

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Bucket> buckets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_LIMITS_H_
