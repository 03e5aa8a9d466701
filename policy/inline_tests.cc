#include "policy/inline_tests.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
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

// Ids without the floor's and the categories', which tests do not list.
Ids Named(const Decision& decision) {
  Ids ids;
  for (const std::string* rule : decision.rules) {
    if (rule->find(':') == std::string::npos) ids.push_back(*rule);
  }
  return ids;
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

std::string FailureOf(const CompiledPolicy& policy, const Test& test) {
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
    Compare("recorded_by", expect.recorded_by(), Named(decision), &failure);
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
    check("recorded", expect.recorded(), decision.verdict == Verdict::kRecord);
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
                         FailureOf(policy, test)});
    }
  }
  return results;
}

}  // namespace cairn::policy
