// Every pack in config/policy must load whole, alone, and pass the tests it carries.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "policy/compile.h"
#include "policy/inline_tests.h"
#include "tests/paths.h"

namespace cairn::policy {
namespace {

TEST(Packs, EachLoadsAloneAndPassesItsTests) {
  const std::string dir = SourcePath("config/policy");
  const auto names = ListDirectory(dir);
  ASSERT_TRUE(names.ok());
  size_t packs = 0;
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, ".yaml")) continue;
    ++packs;
    auto text = ReadFile(absl::StrCat(dir, "/", name), 4 << 20);
    ASSERT_TRUE(text.ok());
    std::vector<Problem> problems;
    std::vector<Source> sources = {ReadSource(name, *std::move(text), &problems)};
    CompileOptions options;
    options.own_paths = {"/etc/cairn/", "/var/lib/cairn/"};
    const auto policy = CompilePolicy(std::move(sources), options, &problems);
    for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
    ASSERT_NE(policy, nullptr) << name;
    const auto results = RunTests(*policy);
    EXPECT_FALSE(results.empty()) << name << " carries no tests";
    for (const TestResult& result : results) {
      EXPECT_EQ(result.failure, "") << name << ": " << result.name;
    }
  }
  EXPECT_GE(packs, 7u);
}

}  // namespace
}  // namespace cairn::policy
