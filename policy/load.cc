// The ladder: configured, else last-known-good, else the additive parts, else the floor.
#include "policy/load.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "policy/diff.h"
#include "policy/inline_tests.h"
#include "policy/last_good.h"

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
  CompileOptions compile = CompileOptionsOf(options);
  compile.signers = files.signers;
  compile.bundle_serial = files.serial;
  compile.bundle_digest = files.manifest_digest;
  auto policy = CompilePolicy(files.sources, compile, problems);
  if (policy == nullptr || !problems->empty()) return nullptr;
  AddTestProblems(*policy, problems);
  return problems->empty() ? policy : nullptr;
}

namespace {

// What was in force when the agent last ran, compiled anew. Null: nothing, or it does not compile.
std::shared_ptr<const CompiledPolicy> LastGood(const SavedPolicy& saved,
                                               const LoadOptions& options) {
  PolicyFiles files;
  std::vector<Problem> problems;
  for (const auto& file : saved.files()) {
    files.sources.push_back(ReadSource(file.name(), file.text(), &problems));
  }
  if (files.sources.empty() || !problems.empty()) return nullptr;
  auto policy = CompilePolicy(files.sources, CompileOptionsOf(options), &problems);
  return problems.empty() ? policy : nullptr;
}

// What serials are compared with: what was kept, or else what is in force.
SavedPolicy Before(const LoadOptions& options, const CompiledPolicy* current,
                   std::vector<Problem>* problems) {
  SavedPolicy saved;
  if (!options.state_dir.empty()) {
    const auto kept = ReadLastGood(options.state_dir);
    if (kept.ok()) return *kept;
    if (!absl::IsNotFound(kept.status())) {
      problems->push_back({options.state_dir, {0, 0}, std::string(kept.status().message())});
    }
  }
  if (current == nullptr) return saved;
  PolicyFiles files;
  files.sources = current->sources();
  files.serial = current->bundle_serial();
  files.manifest_digest = current->bundle_digest();
  return Save(files, saved);
}

}  // namespace

LoadResult LoadPolicy(const LoadOptions& options, std::shared_ptr<const Policy> current) {
  LoadResult result;
  std::vector<Problem> problems;
  const PolicyFiles files = ReadPolicyFiles(options, &problems);
  const SavedPolicy before = Before(options, Compiled(current), &problems);
  CheckSerials(files, before, &problems);
  std::shared_ptr<const CompiledPolicy> policy = LoadStrict(files, options, &problems);
  result.rung = Rung::kConfigured;
  if (policy != nullptr && files.absent) result.rung = Rung::kFloor;
  if (policy != nullptr && !files.absent && !options.state_dir.empty()) {
    const absl::Status kept = WriteLastGood(Save(files, before), options.state_dir);
    if (!kept.ok()) LogWarning("the policy cannot be kept for a restart: ", kept.message());
  }
  if (policy == nullptr && Compiled(current) != nullptr) {
    policy = std::dynamic_pointer_cast<const CompiledPolicy>(current);
    result.rung = Rung::kLastKnownGood;
  }
  if (policy == nullptr && current == nullptr) {
    policy = LastGood(before, options);
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
