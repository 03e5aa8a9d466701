// cairn policy check, test, floor, show, diff.
#include <cstdio>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/escape.h"
#include "cli/logs.h"
#include "cli/policy_files.h"
#include "policy/diff.h"
#include "policy/inline_tests.h"

namespace cairn::cli {
namespace {

void Say(absl::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// They are no mistake, but their author should know.
void SayExpired(const policy::CompiledPolicy& policy) {
  const int64_t now_s = absl::ToUnixSeconds(absl::Now());
  std::set<std::string> expired;
  for (const auto& rule : policy.rules()) {
    for (const auto& exception : rule.exceptions) {
      if (exception.expires_s <= now_s) expired.insert(exception.id);
    }
  }
  for (const policy::Source& source : policy.sources()) {
    for (int i = 0; i < source.file.exceptions_size(); ++i) {
      const policy::Exception& exception = source.file.exceptions(i);
      if (!expired.contains(exception.id())) continue;
      const std::string path = absl::StrCat("exceptions[", i, "].expires");
      const auto place = policy::PlaceOf(source, path);
      std::fputs(absl::StrCat(EscapeBytes(source.name), ":", place.line, ":", place.column,
                              ": note: ", path, ": ", exception.id(),
                              " has expired and no longer applies; renew or remove it\n")
                     .c_str(),
                 stderr);
    }
  }
}

int RunCheck(const Arguments& arguments) {
  ReadPolicy read = ReadPolicyWords(arguments, arguments.words());
  if (read.policy != nullptr) policy::AddTestProblems(*read.policy, &read.problems);
  if (!read.problems.empty()) return PrintProblems(read);
  SayExpired(*read.policy);
  size_t rules = 0, tests = 0;
  for (const auto& rule : read.policy->rules()) rules += !rule.floor;
  for (const auto& source : read.policy->sources()) {
    tests += static_cast<size_t>(source.file.tests_size());
  }
  Say(absl::StrCat("ok: ", read.files, " files, ", rules, " rules, ", tests,
                   " tests passed, digest ", absl::BytesToHexString(read.policy->digest()), "\n"));
  return kOk;
}

int RunTest(const Arguments& arguments) {
  const ReadPolicy read = ReadPolicyWords(arguments, arguments.words());
  if (read.policy == nullptr) return PrintProblems(read);
  size_t failed = 0;
  const auto results = policy::RunTests(*read.policy);
  for (const policy::TestResult& result : results) {
    failed += !result.failure.empty();
    Say(EscapeBytes(absl::StrCat(result.failure.empty() ? "pass  " : "FAIL  ", result.file, ":",
                                 result.place.line, ": ", result.name,
                                 result.failure.empty() ? "" : ": ", result.failure)) +
        "\n");
  }
  Say(absl::StrCat(results.size() - failed, " passed, ", failed, " failed\n"));
  return failed == 0 ? kOk : kFailed;
}

int RunFloor(const Arguments&) {
  Say(policy::FloorText());
  return kOk;
}

std::string EventNames(const policy::Rule& rule) { return absl::StrJoin(rule.on(), ", "); }

int RunShow(const Arguments& arguments) {
  const ReadPolicy read = ReadPolicyWords(arguments, arguments.words());
  if (read.policy == nullptr) return PrintProblems(read);
  const auto& policy = *read.policy;
  std::string text = absl::StrCat("digest ", absl::BytesToHexString(policy.digest()), "\n",
                                  "environment ", policy.environment(), "\n");
  for (size_t i = 0; i < policy::kCategories; ++i) {
    absl::StrAppend(&text, "category ", policy::CategoryName(i), ": ",
                    policy::LevelName(policy.levels()[i]), "\n");
  }
  for (const auto& rule : policy.rules()) {
    absl::StrAppend(&text, "rule ", rule.id, " on ", EventNames(rule.source),
                    rule.source.when().empty() ? "" : " when ", rule.source.when(), "  (",
                    rule.file, ":", rule.place.line, ")\n");
    for (const auto& exception : rule.exceptions) {
      absl::StrAppend(&text, "  exception ", exception.id,
                      exception.counts ? " (count)" : " (drop)", "\n");
    }
  }
  for (const auto& noise : policy.noise()) absl::StrAppend(&text, "noise ", noise.id, "\n");
  for (const auto& redactor : policy.redactors()) {
    absl::StrAppend(&text, "redaction ", redactor.id(), "\n");
  }
  Say(text);
  return kOk;
}

int RunDiff(const Arguments& arguments) {
  const ReadPolicy before = ReadPolicyWords(arguments, {arguments.words()[0]});
  if (before.policy == nullptr) return PrintProblems(before);
  const ReadPolicy after = ReadPolicyWords(arguments, {arguments.words()[1]});
  if (after.policy == nullptr) return PrintProblems(after);
  PolicyChange change;
  policy::DiffPolicies(before.policy.get(), *after.policy, &change);
  std::string text;
  const auto list = [&](absl::string_view mark, const auto& entries) {
    for (const std::string& entry : entries) absl::StrAppend(&text, mark, " ", entry, "\n");
  };
  list("added       ", change.added());
  list("removed     ", change.removed());
  list("weakened    ", change.weakened());
  list("strengthened", change.strengthened());
  Say(text.empty() ? "no difference\n" : text);
  return text.empty() ? kOk : kFailed;
}

Command Base(absl::string_view name, absl::string_view arguments, absl::string_view summary,
             absl::string_view details, int (*run)(const Arguments&)) {
  Command command;
  command.name = name;
  command.arguments = arguments;
  command.summary = summary;
  command.details = details;
  command.options = {kConfigOption, kEnvironmentOption};
  command.max_words = -1;
  command.run = run;
  return command;
}

}  // namespace

std::vector<Command> PolicyCommands() {
  std::vector<Command> all;
  all.push_back(Base("policy check", "[FILE|DIR…]", "Check policy files and run their tests",
                     "All errors at once, each with file, line, column and, where it can be "
                     "guessed, what was meant. Exit 6 when there is one.",
                     RunCheck));
  all.push_back(Base("policy test", "[FILE|DIR…]", "Run the tests that policy files carry",
                     "One line a test. Exit 1 when one fails.", RunTest));
  all.push_back(Base("policy floor", "", "Print what is recorded whatever a policy says",
                     "The floor is compiled into cairnd; this is its text.", RunFloor));
  all.back().options.clear();
  all.back().max_words = 0;
  all.push_back(Base("policy show", "[FILE|DIR…]", "Print the policy the files make together",
                     "With the floor and the environment's overlay.", RunShow));
  all.push_back(Base("policy diff", "OLD NEW", "Say what a change of policy means",
                     "Rules and other parts added, removed, weakened and strengthened. Exit 0 when "
                     "they mean the same, 1 otherwise.",
                     RunDiff));
  all.back().min_words = all.back().max_words = 2;
  all.push_back(PolicyExplainCommand());
  all.push_back(PolicySimulateCommand());
  all.push_back(PolicyHistoryCommand());
  all.push_back(PolicySchemaCommand());
  all.push_back(PolicyImportCommand());
  for (Command& command : PolicyBundleCommands()) all.push_back(std::move(command));
  all.push_back(PolicyLoadCommand());
  return all;
}

}  // namespace cairn::cli
