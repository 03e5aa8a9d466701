// Conditions that ended in an error: counted, and told once each.
#ifndef CAIRN_POLICY_FAILED_CONDITIONS_H_
#define CAIRN_POLICY_FAILED_CONDITIONS_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "policy/policy.h"

namespace cairn::policy {

// Any thread.
class FailedConditions {
 public:
  static constexpr size_t kMaxConditions = 1000;  // beyond, none is added

  // `id` and `why` outlive this.
  void Count(const std::string& id, const char* why);
  std::vector<ConditionError> All() const;  // by id

  // An agent.degraded for each condition that failed for the first time since the last call.
  void TakeNotices(absl::FunctionRef<void(const Record&)> sink);

 private:
  struct Failure {
    uint64_t count = 0;
    const char* why = "";
    bool told = false;
  };
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<const std::string*, Failure> failures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_FAILED_CONDITIONS_H_
