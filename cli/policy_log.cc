// cairn policy explain, simulate, history: a policy and a real log.
#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/human.h"
#include "cli/logs.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"
#include "policy/event_json.h"
#include "policy/guards.h"
#include "proto/names.h"

namespace cairn::cli {
namespace {

using policy::Decision;
using policy::Event;
using policy::Verdict;

void Say(const std::string& text) { std::fputs(text.c_str(), stdout); }

Event EventOf(const ledger::LoggedRecord& logged) {
  return {logged.time_ns, logged.record, logged.process, logged.wall_ns};
}

std::string LogDir(const Arguments& arguments, absl::Status* status) {
  if (arguments.Has("--log")) return arguments.Get("--log");
  const auto logs = LogsOf(Arguments());
  *status = logs.status();
  return logs.ok() ? logs->front() : "";
}

std::string ValueText(const policy::Value& value) {
  return value.is_error()  ? absl::StrCat("error: ", value.text)
         : value.is_true() ? "true"
                           : "false";
}

// One rule's reasons: which parts of its condition hold.
void ExplainRule(const policy::CompiledRule& rule, const Event& event, std::string* text) {
  static auto* scratch = new policy::Scratch;
  const bool matches = rule.when == nullptr || !rule.when->Evaluate(event, scratch).is_false();
  absl::StrAppend(text, matches ? "  matches   " : "  does not  ", rule.id, "  (", rule.file, ":",
                  rule.place.line, ")\n");
  for (uint32_t part = 0; rule.when != nullptr && part < rule.when->part_count(); ++part) {
    const size_t begin = rule.when->part_offset(part);
    const size_t end = part + 1 < rule.when->part_count() ? rule.when->part_offset(part + 1)
                                                          : rule.source.when().size();
    absl::StrAppend(text, "              ",
                    ValueText(rule.when->EvaluatePart(part, event, scratch)), ": ");
    absl::string_view source = rule.source.when();
    source = begin < end ? source.substr(begin, end - begin) : source.substr(begin);
    while (!source.empty() &&
           (source.back() == '&' || source.back() == ' ' || source.back() == '\n')) {
      source.remove_suffix(1);
    }
    absl::StrAppend(text, EscapeBytes(source), "\n");
  }
  for (const auto& exception : rule.exceptions) {
    const bool applies =
        exception.when == nullptr || exception.when->Evaluate(event, scratch).is_true();
    if (matches && applies) absl::StrAppend(text, "              exception ", exception.id, "\n");
  }
}

std::string Verdicts(Verdict verdict) {
  return verdict == Verdict::kRecord  ? "recorded"
         : verdict == Verdict::kCount ? "counted alone"
                                      : "dropped";
}

void Explain(const ledger::LoggedRecord& logged, const policy::CompiledPolicy& policy) {
  std::string json;
  policy::AppendEventJson(logged, &json);
  std::string text = absl::StrCat(
      json, "\n\nwhy it was recorded (policy generation ", logged.policy_generation,
      "): ", logged.rules.empty() ? "no rule was named" : absl::StrJoin(logged.rules, ", "),
      "\n\nunder the policy given:\n");
  const Event event = EventOf(logged);
  for (const auto& rule : policy.rules()) {
    if (rule.events.test(static_cast<size_t>(logged.record->type()))) {
      ExplainRule(rule, event, &text);
    }
  }
  Decision decision;
  policy.Decide(event, &decision);
  const size_t category = policy::CategoryOf(logged.record->type());
  if (category < policy::kCategories) {
    absl::StrAppend(&text, "  category  ", policy::CategoryName(category), " is ",
                    policy::LevelName(policy.levels()[category]),
                    decision.silenced != nullptr ? ", silenced by " : "",
                    decision.silenced != nullptr ? *decision.silenced : "", "\n");
  }
  std::string rules;
  for (const std::string* rule : decision.rules) absl::StrAppend(&rules, " ", *rule);
  absl::StrAppend(&text, "\n", Verdicts(decision.verdict), rules.empty() ? "" : " by", rules, "\n");
  Say(text);
}

int RunExplain(const Arguments& arguments) {
  if (arguments.Has("--kernel")) {
    const ReadPolicy read = ReadPolicyWords(arguments, arguments.All("--policy"));
    if (read.policy == nullptr) return PrintProblems(read.problems);
    Say(policy::ExplainGuards(policy::GuardsOf(*read.policy)));
    return kOk;
  }
  if (arguments.words().empty()) return Fail(kUsage, "which record? Its sequence number, please");
  uint64_t sequence = 0;
  if (!absl::SimpleAtoi(arguments.words()[0], &sequence)) {
    return Fail(kUsage, absl::StrCat("'", arguments.words()[0], "' is no sequence number"));
  }
  const ReadPolicy read = ReadPolicyWords(arguments, arguments.All("--policy"));
  if (read.policy == nullptr) return PrintProblems(read.problems);
  absl::Status status;
  const std::string log = LogDir(arguments, &status);
  if (!status.ok()) return Fail(status);
  bool found = false;
  status = ForEachRecord(log, [&](const ledger::LoggedRecord& logged) {
    if (logged.sequence != sequence) return logged.sequence < sequence;
    found = true;
    Explain(logged, *read.policy);
    return false;
  });
  if (!status.ok()) return Fail(status);
  return found ? kOk : Fail(kBadInput, absl::StrCat(log, ": no record ", sequence));
}

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
  Say(text);
}

int RunSimulate(const Arguments& arguments) {
  const ReadPolicy read = ReadPolicyWords(arguments, arguments.words());
  if (read.policy == nullptr) return PrintProblems(read.problems);
  absl::Status status;
  const std::string log = LogDir(arguments, &status);
  if (!status.ok()) return Fail(status);
  std::map<std::string, Volume> by_rule, by_exe;
  uint64_t total = 0, kept = 0, counted = 0;
  uint64_t records = 0;
  status = ForEachRecord(log, [&](const ledger::LoggedRecord&) { return ++records != 0; });
  Progress progress("simulate");
  Decision decision;
  if (status.ok()) {
    status = ForEachRecord(log, [&](const ledger::LoggedRecord& logged) {
      if (++total % 1024 == 0) progress.Show(total, records);
      read.policy->Decide(EventOf(logged), &decision);
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
  Say(absl::StrCat(HumanCount(total), " records in the log; the candidate keeps ", HumanCount(kept),
                   ", counts ", HumanCount(counted), ", drops ", HumanCount(total - kept - counted),
                   ".\nEvents that were not logged cannot be judged: what a candidate adds is not "
                   "seen here.\n"));
  PrintVolumes("rule", by_rule);
  PrintVolumes("executable", by_exe);
  return kOk;
}

std::string ChangeText(const ledger::LoggedRecord& logged) {
  const PolicyChange& change = logged.record->policy();
  std::string text = absl::StrCat(
      policy::FormatWallTime(logged.wall_ns), "  ", EventName(logged.record->type()), "  ",
      change.rung(), "  ", absl::BytesToHexString(change.new_digest()).substr(0, 16),
      change.serial() != 0 ? absl::StrCat("  serial ", change.serial()) : "", "  record ",
      logged.sequence, "\n");
  const auto line = [&](absl::string_view what, absl::string_view value) {
    if (!value.empty()) absl::StrAppend(&text, "    ", what, " ", EscapeBytes(value), "\n");
  };
  line("by", change.trigger());
  if (change.requester_pid() != 0) {
    line("requester",
         absl::StrCat("pid ", change.requester_pid(), " uid ", change.requester_uid(), " auid ",
                      change.requester_auid(), " ", absl::string_view(change.requester_exe()),
                      change.requester_inferred() ? " (inferred)" : ""));
  }
  for (const Ancestor& writer : change.writer()) {
    line("written by", absl::StrCat(absl::string_view(writer.exe()), " pid ", writer.pid(), " uid ",
                                    writer.uid(), " auid ", writer.auid()));
  }
  for (const std::string& one : change.signers()) line("signed by", one);
  for (const std::string& one : change.added()) line("added", one);
  for (const std::string& one : change.removed()) line("removed", one);
  for (const std::string& one : change.weakened()) line("weakened", one);
  for (const std::string& one : change.strengthened()) line("strengthened", one);
  for (const std::string& one : change.errors()) line("error", one);
  return text;
}

int RunHistory(const Arguments& arguments) {
  const auto logs = LogsOf(arguments);
  if (!logs.ok()) return Fail(logs.status());
  for (const std::string& log : *logs) {
    const absl::Status status = ForEachRecord(log, [](const ledger::LoggedRecord& logged) {
      if (logged.record->has_policy()) Say(ChangeText(logged));
      return true;
    });
    if (!status.ok()) return Fail(status);
  }
  return kOk;
}

}  // namespace

Command PolicyExplainCommand() {
  Command command;
  command.name = "policy explain";
  command.arguments = "[SEQ]";
  command.summary = "Say why a record exists, and what a policy says of it";
  command.details =
      "Prints record SEQ, the rules it was recorded for, and for each rule of that event whether "
      "it matches, part by part. Nothing is verified: see `cairn verify`. With --kernel: which "
      "events the policy has the kernel send up, and of those which paths and processes alone.";
  command.options = {kConfigOption,
                     kEnvironmentOption,
                     {"--log", "DIR", "the log (default: this host's newest)"},
                     {"--policy", "FILE|DIR", "the policy (default: this host's)"},
                     {"--kernel", "", "what of the policy the kernel judges by itself"}};
  command.max_words = 1;
  command.run = RunExplain;
  return command;
}

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

Command PolicyHistoryCommand() {
  Command command;
  command.name = "policy history";
  command.arguments = "[DIR|FILE…]";
  command.summary = "Print every change of policy that a log holds";
  command.details =
      "When, what, who asked for it, who wrote the file, what it weakened, and what was refused. "
      "Nothing is verified: see `cairn verify`.";
  command.options = {kConfigOption};
  command.max_words = -1;
  command.run = RunHistory;
  return command;
}

}  // namespace cairn::cli
