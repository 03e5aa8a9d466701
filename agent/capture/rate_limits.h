// Processes over their rate, as the kernel counts them (bpf/limit.h), told as episodes.
#ifndef CAIRN_AGENT_CAPTURE_RATE_LIMITS_H_
#define CAIRN_AGENT_CAPTURE_RATE_LIMITS_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "agent/capture/mapped.h"
#include "bpf/event_maps.h"
#include "proto/record.pb.h"

namespace cairn::capture {

// One thread.
class RateLimits {
 public:
  // `limit` has type agent.limit_start or agent.limit_stop; `pid` names its process.
  using Sink = absl::FunctionRef<void(const Record& limit, uint32_t pid)>;

  // `buckets` is the caller's and stays open. Goes on where a run before this one stopped.
  absl::Status Open(int buckets, uint64_t process_rate);

  // What has begun and what has ended by `now_ns`; an episode that goes on is told of every
  // minute, one that is `over` now. Call a few times a second.
  void Look(uint64_t now_ns, bool over, Sink sink);

  // The log holds what Look told. Until then a run after this one would tell it again.
  void Settle();

  // A limit_stop that a run before this one wrote and may not have settled.
  void Told(const Limit& limit);

  uint64_t total() const { return total_; }  // events, since Open

 private:
  struct Episode {
    uint64_t from_ns = 0;  // 0: none
    uint64_t changed_ns = 0;
    uint64_t seen = 0;  // sum of the bucket's counts
    uint64_t told[EVENT_LIMITED_TYPES] = {};
  };

  void Begin(uint32_t slot, uint64_t now_ns, Sink sink);
  void End(uint32_t slot, uint64_t now_ns, Sink sink);

  Mapped<event_bucket> buckets_;
  uint64_t rate_ = 0;
  uint64_t total_ = 0;
  std::vector<Episode> episodes_;
  std::vector<uint32_t> unsettled_;  // slots
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_RATE_LIMITS_H_
