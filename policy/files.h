// Policy files as they lie in a directory, read so that what was checked is what was read.
#ifndef CAIRN_POLICY_FILES_H_
#define CAIRN_POLICY_FILES_H_

#include <string>
#include <vector>

#include "policy/policy.h"
#include "policy/source.h"

namespace cairn::policy {

struct PolicyFiles {
  std::vector<Source> sources;       // by name
  std::vector<std::string> signers;  // of a bundle
  uint64_t serial = 0;               // of a bundle; 0: none
  std::string manifest_path;
  std::string manifest_digest;  // SHA-256 of the manifest's text
};

// Reads DIR/*.yaml, and DIR's manifest when it is a bundle (policy/bundle.h). Each directory is
// opened below the one before it without following links, its owner and mode checked on the
// descriptor; files likewise: a rename or mount meanwhile cannot put other bytes in. What is
// wrong is added to `problems`. At most 1,000 files, 4 MiB each, 64 MiB in all; none
// at all is wrong too.
PolicyFiles ReadPolicyFiles(const LoadOptions& options, std::vector<Problem>* problems);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_FILES_H_
