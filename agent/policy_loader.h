// Reads and compiles policy files on a thread of its own: a large policy, or a slow disk, never
// keeps the capture thread from the kernel's rings.
#ifndef CAIRN_AGENT_POLICY_LOADER_H_
#define CAIRN_AGENT_POLICY_LOADER_H_

#include <memory>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "policy/policy.h"

namespace cairn::agent {

// Capture thread only; one load at a time.
class PolicyLoader {
 public:
  explicit PolicyLoader(policy::LoadOptions options);
  ~PolicyLoader();  // waits for a load that runs

  int wait_fd() const { return finished_.get(); }  // readable when a load has ended

  // LoadPolicy(options, current, rung) on another thread, or on this one where none can be had.
  // Not while busy.
  void Start(std::shared_ptr<const policy::Policy> current, policy::Rung rung);
  bool busy() const { return busy_; }

  // What came of it, once; nothing while it runs.
  std::optional<policy::LoadResult> Take();

 private:
  const policy::LoadOptions options_;
  const Fd finished_;  // eventfd
  bool busy_ = false;
  std::thread thread_;
  policy::LoadResult result_;  // written by thread_, read once it is joined
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_POLICY_LOADER_H_
