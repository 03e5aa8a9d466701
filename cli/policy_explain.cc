// cairn policy explain: why a record exists, or why an event makes none.
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "cli/logs.h"
#include "cli/policy_files.h"
#include "policy/event_json.h"
#include "policy/guards.h"
#include "policy/sample.h"

namespace cairn::cli {
namespace {

using policy::CompiledException;
using policy::CompiledPolicy;
using policy::CompiledRule;
using policy::Decision;
using policy::Event;
using policy::Value;
using policy::Verdict;
namespace cel = policy::cel;

policy::Scratch* Room() {
  static auto* scratch = new policy::Scratch;
  return scratch;
}

std::string ValueText(const Value& value) {
  return value.is_error()  ? absl::StrCat("error (", value.text, ")")
         : value.is_true() ? "true "
                           : "false";
}

// The parts of a condition, each with what it is for `event`; `all` false: those that are not true.
void Parts(const cel::Program& when, absl::string_view source, const Event& event, bool all,
           std::string* text) {
  for (uint32_t part = 0; part < when.part_count(); ++part) {
    const Value value = when.EvaluatePart(part, event, Room());
    if (!all && value.is_true()) continue;
    const size_t begin = when.part_offset(part);
    const size_t end = part + 1 < when.part_count() ? when.part_offset(part + 1) : source.size();
    size_t from = begin;
    while (from > 0 && source[from - 1] == '(') --from;  // "(a || b)" is one part
    absl::string_view piece = source.substr(from, end > from ? end - from : source.npos);
    while (!piece.empty() && absl::string_view("&( \n").find(piece.back()) != piece.npos) {
      piece.remove_suffix(1);
    }
    absl::StrAppend(text, "        ", ValueText(value), "  ", EscapeBytes(piece), "\n");
  }
}

void ExplainException(const CompiledException& exception, absl::string_view source,
                      const Event& event, std::string* text) {
  const bool expired =
      event.wall_ns != 0 && static_cast<int64_t>(event.wall_ns / 1000000000) >= exception.expires_s;
  const bool applies =
      exception.when == nullptr || exception.when->Evaluate(event, Room()).is_true();
  absl::StrAppend(text, "      exception ", exception.id,
                  expired            ? " had expired"
                  : !applies         ? " does not apply"
                  : exception.counts ? " applies: counted alone"
                                     : " applies: dropped",
                  "\n");
  if (!expired && !applies) Parts(*exception.when, source, event, false, text);
}

// A rule that matches is shown whole, another by what stands against it.
void ExplainRule(const CompiledRule& rule, const CompiledPolicy& policy, const Event& event,
                 std::string* text) {
  const Value value = rule.when == nullptr ? Value::Bool(true) : rule.when->Evaluate(event, Room());
  absl::StrAppend(text,
                  value.is_true()    ? "  matches   "
                  : value.is_error() ? "  fails     "
                                     : "  does not  ",
                  rule.id, "  (", rule.file, ":", rule.place.line, ")\n");
  if (rule.when != nullptr) {
    Parts(*rule.when, rule.source.when(), event, !value.is_false(), text);
  }
  if (value.is_false()) return;
  if (value.is_error()) absl::StrAppend(text, "      a rule that fails keeps the record\n");
  for (const CompiledException& exception : rule.exceptions) {
    std::string source;
    for (const policy::Source& file : policy.sources()) {
      for (const policy::Exception& one : file.file.exceptions()) {
        if (one.id() == exception.id) source = one.when();
      }
    }
    ExplainException(exception, source, event, text);
  }
}

std::string CategoryText(const CompiledPolicy& policy, EventType type, const Decision& decision) {
  const size_t category = policy::CategoryOf(type);
  if (category >= policy::kCategories) return "";
  const policy::Level level = policy.levels()[category];
  const bool wants = policy::EventsAt(category, level).test(static_cast<size_t>(type));
  return absl::StrCat(
      "  category  ", policy::CategoryName(category), " is ", policy::LevelName(level),
      wants ? ", which records this event" : ", which leaves this event to rules",
      decision.silenced != nullptr ? absl::StrCat("; silenced by ", *decision.silenced) : "", "\n");
}

std::string VerdictText(const Decision& decision) {
  std::string text = decision.verdict == Verdict::kRecord  ? "recorded"
                     : decision.verdict == Verdict::kCount ? "counted alone"
                                                           : "not recorded: nothing asks for it";
  for (size_t i = 0; i < decision.rules.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? " by " : ", ", *decision.rules[i]);
  }
  if (decision.verdict != Verdict::kRecord) return text;
  if (decision.urgent) absl::StrAppend(&text, "; urgent");
  if (decision.capture.exe_hash) absl::StrAppend(&text, "; with the executable's hash");
  return text;
}

std::string Explanation(const CompiledPolicy& policy, const Event& event) {
  std::string text;
  for (const CompiledRule& rule : policy.rules()) {
    if (!rule.events.test(static_cast<size_t>(event.record->type()))) continue;
    ExplainRule(rule, policy, event, &text);
  }
  Decision decision;
  policy.Decide(event, &decision);
  absl::StrAppend(&text, CategoryText(policy, event.record->type(), decision), "\n",
                  VerdictText(decision), "\n");
  return text;
}

int ExplainLogged(const Arguments& arguments, const CompiledPolicy& policy) {
  uint64_t sequence = 0;
  if (!absl::SimpleAtoi(arguments.words()[0], &sequence)) {
    return Fail(kUsage, absl::StrCat("'", arguments.words()[0], "' is no sequence number"));
  }
  const auto log = LogOption(arguments);
  if (!log.ok()) return Fail(log.status());
  bool found = false;
  const absl::Status status = ForEachRecord(*log, [&](const ledger::LoggedRecord& logged) {
    if (logged.sequence != sequence) return logged.sequence < sequence;
    found = true;
    std::string json;
    policy::AppendEventJson(logged, &json);
    std::fputs(
        absl::StrCat(
            json, "\n\nwhy it was recorded (policy generation ", logged.policy_generation, "): ",
            logged.rules.empty() ? "no rule was named"
                                 : EscapeBytes(absl::StrJoin(logged.rules, ", ")),
            "\n\nunder the policy given:\n",
            Explanation(policy, {logged.time_ns, logged.record, logged.process, logged.wall_ns}))
            .c_str(),
        stdout);
    return false;
  });
  if (!status.ok()) return Fail(status);
  return found ? kOk : Fail(kBadInput, absl::StrCat(*log, ": no record ", sequence));
}

// `text` is an event as the tests of a policy write it.
int ExplainEvent(const std::string& text, const CompiledPolicy& policy) {
  constexpr absl::string_view kKey = "event: ";
  policy::Test test;
  std::vector<YamlError> errors;
  ParseYaml(absl::StrCat(kKey, text), YamlLimits(), &test, &errors);
  policy::Sample sample;
  if (errors.empty()) policy::ReadSample(test.event(), &sample, &errors);
  if (!errors.empty()) {
    const int column =
        errors[0].line == 1 ? errors[0].column - static_cast<int>(kKey.size()) : errors[0].column;
    return Fail(kBadInput,
                absl::StrCat("--event:", errors[0].line, ":", column, ": ", errors[0].cause));
  }
  std::fputs(Explanation(policy, {0, &sample.record, &sample.process, 0}).c_str(), stdout);
  return kOk;
}

int RunExplain(const Arguments& arguments) {
  const int asked = (arguments.Has("--event") ? 1 : 0) + (arguments.Has("--kernel") ? 1 : 0) +
                    (arguments.words().empty() ? 0 : 1);
  if (asked != 1) return Fail(kUsage, "policy explain: one of SEQ, --event and --kernel");
  const ReadPolicy read = ReadPolicyWords(arguments, arguments.All("--policy"));
  std::shared_ptr<const CompiledPolicy> policy = read.policy;
  if (policy == nullptr) {
    const int broken = PrintProblems(read);
    if (!arguments.Has("--policy")) policy = PolicyInForce(arguments);
    if (policy == nullptr) return broken;
  }
  if (arguments.Has("--kernel")) {
    std::fputs(policy::ExplainGuards(policy::GuardsOf(*policy)).c_str(), stdout);
    return kOk;
  }
  return arguments.Has("--event") ? ExplainEvent(arguments.Get("--event"), *policy)
                                  : ExplainLogged(arguments, *policy);
}

}  // namespace

Command PolicyExplainCommand() {
  Command command;
  command.name = "policy explain";
  command.arguments = "SEQ | --event EVENT | --kernel";
  command.summary = "Say why a record exists, or what a policy says of an event";
  command.details =
      "Prints record SEQ, the rules it was recorded for, and for each rule of that event whether "
      "it matches: all of its condition, or the parts that stand against it. With --event no log "
      "is needed: EVENT is as in the tests of a policy, "
      "'{type: file.open, file: {path: /etc/shadow}, process: {exe: /usr/bin/cat}}'. Nothing is "
      "verified: see `cairn verify`. With --kernel: which events the policy has the kernel send "
      "up, "
      "and of those which paths and processes alone.";
  command.options = {kConfigOption,
                     kEnvironmentOption,
                     {"--event", "EVENT", "an event that may never have happened"},
                     {"--kernel", "", "what of the policy the kernel judges by itself"},
                     {"--log", "DIR", "the log (default: this host's newest)"},
                     {"--policy", "FILE|DIR", "the policy (default: this host's)"}};
  command.max_words = 1;
  command.run = RunExplain;
  return command;
}

}  // namespace cairn::cli
