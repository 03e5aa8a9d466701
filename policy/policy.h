// A compiled policy: decides, for each record, whether it is kept and why. DESIGN §7.
#ifndef CAIRN_POLICY_POLICY_H_
#define CAIRN_POLICY_POLICY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "policy/event.h"
#include "policy/wanted.h"
#include "proto/policy.pb.h"
#include "proto/record.pb.h"

namespace cairn::policy {

enum class Verdict { kRecord, kCount, kDrop };

// What was asked to be captured with a record, over all rules that wanted it: the most of each.
struct CaptureWish {
  Level level = LEVEL_UNSPECIFIED;  // minimal, standard or verbose, once a rule wanted the record
  uint32_t ancestors = 0;           // how many at least
  bool exe_hash = false;
};

// Events whose condition could not be evaluated, since the policy was loaded. In a rule such an
// event is kept; an exception or noise does not apply to it.
struct ConditionError {
  std::string id;  // of the rule, exception or noise
  uint64_t count = 0;
  const char* why = "";  // of the last; lives for ever
};

// Reused between calls; Decide clears it. The strings belong to the Policy.
struct Decision {
  Verdict verdict = Verdict::kDrop;
  absl::InlinedVector<const std::string*, 4> rules;  // ids of the rules that wanted it
  Severity severity = SEVERITY_NONE;
  bool urgent = false;  // agent, kernel, audit groups and rules of high severity
  absl::InlinedVector<const std::string*, 2> excepted;  // exceptions that took a rule's wish back
  const std::string* silenced = nullptr;                // the noise entry that silenced a category
  const std::string* limited = nullptr;  // the rule (or "host") whose limit was reached
  CaptureWish capture;
};

// Immutable after compilation but for its counters and token buckets, which lock. Any number of
// threads. Decide does not allocate (but for a limit's first event of a key, bounded).
class Policy {
 public:
  virtual ~Policy() = default;
  virtual void Decide(const Event& event, Decision* decision) const = 0;
  virtual const Wanted& wanted() const = 0;
  virtual const std::string& digest() const = 0;  // SHA-256 of the bytes that took effect, 32 bytes

  // Takes secrets out of `record` and `process` (may be null) where a redaction asks for it, and
  // adds the ids of those that fired to record->redactions. Call for records that are kept, before
  // they are appended. A process stays redacted: call it for a process that changed at the latest
  // when it is first appended, after Decide.
  virtual void Redact(Record* /*record*/, Process* /*process*/) const {}

  // What has become due by `time_ns` (CLOCK_BOOTTIME): agent.limit_start, agent.limit_stop with
  // exact counts, agent.exception_expired, and agent.degraded for a condition that fails. Call
  // about every second, and once before the policy is let go, as the `last`: then what a limit
  // holds back is told though it goes on.
  virtual void TakeNotices(uint64_t /*time_ns*/, bool /*last*/,
                           absl::FunctionRef<void(const Record&)> /*sink*/) const {}

  // By id; at most 1,000 of them.
  virtual std::vector<ConditionError> condition_errors() const { return {}; }
};

enum class Rung { kConfigured, kLastKnownGood, kAdditive, kFloor };  // the failure ladder
absl::string_view RungName(Rung rung);                               // as PolicyChange.rung

struct LoadResult {
  std::shared_ptr<const Policy> policy;  // never null
  Rung rung = Rung::kFloor;
  PolicyChange change;  // for agent.policy_loaded / policy_rejected; errors in it; at most 48 KiB
  std::string seen;     // SHA-256: equal when the files were, and what was wrong with them
};

struct LoadOptions {
  std::string dir;          // its *.yaml files, in the order of their names
  std::string environment;  // overlay of that name
  // Directories and files of the agent: access to them is on the floor. A directory ends in '/'.
  std::vector<std::string> own_paths = {"/etc/cairn/", "/var/lib/cairn/", "/run/cairn/",
                                        "/usr/sbin/cairn", "/usr/bin/cairn"};
  // Where the last policy that loaded whole is kept across restarts; "": nowhere. 0700, ours.
  std::string state_dir;
  // Files must be owned by root or us, and nobody else may write them or a directory above them.
  bool check_permissions = true;
  bool require_signed = false;            // only bundles count
  std::vector<std::string> trusted_keys;  // vkeys of those who may sign bundles
  uint32_t signatures = 1;                // of different keys, that a bundle needs
  // Dotted keys a policy may not set because agent.yaml reserves them, in an environment's
  // overlay neither: "limits.host", "categories.file", "redact", "exceptions", "noise".
  std::vector<std::string> reserved;
};

// InvalidArgument: one of `keys` is no key that a policy file could have.
absl::Status CheckReservedKeys(const std::vector<std::string>& keys);

// Loads the policy. `current` (may be null) is what is in force, and `rung` the rung it came from:
// only a policy that once loaded whole is the last-known-good. Never fails: the ladder ends at the
// floor, which is compiled in. No policy file at all is a failure too: an empty file asks for the
// floor alone, a missing one does not. Any thread.
LoadResult LoadPolicy(const LoadOptions& options, const std::shared_ptr<const Policy>& current,
                      Rung rung = Rung::kConfigured);
LoadResult LoadPolicy(const std::string& dir, absl::string_view environment,
                      const std::shared_ptr<const Policy>& current);

// The floor as YAML, in the language of a policy file. Lives for ever.
absl::string_view FloorText();

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_POLICY_H_
