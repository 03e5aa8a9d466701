// Every pack in config/policy must load whole, alone and beside each other one, and pass the tests
// it carries.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "policy/compile.h"
#include "policy/inline_tests.h"
#include "tests/paths.h"

namespace cairn::policy {
namespace {

std::vector<std::string> PackNames() {
  const auto names = ListDirectory(SourcePath("config/policy"));
  EXPECT_TRUE(names.ok());
  std::vector<std::string> packs;
  for (const std::string& name : *names) {
    if (absl::EndsWith(name, ".yaml")) packs.push_back(name);
  }
  return packs;
}

void ExpectToPass(const std::vector<std::string>& packs) {
  std::vector<Problem> problems;
  std::vector<Source> sources;
  for (const std::string& name : packs) {
    auto text = ReadFile(SourcePath(absl::StrCat("config/policy/", name)), 4 << 20);
    ASSERT_TRUE(text.ok());
    sources.push_back(ReadSource(name, *std::move(text), &problems));
  }
  CompileOptions options;
  options.own_paths = {"/etc/cairn/", "/var/lib/cairn/"};
  const auto policy = CompilePolicy(std::move(sources), options, &problems);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  ASSERT_NE(policy, nullptr);
  const auto results = RunTests(*policy);
  EXPECT_FALSE(results.empty()) << "it carries no tests";
  for (const TestResult& result : results) {
    EXPECT_EQ(result.failure, "") << result.file << ": " << result.name;
  }
}

TEST(Packs, EachLoadsAloneAndPassesItsTests) {
  const std::vector<std::string> packs = PackNames();
  EXPECT_GE(packs.size(), 7u);
  for (const std::string& pack : packs) {
    SCOPED_TRACE(pack);
    ExpectToPass({pack});
  }
}

// An operator puts the pack of a norm beside the one that was installed.
TEST(Packs, EachLoadsBesideEachOther) {
  const std::vector<std::string> packs = PackNames();
  for (size_t i = 0; i < packs.size(); ++i) {
    for (size_t j = i + 1; j < packs.size(); ++j) {
      SCOPED_TRACE(absl::StrCat(packs[i], " and ", packs[j]));
      ExpectToPass({packs[i], packs[j]});
    }
  }
}

}  // namespace
}  // namespace cairn::policy
