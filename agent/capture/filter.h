// The kernel-side filter: which calls and types come up, of which paths and processes.
#ifndef CAIRN_AGENT_CAPTURE_FILTER_H_
#define CAIRN_AGENT_CAPTURE_FILTER_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "agent/capture/mapped.h"
#include "agent/capture/verdicts.h"
#include "bpf/event_maps.h"
#include "policy/guards.h"
#include "policy/wanted.h"

namespace cairn::capture {

struct FilterOptions {
  std::vector<int> own_pids;  // whose own I/O is not captured; at most EVENT_OWN
  bool push_down = true;      // else types alone
  uint64_t ring_bytes = 0;    // of each ring
  uint64_t process_rate = 0;  // 0: no limit
};

// One thread. At every moment, also within Set, the kernel lets through what the old filter
// and the new one both do.
class Filter {
 public:
  // The maps are the caller's and stay open. Keeps what a run before this one left in them
  // until the first Set.
  absl::Status Open(int filters, int guards, int verdicts, const FilterOptions& options);

  // Programs of `generation` do the work from now on, and no others.
  void Activate(uint32_t generation);

  absl::Status Set(const policy::Wanted& wanted, const policy::Guards& guards);

  // Tells the kernel what no rule can want of `process`, whose image is `exec_id`. Call after
  // each change of it. Nothing is told where no rule looks at processes.
  void Judge(const Process& process, uint64_t exec_id);
  void Forget(uint32_t pid) { verdicts_.Forget(pid); }  // it has ended

  // Calls `sink` for each difference between the maps and what was written there, and mends it.
  void Repair(absl::FunctionRef<void(const std::string&)> sink);

  // The maps as the kernel has them now, but for what changes of itself: the same bytes for the
  // same filter, whatever processes come and go.
  std::string InKernel() const;

  event_filter* operator->() const { return filter_.get(); }

 private:
  using Key = std::pair<uint32_t, std::string>;  // type, components

  std::set<Key> KeysOf(policy::Guards* guards) const;
  absl::Status AddKeys(const std::set<Key>& keys);
  void WriteBits(const policy::Wanted& wanted);

  Mapped<event_filter> filter_;
  int guards_ = -1;
  Verdicts verdicts_;
  bool push_down_ = true;
  event_filter shadow_ = {};  // what we last wrote
  std::set<Key> keys_;        // in the map
  policy::Guards in_force_;
  bool by_process_ = false;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_FILTER_H_
