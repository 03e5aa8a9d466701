#include "policy/inline_tests.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "policy/categories.h"
#include "policy/sample.h"

namespace cairn::policy {
namespace {

using Ids = std::vector<std::string>;

void Compare(absl::string_view what, const Words& wanted, Ids got, std::string* failure) {
  Ids want(wanted.values().begin(), wanted.values().end());
  std::sort(want.begin(), want.end());
  std::sort(got.begin(), got.end());
  if (want == got) return;
  absl::StrAppend(failure, failure->empty() ? "" : "; ", what, ": [", absl::StrJoin(got, ", "),
                  "], want [", absl::StrJoin(want, ", "), "]");
}

bool IsRuleOf(const Source& source, absl::string_view id) {
  const auto& rules = source.file.rules();
  return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.id() == id; });
}

// Without the floor's and the categories', which tests do not list, and without those of other
// files, which may record more, but for those the test names.
Ids Named(const Decision& decision, const Source& source, const Words& wanted) {
  Ids ids;
  for (const std::string* rule : decision.rules) {
    const auto& named = wanted.values();
    const bool own = rule->find(':') == std::string::npos && IsRuleOf(source, *rule);
    if (own || std::find(named.begin(), named.end(), *rule) != named.end()) ids.push_back(*rule);
  }
  return ids;
}

// Would it be recorded without what other files add: by the file's own rules, at the levels it
// states itself, by the floor?
bool RecordedByItself(const Decision& decision, const Source& source, EventType type) {
  const size_t category = CategoryOf(type);
  const bool own_level =
      category < kCategories && EventsAt(category, LevelOf(source.file.categories(), category))
                                    .test(static_cast<size_t>(type));
  return std::any_of(decision.rules.begin(), decision.rules.end(), [&](const std::string* rule) {
    if (rule->rfind("category:", 0) == 0) return own_level;
    return rule->rfind("floor:", 0) == 0 || IsRuleOf(source, *rule);
  });
}

bool TimeOf(const std::string& at, Event* event) {
  if (at.empty()) return true;
  absl::Time time;
  std::string unused;
  if (!absl::ParseTime(absl::RFC3339_full, at, &time, &unused) &&
      !absl::ParseTime("%Y-%m-%d", at, absl::UTCTimeZone(), &time, &unused)) {
    return false;
  }
  event->wall_ns = static_cast<uint64_t>(absl::ToUnixNanos(time));
  return true;
}

std::string FailureOf(const CompiledPolicy& policy, const Source& source, const Test& test) {
  Sample sample;
  std::vector<YamlError> errors;
  ReadSample(test.event(), &sample, &errors);
  if (!errors.empty()) return absl::StrCat("event: ", errors[0].cause);
  Event event{0, &sample.record, &sample.process, 0};
  if (!TimeOf(test.at(), &event)) return absl::StrCat("at: '", test.at(), "' is no time");
  Decision decision;
  policy.Decide(event, &decision);
  std::string failure;
  const Expect& expect = test.expect();
  if (expect.has_recorded_by()) {
    Compare("recorded_by", expect.recorded_by(), Named(decision, source, expect.recorded_by()),
            &failure);
  }
  Ids excepted;
  for (const std::string* id : decision.excepted) excepted.push_back(*id);
  if (expect.has_excepted_by()) Compare("excepted_by", expect.excepted_by(), excepted, &failure);
  const Ids silenced = decision.silenced == nullptr ? Ids() : Ids{*decision.silenced};
  if (expect.has_silenced_by()) Compare("silenced_by", expect.silenced_by(), silenced, &failure);
  if (expect.has_redacted_by()) {
    policy.Redact(&sample.record, &sample.process);
    const auto& fired = sample.record.redactions();
    Compare("redacted_by", expect.redacted_by(), Ids(fired.begin(), fired.end()), &failure);
  }
  const auto check = [&](absl::string_view what, bool wanted, bool got) {
    if (wanted == got) return;
    absl::StrAppend(&failure, failure.empty() ? "" : "; ", what, " is ", got ? "true" : "false");
  };
  if (expect.has_recorded()) {
    check("recorded", expect.recorded(),
          decision.verdict == Verdict::kRecord &&
              (expect.recorded() || RecordedByItself(decision, source, sample.record.type())));
  }
  if (expect.has_counted()) {
    check("counted", expect.counted(), decision.verdict == Verdict::kCount);
  }
  return failure;
}

}  // namespace

std::vector<TestResult> RunTests(const CompiledPolicy& policy) {
  std::vector<TestResult> results;
  for (const Source& source : policy.sources()) {
    for (int i = 0; i < source.file.tests_size(); ++i) {
      const Test& test = source.file.tests(i);
      if (!test.environment().empty() && test.environment() != policy.environment()) continue;
      results.push_back({source.name, test.name(), PlaceOf(source, absl::StrCat("tests[", i, "]")),
                         FailureOf(policy, source, test)});
    }
  }
  return results;
}

}  // namespace cairn::policy
