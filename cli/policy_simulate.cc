// cairn policy simulate: yesterday's log under tomorrow's policy.
#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/escape.h"
#include "base/human.h"
#include "cli/logs.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

using policy::Decision;
using policy::Verdict;

void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }

struct Volume {
  uint64_t before = 0;
  uint64_t after = 0;
};

void PrintVolumes(absl::string_view title, const std::map<std::string, Volume>& volumes) {
  std::vector<std::pair<std::string, Volume>> sorted(volumes.begin(), volumes.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::max(a.second.before, a.second.after) > std::max(b.second.before, b.second.after);
  });
  std::string text = absl::StrFormat("\n%-48s %12s %12s\n", title, "logged", "candidate");
  constexpr size_t kShown = 30;
  for (size_t i = 0; i < sorted.size() && i < kShown; ++i) {
    absl::StrAppendFormat(&text, "%s %12s %12s\n", Pad(EscapeBytes(sorted[i].first), 48),
                          HumanCount(sorted[i].second.before), HumanCount(sorted[i].second.after));
  }
  if (sorted.size() > kShown) absl::StrAppend(&text, "and ", sorted.size() - kShown, " more\n");
  Print(text);
}

int RunSimulate(const Arguments& arguments) {
  const ReadPolicy read = ReadPolicyWords(arguments, arguments.words());
  if (read.policy == nullptr) return PrintProblems(read);
  const auto log = LogOption(arguments);
  if (!log.ok()) return Fail(log.status());
  std::map<std::string, Volume> by_rule, by_exe;
  uint64_t total = 0, kept = 0, counted = 0;
  uint64_t records = 0;
  absl::Status status =
      ForEachRecord(*log, [&](const ledger::LoggedRecord&) { return ++records != 0; });
  Progress progress("simulate");
  Decision decision;
  if (status.ok()) {
    status = ForEachRecord(*log, [&](const ledger::LoggedRecord& logged) {
      if (++total % 1024 == 0) progress.Show(total, records);
      read.policy->Decide({logged.time_ns, logged.record, logged.process, logged.wall_ns},
                          &decision);
      const bool keep = decision.verdict == Verdict::kRecord;
      kept += keep;
      counted += decision.verdict == Verdict::kCount;
      for (const absl::string_view rule : logged.rules) ++by_rule[std::string(rule)].before;
      for (const std::string* rule : decision.rules) ++by_rule[*rule].after;
      Volume& exe = by_exe[logged.process == nullptr ? "(none)" : logged.process->exe()];
      ++exe.before;
      exe.after += keep;
      return true;
    });
  }
  if (!status.ok()) return Fail(status);
  Print(
      absl::StrCat(HumanCount(total), " records in the log; the candidate keeps ", HumanCount(kept),
                   ", counts ", HumanCount(counted), ", drops ", HumanCount(total - kept - counted),
                   ".\nEvents that were not logged cannot be judged: what a candidate adds is not "
                   "seen here.\n"));
  PrintVolumes("rule", by_rule);
  PrintVolumes("executable", by_exe);
  return kOk;
}

}  // namespace

Command PolicySimulateCommand() {
  Command command;
  command.name = "policy simulate";
  command.arguments = "CANDIDATE…";
  command.summary = "Judge a log's records by another policy";
  command.details = "How many records each rule and executable has, and would have.";
  command.options = {
      kConfigOption, kEnvironmentOption, {"--log", "DIR", "the log (default: this host's newest)"}};
  command.min_words = 1;
  command.max_words = -1;
  command.run = RunSimulate;
  return command;
}

}  // namespace cairn::cli
