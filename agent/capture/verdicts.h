// What the kernel was told that nobody wants, by process (struct event_verdict).
#ifndef CAIRN_AGENT_CAPTURE_VERDICTS_H_
#define CAIRN_AGENT_CAPTURE_VERDICTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "bpf/event_maps.h"

namespace cairn::capture {

// Nobody but us writes to the map and the kernel forgets nothing of it, so what it holds is what
// was put there, byte for byte, or somebody wanted a process unseen. A process without a verdict
// is seen whole. One thread.
class Verdicts {
 public:
  // Takes the map of `fd`, which is the caller's and stays open, and empties it: what a run before
  // this one left there, or another put there since, is not known to be true.
  void Open(int fd);

  // Never more than the map holds: when it is full, all are forgotten and begin anew.
  void Put(uint32_t pid, const event_verdict& verdict);

  // The process has ended.
  void Forget(uint32_t pid);

  // Calls `sink` once if the map is not as it was written, with how many entries were written by
  // somebody else or deleted, and mends it. One batched look at all of it.
  void Repair(absl::FunctionRef<void(const std::string&)> sink);

  // What of the map is not as it was written; empty: all is.
  std::string Differences() const;

 private:
  struct Difference {
    uint32_t pid;
    bool deleted;
    event_verdict found;  // all zero: deleted
  };

  std::vector<Difference> Compare() const;

  int fd_ = -1;
  absl::flat_hash_map<uint32_t, event_verdict> written_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_VERDICTS_H_
