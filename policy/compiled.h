// The policy in force: every source merged, each condition compiled.
#ifndef CAIRN_POLICY_COMPILED_H_
#define CAIRN_POLICY_COMPILED_H_

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "policy/categories.h"
#include "policy/failed_conditions.h"
#include "policy/index.h"
#include "policy/limits.h"
#include "policy/policy.h"
#include "policy/redact.h"
#include "policy/source.h"

namespace cairn::policy {

struct CompiledException {
  std::string id;
  std::unique_ptr<const cel::Program> when;  // null: always
  bool counts = true;
  int64_t expires_s = 0;  // first second at which it no longer applies
};

struct CompiledRule {
  std::string id;
  Rule source;  // as in force: overlays applied
  std::string file;
  YamlPlace place;
  bool floor = false;
  EventSet events;
  std::unique_ptr<const cel::Program> when;  // null: always
  Severity severity = SEVERITY_NONE;
  CaptureWish capture;
  LimitRate limit;  // rule null: none
  bool limit_counts = true;
  std::vector<const Field*> limit_per;
  std::vector<CompiledException> exceptions;  // by id
};

struct CompiledNoise {
  std::string id;
  EventSet events;
  std::unique_ptr<const cel::Program> when;
};

// See policy.h for the threads.
class CompiledPolicy : public Policy {
 public:
  void Decide(const Event& event, Decision* decision) const override;
  const Wanted& wanted() const override { return wanted_; }
  const std::string& digest() const override { return digest_; }
  void Redact(Record* record, Process* process) const override;
  void TakeNotices(uint64_t time_ns, bool last,
                   absl::FunctionRef<void(const Record&)> sink) const override;
  std::vector<ConditionError> condition_errors() const override { return failed_.All(); }

  const std::vector<CompiledRule>& rules() const { return rules_; }  // by id
  const std::vector<CompiledNoise>& noise() const { return noise_; }
  const std::vector<Redactor>& redactors() const { return redactors_; }
  const Levels& levels() const { return levels_; }
  const std::string& environment() const { return environment_; }
  const std::vector<Source>& sources() const { return sources_; }
  uint64_t serial() const { return serial_; }
  const std::vector<std::string>& signers() const { return signers_; }
  uint64_t bundle_serial() const { return bundle_serial_; }  // 0: no bundle
  const std::string& bundle_digest() const { return bundle_digest_; }
  const HostLimit& host_limit() const { return host_limit_; }

 private:
  friend class PolicyBuilder;

  static uint64_t NewIdentity();

  void Consider(const CompiledRule& rule, const Event& event, Scratch* scratch, Decision* decision,
                bool* counted) const;
  bool Excepted(const CompiledRule& rule, const Event& event, Scratch* scratch, Decision* decision,
                bool* counted) const;
  bool Limited(const CompiledRule& rule, const Event& event, Scratch* scratch) const;
  void ConsiderCategory(const Event& event, Scratch* scratch, Decision* decision) const;
  bool Matches(const std::string& id, const cel::Program* when, const Event& event,
               Scratch* scratch, bool on_error) const;
  int64_t WallSeconds(const Event& event) const;

  std::vector<CompiledRule> rules_;
  std::vector<CompiledNoise> noise_;
  std::vector<Redactor> redactors_;
  Levels levels_{};
  EventSet category_events_;
  Index rule_index_;
  Index noise_index_;
  HostLimit host_limit_;
  LimitRate host_rate_;
  std::string environment_;
  std::string digest_;
  Wanted wanted_;
  std::vector<Source> sources_;
  std::vector<std::string> signers_;
  const uint64_t identity_ = NewIdentity();  // never that of another policy, living or gone
  uint64_t serial_ = 0;
  uint64_t bundle_serial_ = 0;
  std::string bundle_digest_;
  // CLOCK_REALTIME - CLOCK_BOOTTIME when it was built, and at each TakeNotices since.
  mutable std::atomic<int64_t> wall_offset_ns_{0};
  mutable FailedConditions failed_;
  mutable LimitTable limits_;
  mutable std::atomic<int64_t> expiry_told_s_{0};  // exceptions that ended before: already told
};

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_COMPILED_H_
