// The ladder: configured, else last-known-good, else the additive parts, else the floor.
#include "policy/load.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/diff.h"
#include "policy/inline_tests.h"

namespace cairn::policy {
namespace {

constexpr int kMaxErrorsRecorded = 50;

const CompiledPolicy* Compiled(const std::shared_ptr<const Policy>& policy) {
  return dynamic_cast<const CompiledPolicy*>(policy.get());
}

std::shared_ptr<const CompiledPolicy> FloorAlone(const LoadOptions& options) {
  std::vector<Problem> none;
  return CompilePolicy({}, CompileOptionsOf(options), &none);
}

void FillChange(const std::shared_ptr<const Policy>& before, const CompiledPolicy& after,
                const std::vector<Problem>& problems, Rung rung, PolicyChange* change) {
  if (before != nullptr) change->set_old_digest(before->digest());
  change->set_new_digest(after.digest());
  for (const Source& source : after.sources()) change->add_files(source.name);
  for (const std::string& signer : after.signers()) change->add_signers(signer);
  change->set_rung(std::string(RungName(rung)));
  change->set_serial(after.serial());
  for (const Problem& problem : problems) {
    if (change->errors_size() == kMaxErrorsRecorded) {
      change->add_errors(absl::StrCat("and ", problems.size() - kMaxErrorsRecorded, " more"));
      break;
    }
    change->add_errors(problem.ToString());
  }
  DiffPolicies(Compiled(before), after, change);
}

}  // namespace

CompileOptions CompileOptionsOf(const LoadOptions& options) {
  CompileOptions compile;
  compile.environment = options.environment;
  compile.own_paths = options.own_paths;
  compile.reserved = options.reserved;
  return compile;
}

void AddTestProblems(const CompiledPolicy& policy, std::vector<Problem>* problems) {
  for (const TestResult& result : RunTests(policy)) {
    if (result.failure.empty()) continue;
    problems->push_back(
        {result.file, result.place, absl::StrCat("test '", result.name, "': ", result.failure)});
  }
}

std::shared_ptr<CompiledPolicy> LoadStrict(const PolicyFiles& files, const LoadOptions& options,
                                           std::vector<Problem>* problems) {
  auto policy = CompilePolicy(files.sources, CompileOptionsOf(options), problems);
  if (policy == nullptr || !problems->empty()) return nullptr;
  AddTestProblems(*policy, problems);
  return problems->empty() ? policy : nullptr;
}

LoadResult LoadPolicy(const LoadOptions& options, std::shared_ptr<const Policy> current) {
  LoadResult result;
  std::vector<Problem> problems;
  const PolicyFiles files = ReadPolicyFiles(options, &problems);
  std::shared_ptr<const CompiledPolicy> policy = LoadStrict(files, options, &problems);
  result.rung = Rung::kConfigured;
  if (policy != nullptr && files.absent) result.rung = Rung::kFloor;
  if (policy == nullptr && Compiled(current) != nullptr) {
    policy = std::dynamic_pointer_cast<const CompiledPolicy>(current);
    result.rung = Rung::kLastKnownGood;
  }
  if (policy == nullptr) {
    CompileOptions additive = CompileOptionsOf(options);
    additive.additive = true;
    std::vector<Problem> again;
    policy = CompilePolicy(files.sources, additive, &again);
    result.rung = Rung::kAdditive;
    bool any = false;
    for (const CompiledRule& rule : policy->rules()) any |= !rule.floor;
    for (const Level level : policy->levels()) any |= level > LEVEL_OFF;
    if (!any && policy->redactors().empty()) {
      policy = FloorAlone(options);
      result.rung = Rung::kFloor;
    }
  }
  FillChange(current, *policy, problems, result.rung, &result.change);
  result.policy = policy;
  return result;
}

LoadResult LoadPolicy(const std::string& dir, absl::string_view environment,
                      std::shared_ptr<const Policy> current) {
  LoadOptions options;
  options.dir = dir;
  options.environment = std::string(environment);
  return LoadPolicy(options, std::move(current));
}

}  // namespace cairn::policy
