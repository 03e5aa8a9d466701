// The ladder: configured, else last-known-good, else the additive parts, else the floor.
#include "policy/load.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/log.h"
#include "base/suggest.h"
#include "policy/bundle.h"
#include "policy/diff.h"
#include "policy/inline_tests.h"
#include "policy/last_good.h"
#include "proto/config.pb.h"

namespace cairn::policy {
namespace {

constexpr int kMaxListed = 32;  // of each list of a change, which must fit into a block
constexpr size_t kMaxEntry = 300;

const CompiledPolicy* Compiled(const std::shared_ptr<const Policy>& policy) {
  return dynamic_cast<const CompiledPolicy*>(policy.get());
}

std::shared_ptr<const CompiledPolicy> FloorAlone(const LoadOptions& options) {
  std::vector<Problem> none;
  return CompilePolicy({}, CompileOptionsOf(options), &none);
}

void Shorten(Strings* list) {
  const int more = list->size() - kMaxListed;
  if (more > 0) {
    list->DeleteSubrange(kMaxListed, more);
    *list->Add() = absl::StrCat("and ", more, " more");
  }
  for (std::string& entry : *list) {
    if (entry.size() <= kMaxEntry) continue;
    size_t cut = kMaxEntry;
    while ((entry[cut] & 0xC0) == 0x80) --cut;  // not within a character
    entry = absl::StrCat(entry.substr(0, cut), "…");
  }
}

void FillChange(const std::shared_ptr<const Policy>& before, const CompiledPolicy& after,
                const std::vector<Problem>& problems, Rung rung, PolicyChange* change) {
  if (before != nullptr) change->set_old_digest(before->digest());
  change->set_new_digest(after.digest());
  for (const Source& source : after.sources()) change->add_files(source.name);
  for (const std::string& signer : after.signers()) change->add_signers(signer);
  change->set_rung(std::string(RungName(rung)));
  change->set_serial(after.serial());
  for (const Problem& problem : problems) change->add_errors(problem.ToString());
  DiffPolicies(Compiled(before), after, change);
  for (Strings* list : {change->mutable_files(), change->mutable_added(), change->mutable_removed(),
                        change->mutable_weakened(), change->mutable_strengthened(),
                        change->mutable_errors(), change->mutable_signers()}) {
    Shorten(list);
  }
}

std::string SeenOf(const PolicyFiles& files, const LoadOptions& options,
                   const std::vector<Problem>& problems) {
  std::string seen = DigestOf(files.sources, options.environment) + files.manifest_digest;
  for (const Problem& problem : problems) seen += problem.ToString() + '\n';
  return Sha256Of(seen);
}

}  // namespace

LoadOptions LoadOptionsOf(const config::AgentConfig& config) {
  LoadOptions options;
  options.dir = config.policy().dir();
  options.environment = config.environment();
  for (const std::string& own : {config.policy().dir(), config.keys().dir(), config.log().dir(),
                                 config.policy().state_dir(), config.capture().state_dir()}) {
    options.own_paths.push_back(own + "/");
  }
  options.own_paths.push_back(config.control().socket());
  options.state_dir = config.policy().state_dir();
  options.require_signed = config.policy().require_signed();
  options.trusted_keys = {config.policy().trusted_keys().begin(),
                          config.policy().trusted_keys().end()};
  options.signatures = config.policy().signatures();
  options.reserved = {config.policy().reserved().begin(), config.policy().reserved().end()};
  return options;
}

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

// What serials are compared with: what was kept, or else what is in force. A damaged file must not
// lock every later policy out: `change` says that serials are no longer known.
SavedPolicy Before(const LoadOptions& options, const CompiledPolicy* current,
                   PolicyChange* change) {
  SavedPolicy saved;
  if (!options.state_dir.empty()) {
    const auto kept = ReadLastGood(options.state_dir);
    if (kept.ok()) return *kept;
    if (!absl::IsNotFound(kept.status())) {
      change->add_weakened(absl::StrCat("rollback: serials seen before are not known (",
                                        std::string(kept.status().message()), ")"));
    }
  }
  if (current == nullptr) return saved;
  PolicyFiles files;
  files.sources = current->sources();
  files.serial = current->bundle_serial();
  files.manifest_digest = current->bundle_digest();
  return Save(files, saved);
}

// The first that is to be had: what loaded whole before, the parts that add, the floor.
LoadResult Ladder(const LoadOptions& options, const PolicyFiles& files, const SavedPolicy& before,
                  const std::shared_ptr<const Policy>& current, Rung rung) {
  LoadResult result;
  result.rung = Rung::kLastKnownGood;
  if (Compiled(current) != nullptr && rung <= Rung::kLastKnownGood) {
    result.policy = current;
    return result;
  }
  result.policy = LastGood(before, options);
  if (result.policy != nullptr) return result;
  CompileOptions additive = CompileOptionsOf(options);
  additive.additive = true;
  std::vector<Problem> again;
  const auto policy = CompilePolicy(files.sources, additive, &again);
  bool any = !policy->redactors().empty();
  for (const CompiledRule& rule : policy->rules()) any |= !rule.floor;
  for (const Level level : policy->levels()) any |= level > LEVEL_OFF;
  result.rung = any ? Rung::kAdditive : Rung::kFloor;
  result.policy = any ? policy : FloorAlone(options);
  return result;
}

}  // namespace

LoadResult LoadPolicy(const LoadOptions& options, const std::shared_ptr<const Policy>& current,
                      Rung rung) {
  std::vector<Problem> problems;
  PolicyChange change;
  const PolicyFiles files = ReadPolicyFiles(options, &problems);
  const SavedPolicy before = Before(options, Compiled(current), &change);
  CheckSerials(files, before, &problems);
  LoadResult result;
  result.policy = LoadStrict(files, options, &problems);
  result.rung = Rung::kConfigured;
  if (result.policy == nullptr) {
    result = Ladder(options, files, before, current, rung);
  } else if (!options.state_dir.empty()) {
    const absl::Status kept = WriteLastGood(Save(files, before), options.state_dir);
    if (!kept.ok()) LogWarning("the policy cannot be kept for a restart: ", kept.message());
  }
  FillChange(current, *Compiled(result.policy), problems, result.rung, &change);
  result.change = std::move(change);
  result.seen = SeenOf(files, options, problems);
  return result;
}

absl::Status CheckReservedKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const google::protobuf::Descriptor* in = PolicyFile::descriptor();
    for (const absl::string_view part : absl::StrSplit(key, '.')) {
      std::vector<absl::string_view> known;
      for (int i = 0; in != nullptr && i < in->field_count(); ++i) {
        known.push_back(in->field(i)->name());
      }
      const auto* field = in == nullptr ? nullptr : in->FindFieldByName(std::string(part));
      if (field == nullptr) {
        return absl::InvalidArgumentError(absl::StrCat("policy.reserved: a policy has no key '",
                                                       key, "'", DidYouMean(part, known)));
      }
      in = field->is_repeated() ? nullptr : field->message_type();
    }
  }
  return absl::OkStatus();
}

LoadResult LoadPolicy(const std::string& dir, absl::string_view environment,
                      const std::shared_ptr<const Policy>& current) {
  LoadOptions options;
  options.dir = dir;
  options.environment = std::string(environment);
  return LoadPolicy(options, current);
}

}  // namespace cairn::policy
