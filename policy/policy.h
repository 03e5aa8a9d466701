// A compiled policy: decides, for each record, whether it is kept and why. DESIGN §7.
#ifndef CAIRN_POLICY_POLICY_H_
#define CAIRN_POLICY_POLICY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "policy/wanted.h"
#include "proto/record.pb.h"

namespace cairn::policy {

// What is decided on. `process` may be null.
struct Event {
  uint64_t time_ns = 0;  // CLOCK_BOOTTIME, for limits
  const Record* record = nullptr;
  const Process* process = nullptr;
};

enum class Verdict { kRecord, kCount, kDrop };

// Reused between calls; the strings belong to the Policy.
struct Decision {
  Verdict verdict = Verdict::kDrop;
  absl::InlinedVector<const std::string*, 4> rules;  // ids of the rules that wanted it
  Severity severity = SEVERITY_NONE;
  bool urgent = false;  // agent, kernel, audit groups and rules of high severity
};

// Immutable after compilation; any number of threads. No allocation in Decide for events
// that no rule matches.
class Policy {
 public:
  virtual ~Policy() = default;
  virtual void Decide(const Event& event, Decision* decision) const = 0;
  virtual const Wanted& wanted() const = 0;
  virtual const std::string& digest() const = 0;  // SHA-256 of the bytes that took effect, 32 bytes
};

enum class Rung { kConfigured, kLastKnownGood, kAdditive, kFloor };  // the failure ladder
absl::string_view RungName(Rung rung);                               // as PolicyChange.rung

struct LoadResult {
  std::shared_ptr<const Policy> policy;  // never null
  Rung rung = Rung::kFloor;
  PolicyChange change;  // for agent.policy_loaded / policy_rejected; errors in it
};

// Loads DIR/*.yaml for `environment`. `current` (may be null) is what is in force: the
// last-known-good. Never fails: the ladder ends at the floor, which is compiled in.
LoadResult LoadPolicy(const std::string& dir, absl::string_view environment,
                      std::shared_ptr<const Policy> current);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_POLICY_H_
