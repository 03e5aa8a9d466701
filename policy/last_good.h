// The last policy that loaded whole, kept across restarts; and what must not be rolled back.
#ifndef CAIRN_POLICY_LAST_GOOD_H_
#define CAIRN_POLICY_LAST_GOOD_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/compiled.h"
#include "policy/files.h"

namespace cairn::policy {

// NotFound: nothing was kept. PermissionDenied: others may write it.
absl::StatusOr<SavedPolicy> ReadLastGood(const std::string& state_dir);
absl::Status WriteLastGood(const SavedPolicy& saved, const std::string& state_dir);

// `files` as they would be kept; serials never fall below those of `before`.
SavedPolicy Save(const PolicyFiles& files, const SavedPolicy& before);

// Adds a problem for each serial that is lower than one already seen, and for a bundle whose
// serial was seen with other content.
void CheckSerials(const PolicyFiles& files, const SavedPolicy& before,
                  std::vector<Problem>* problems);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_LAST_GOOD_H_
