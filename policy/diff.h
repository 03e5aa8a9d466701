// What a change of policy means.
#ifndef CAIRN_POLICY_DIFF_H_
#define CAIRN_POLICY_DIFF_H_

#include "policy/compiled.h"
#include "proto/record.pb.h"

namespace cairn::policy {

// Fills added, removed, weakened and strengthened of `change`, each entry "KIND ID: what",
// sorted: a rule is weakened when it matches other or fewer events, has a lower severity, a
// tighter limit or another exception. Where that cannot be told (another condition), it counts
// as weakened: what is hidden must not look like an improvement. `before` may be null.
void DiffPolicies(const CompiledPolicy* before, const CompiledPolicy& after, PolicyChange* change);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_DIFF_H_
