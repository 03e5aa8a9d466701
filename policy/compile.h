// From policy files to a policy: checks that need all files, conditions, index.
#ifndef CAIRN_POLICY_COMPILE_H_
#define CAIRN_POLICY_COMPILE_H_

#include <memory>
#include <string>
#include <vector>

#include "policy/compiled.h"
#include "policy/source.h"

namespace cairn::policy {

struct CompileOptions {
  std::string environment;
  std::vector<std::string> own_paths;
  std::vector<std::string> reserved;  // LoadOptions::reserved
  // The ladder's third rung: what adds records is kept where it is right; exceptions, noise,
  // limits and overlays, and whatever is wrong, are left out.
  bool additive = false;
  std::vector<std::string> signers;  // of the bundle the sources are, and its serial and digest
  uint64_t bundle_serial = 0;
  std::string bundle_digest;
  std::string hmac_key;  // of redactions; "": made for this process
};

// The floor and `sources` as one policy. With problems and not `additive`: null. Any thread.
std::shared_ptr<CompiledPolicy> CompilePolicy(std::vector<Source> sources,
                                              const CompileOptions& options,
                                              std::vector<Problem>* problems);

// The end of a day ("2027-03-31": the exception still applies on it) or a time (RFC 3339), in
// seconds since 1970. False: neither.
bool ParseExpiry(absl::string_view text, int64_t* seconds);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_COMPILE_H_
