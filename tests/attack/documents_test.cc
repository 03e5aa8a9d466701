// docs/threat-model.md and the tests: each names the other.
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "re2/re2.h"
#include "tests/attack/attack.h"
#include "tests/paths.h"
#include "tests/program.h"

namespace cairn::attack {
namespace {

std::string ThreatModel() { return ledger::ReadAll(SourcePath("docs/threat-model.md")); }

// "Suite.Name" of every test in the sources below tests/.
std::set<std::string> TestsInSources(absl::string_view folder) {
  std::string text;
  EXPECT_EQ(Shell(absl::StrCat("find '", SourcePath("tests"), "/", folder,
                               "' -name '*_test.cc' -exec cat {} +"),
                  &text),
            0);
  std::set<std::string> tests;
  static const RE2 pattern(R"(\nTEST(?:_F)?\(\s*(\w+),\s*(\w+)\))");
  absl::string_view rest(text);
  re2::StringPiece input(rest.data(), rest.size());
  std::string suite;
  std::string name;
  while (RE2::FindAndConsume(&input, pattern, &suite, &name)) {
    tests.insert(absl::StrCat(suite, ".", name));
  }
  return tests;
}

TEST(ThreatModel, EveryTestItNamesExists) {
  const std::set<std::string> tests = TestsInSources("");
  ASSERT_GT(tests.size(), 100u);
  const std::string document = ThreatModel();
  re2::StringPiece input(document);
  static const RE2 pattern(R"(`([A-Z]\w+\.[A-Z]\w+)`)");
  std::string name;
  size_t named = 0;
  for (; RE2::FindAndConsume(&input, pattern, &name); ++named) {
    EXPECT_TRUE(tests.contains(name)) << "docs/threat-model.md names " << name;
  }
  EXPECT_GT(named, 30u);
}

TEST(ThreatModel, EveryAttackStandsInIt) {
  const std::string document = ThreatModel();
  for (const std::string& test : TestsInSources("attack")) {
    if (!absl::StartsWith(test, "Attack")) continue;
    EXPECT_TRUE(absl::StrContains(document, absl::StrCat("`", test, "`"))) << test;
  }
}

}  // namespace
}  // namespace cairn::attack
