// The steps of LoadPolicy that the command line takes one by one.
#ifndef CAIRN_POLICY_LOAD_H_
#define CAIRN_POLICY_LOAD_H_

#include <memory>
#include <string>
#include <vector>

#include "policy/compile.h"
#include "policy/files.h"
#include "policy/policy.h"

namespace cairn::config {
class AgentConfig;
}

namespace cairn::policy {

// What a host's configuration asks for: cairnd and the command line judge alike.
LoadOptions LoadOptionsOf(const config::AgentConfig& config);

CompileOptions CompileOptionsOf(const LoadOptions& options);

// Files → schema → lint → tests, all or nothing: null with problems.
std::shared_ptr<CompiledPolicy> LoadStrict(const PolicyFiles& files, const LoadOptions& options,
                                           std::vector<Problem>* problems);

// Adds a problem for each test that fails.
void AddTestProblems(const CompiledPolicy& policy, std::vector<Problem>* problems);

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_LOAD_H_
