// Changing the policy while events flow. DESIGN §7: files are read on a thread of their own; the
// old policy records the change, commits it, and waits a little for a collector's receipt of it;
// then the new one takes effect, between two events.
#ifndef CAIRN_AGENT_RELOADER_H_
#define CAIRN_AGENT_RELOADER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/capture/capture.h"
#include "agent/own_records.h"
#include "agent/policy_loader.h"
#include "agent/policy_watch.h"
#include "agent/policy_witness.h"
#include "agent/receipts.h"
#include "agent/recorder.h"
#include "ledger/ledger.h"
#include "policy/policy.h"

namespace cairn::agent {

// Capture thread only. Not owned: all that it is given.
class Reloader {
 public:
  struct Parts {
    Recorder* recorder = nullptr;
    ledger::Ledger* ledger = nullptr;
    capture::Capture* capture = nullptr;
    const Receipts* receipts = nullptr;
    PolicyWitness* witness = nullptr;
    std::function<void()> drain;  // judges and appends all that the kernel has told so far
  };
  struct Options {
    policy::LoadOptions load;
    uint64_t wait_ns = 0;  // for a receipt
    bool watch = true;     // load when a file changes, too
  };

  // `first` is in force already (generation 1).
  static absl::StatusOr<std::unique_ptr<Reloader>> Create(Options options, const Parts& parts,
                                                          policy::LoadResult first);

  // The log goes on in another ledger (its key was rotated).
  void Follow(ledger::Ledger* ledger, const Receipts* receipts) {
    parts_.ledger = ledger;
    parts_.receipts = receipts;
  }

  int wait_fd() const { return epoll_.get(); }  // readable: call Poll

  // Loads the files anew and records what came of it. Requests during another wait for it, and
  // are one: what is on disk then is loaded once.
  void Request(const Requester& requester);

  // Goes on with what is under way. Returns the boot time by which to call again; UINT64_MAX when
  // nothing is.
  uint64_t Poll(uint64_t now_ns);

  // What is in force.
  const policy::LoadResult& current() const { return current_; }
  uint64_t generation() const { return generation_; }
  // What is wrong with the files on disk, when they are not what is in force.
  const std::vector<std::string>& errors() const { return errors_; }
  uint64_t requests() const { return requests_; }  // since start
  uint64_t loads() const { return loads_; }        // requests that have come to their end

 private:
  struct Pending {
    policy::LoadResult result;
    uint64_t deadline_ns = 0;
    uint64_t size = 0;  // blocks a receipt must cover
  };

  Reloader(Options options, const Parts& parts, policy::LoadResult first);
  void Begin(const Requester& requester);
  void Loaded(policy::LoadResult result, uint64_t now_ns);
  void TryKernelFilter(policy::LoadResult* result);
  void Record(policy::LoadResult* result, uint64_t generation);
  void Identify(Requester* requester) const;
  void TakeEffect();

  const Options options_;
  Parts parts_;
  policy::LoadResult current_;
  uint64_t generation_ = 1;
  std::vector<std::string> errors_;

  PolicyLoader loader_;
  PolicyWatch watch_;
  Fd epoll_;
  Requester requester_;             // of the load under way
  std::optional<Requester> next_;   // of several, the last
  std::optional<Pending> pending_;  // recorded, not in force yet
  std::string last_seen_;           // what the files were when they were last loaded
  uint64_t requests_ = 0, serving_ = 0, loads_ = 0;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_RELOADER_H_
