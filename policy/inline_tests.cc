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

template <typename Entries>
bool Holds(const Entries& entries, absl::string_view id) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const auto& entry) { return entry.id() == id; });
}

// Of `ids` those of the file's own `entries`, and of other files those that the test names. Never
// the floor's and the categories', which have a colon.
template <typename Entries, typename All>
Ids Own(const Entries& entries, const Words& named, const All& all) {
  Ids ids;
  for (const std::string* id : all) {
    if (id->find(':') != std::string::npos) continue;
    const auto& names = named.values();
    const bool is_named = std::find(names.begin(), names.end(), *id) != names.end();
    if (is_named || Holds(entries, *id)) ids.push_back(*id);
  }
  return ids;
}

// Would it be recorded without what other files add: by the file's own rules, at the levels it
// states itself, by the floor?
bool RecordedByItself(const Decision& decision, const CompiledPolicy& policy, const Source& source,
                      EventType type) {
  const size_t category = CategoryOf(type);
  Level level = LEVEL_UNSPECIFIED;
  if (category < kCategories) {
    level = LevelOf(source.file.categories(), category);
    const auto overlay = source.file.environments().find(policy.environment());
    if (overlay != source.file.environments().end()) {
      const Level there = LevelOf(overlay->second.categories(), category);
      if (there != LEVEL_UNSPECIFIED) level = there;
    }
  }
  return std::any_of(decision.rules.begin(), decision.rules.end(), [&](const std::string* rule) {
    if (rule->rfind("category:", 0) == 0) {
      return EventsAt(category, level).test(static_cast<size_t>(type));
    }
    return rule->rfind("floor:", 0) == 0 || Holds(source.file.rules(), *rule);
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
  const PolicyFile& file = source.file;
  if (expect.has_recorded_by()) {
    Compare("recorded_by", expect.recorded_by(),
            Own(file.rules(), expect.recorded_by(), decision.rules), &failure);
  }
  if (expect.has_excepted_by()) {
    Compare("excepted_by", expect.excepted_by(),
            Own(file.exceptions(), expect.excepted_by(), decision.excepted), &failure);
  }
  if (expect.has_silenced_by()) {
    Ids silenced;
    if (decision.silenced != nullptr) silenced.push_back(*decision.silenced);
    Compare("silenced_by", expect.silenced_by(), silenced, &failure);
  }
  if (expect.has_redacted_by()) {
    policy.Redact(&sample.record, &sample.process);
    std::vector<const std::string*> fired;
    for (const std::string& id : sample.record.redactions()) fired.push_back(&id);
    Compare("redacted_by", expect.redacted_by(), Own(file.redact(), expect.redacted_by(), fired),
            &failure);
  }
  const auto check = [&](absl::string_view what, bool wanted, bool got) {
    if (wanted == got) return;
    absl::StrAppend(&failure, failure.empty() ? "" : "; ", what, " is ", got ? "true" : "false");
  };
  const bool recorded = decision.verdict == Verdict::kRecord;
  const bool by_itself =
      recorded && RecordedByItself(decision, policy, source, sample.record.type());
  if (expect.has_recorded()) {
    check("recorded", expect.recorded(), expect.recorded() ? recorded : by_itself);
  }
  if (expect.has_counted()) {  // recorded by others alone: whether it would be is not known
    const bool others = recorded && !by_itself;
    check("counted", expect.counted(),
          others ? expect.counted() : decision.verdict == Verdict::kCount);
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
