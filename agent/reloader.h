// Changing the policy while events flow. DESIGN §7: the old policy records the change, commits
// it, and waits a little for a collector's receipt of it; then the new one takes effect.
#ifndef CAIRN_AGENT_RELOADER_H_
#define CAIRN_AGENT_RELOADER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/capture/capture.h"
#include "agent/own_records.h"
#include "agent/policy_writer.h"
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
    Receipts* receipts = nullptr;
    PolicyWriter* writer = nullptr;
  };

  // `first` is in force already (generation 1).
  Reloader(policy::LoadOptions options, uint64_t wait_ns, policy::LoadResult first)
      : options_(std::move(options)),
        wait_ns_(wait_ns),
        current_(std::move(first)),
        errors_(current_.change.errors().begin(), current_.change.errors().end()) {}
  void Connect(const Parts& parts) { parts_ = parts; }

  // Loads the files anew and records what came of it. A request during another waits for it.
  void Request(const Requester& requester);

  // Puts a recorded policy into force when its record was receipted or has waited enough.
  // Returns the boot time by which to call again; UINT64_MAX when nothing is pending.
  uint64_t Poll(uint64_t now_ns);

  // What is in force.
  const policy::LoadResult& current() const { return current_; }
  uint64_t generation() const { return generation_; }
  // What is wrong with the files on disk, when they are not what is in force.
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  struct Pending {
    policy::LoadResult result;
    uint64_t deadline_ns = 0;
    uint64_t size = 0;  // blocks a receipt must cover
  };

  void Begin(const Requester& requester);
  void Record(policy::LoadResult* result, const Requester& requester, uint64_t generation);
  void TakeEffect();

  const policy::LoadOptions options_;
  const uint64_t wait_ns_;
  Parts parts_;
  policy::LoadResult current_;
  uint64_t generation_ = 1;
  std::vector<std::string> errors_;
  std::optional<Pending> pending_;
  std::optional<Requester> next_;
};

}  // namespace cairn::agent

#endif  // CAIRN_AGENT_RELOADER_H_
