// How long to wait before the next try: longer each time, and never as long as everybody else.
#ifndef CAIRN_AGENT_SHIPPER_BACKOFF_H_
#define CAIRN_AGENT_SHIPPER_BACKOFF_H_

#include <algorithm>
#include <random>

#include "absl/time/time.h"

namespace cairn::shipper {

// One thread.
class Backoff {
 public:
  Backoff(absl::Duration min, absl::Duration max) : min_(min), max_(max), next_(min) {}

  // Between half and the whole of the wait that is due, which then doubles, up to the longest.
  absl::Duration Next() {
    const absl::Duration wait = next_ * part_(generator_);
    next_ = std::min(next_ * 2, max_);
    return wait;
  }
  // It worked.
  void Reset() { next_ = min_; }
  // The next wait is due this long, as the other side asked for; it may be longer than the longest.
  void AtLeast(absl::Duration wait) { next_ = std::max(next_, wait); }

 private:
  const absl::Duration min_, max_;
  absl::Duration next_;
  std::mt19937_64 generator_{std::random_device{}()};
  std::uniform_real_distribution<double> part_{0.5, 1.0};
};

}  // namespace cairn::shipper

#endif  // CAIRN_AGENT_SHIPPER_BACKOFF_H_
