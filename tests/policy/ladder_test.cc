// Loading from a directory: the failure ladder, hostile files, what agent.yaml reserves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/load.h"
#include "tests/policy/test_policy.h"

namespace cairn::policy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// "a:\n a:\n  a:\n" …
std::string Staircase(int depth) {
  std::string text = "lists:\n";
  for (int i = 1; i < depth && text.size() < (3 << 20); ++i) {
    absl::StrAppend(&text, std::string(static_cast<size_t>(i), ' '), "a:\n");
  }
  return text;
}

std::string Keys(int count) {
  std::string text = "lists:\n";
  for (int i = 0; i < count && text.size() < (3 << 20); ++i) absl::StrAppend(&text, " ", i, ":\n");
  return text;
}

TEST(Ladder, EachRungAtStartAndAtReload) {
  PolicyDir dir;
  LoadResult result = LoadPolicy(dir.path() + "/none", "", nullptr);
  EXPECT_EQ(result.rung, Rung::kFloor);
  EXPECT_THAT(result.change.errors(), ElementsAre(HasSubstr("/none: ")));

  dir.Write("a.yaml", std::string(kHead) + kRule);
  result = LoadPolicy(dir.path(), "", nullptr);
  EXPECT_EQ(result.rung, Rung::kConfigured) << absl::StrJoin(result.change.errors(), "\n");
  EXPECT_THAT(result.change.added(), Contains("rule shadow"));
  const auto good = result.policy;

  // A reload that fails keeps what is in force.
  dir.Write("a.yaml", std::string(kHead) + kRule + "exceptons: []\n");
  result = LoadPolicy(dir.path(), "", good);
  EXPECT_EQ(result.rung, Rung::kLastKnownGood);
  EXPECT_EQ(result.policy, good);
  EXPECT_THAT(result.change.errors(0), HasSubstr("did you mean 'exceptions'?"));

  // At start there is none: what adds is kept, what takes away is not.
  dir.Write("b.yaml", std::string(kHead) +
                          "exceptions: [{id: e, rule: shadow, reason: r, owner: "
                          "o, expires: 2099-01-01, effect: drop}]\n");
  result = LoadPolicy(dir.path(), "", nullptr);
  EXPECT_EQ(result.rung, Rung::kAdditive);
  EXPECT_EQ(Judged(*result.policy, Open("/etc/shadow")), "record shadow");

  dir.Write("a.yaml",
            "\x7f"
            "ELF");
  result = LoadPolicy(dir.path(), "", nullptr);
  EXPECT_EQ(result.rung, Rung::kFloor);
  Record exec;
  exec.set_type(PROCESS_EXEC);
  EXPECT_EQ(Judged(*result.policy, exec), "record floor:exec");
}

// A policy that never loaded whole is no last-known-good.
TEST(Ladder, AtReloadARungIsLeftOnlyForABetterOne) {
  PolicyDir dir;
  dir.Write("a.yaml",
            "\x7f"
            "ELF");
  LoadResult result = LoadPolicy(dir.path(), "", nullptr);
  ASSERT_EQ(result.rung, Rung::kFloor);
  LoadOptions options;
  options.dir = dir.path();
  result = LoadPolicy(options, result.policy, result.rung);
  EXPECT_EQ(result.rung, Rung::kFloor) << "still the floor, and called so";
  dir.Write("a.yaml", std::string(kHead) + kRule + "  - {id: wrong, on: [no.such]}\n");
  result = LoadPolicy(options, result.policy, result.rung);
  EXPECT_EQ(result.rung, Rung::kAdditive);
  EXPECT_EQ(Judged(*result.policy, Open("/etc/shadow")), "record shadow");
  dir.Write("a.yaml", std::string(kHead) + kRule);
  result = LoadPolicy(options, result.policy, result.rung);
  EXPECT_EQ(result.rung, Rung::kConfigured);
  const auto good = result.policy;
  dir.Write("a.yaml", "[");
  for (int i = 0; i < 2; ++i) {
    result = LoadPolicy(options, result.policy, result.rung);
    EXPECT_EQ(result.rung, Rung::kLastKnownGood);
    EXPECT_EQ(result.policy, good);
  }
}

// Deleting files must not be a way to lower a policy; an empty one asks for the floor.
TEST(Ladder, FilesThatAreGoneChangeNothing) {
  PolicyDir dir;
  LoadOptions options;
  options.dir = dir.path();
  options.state_dir = dir.path() + "/state";
  dir.Write("a.yaml", std::string(kHead) + kRule);
  const auto good = LoadPolicy(options, nullptr).policy;
  (void)!std::system(("rm " + dir.path() + "/a.yaml").c_str());
  LoadResult result = LoadPolicy(options, good);
  EXPECT_EQ(result.rung, Rung::kLastKnownGood);
  EXPECT_EQ(result.policy, good);
  EXPECT_THAT(result.change.errors(), ElementsAre(HasSubstr("no *.yaml file")));
  result = LoadPolicy(options, nullptr);  // a restart
  EXPECT_EQ(result.rung, Rung::kLastKnownGood);
  EXPECT_EQ(result.policy->digest(), good->digest());
  dir.Write("a.yaml", kHead);
  result = LoadPolicy(options, good);
  EXPECT_EQ(result.rung, Rung::kConfigured);
  EXPECT_THAT(result.change.removed(), ElementsAre("rule shadow"));
}

// A damaged state file must neither lock policies out nor go unsaid.
TEST(Ladder, ADamagedMemoryOfSerialsIsSaid) {
  PolicyDir dir;
  LoadOptions options;
  options.dir = dir.path();
  options.state_dir = dir.path() + "/state";
  dir.Write("a.yaml", std::string(kHead) + kRule);
  ASSERT_EQ(LoadPolicy(options, nullptr).rung, Rung::kConfigured);
  dir.Write("state/last-good", "\xff\xff\xff damaged");
  const LoadResult result = LoadPolicy(options, nullptr);
  EXPECT_EQ(result.rung, Rung::kConfigured);
  EXPECT_THAT(result.change.weakened(), Contains(HasSubstr("serials seen before are not known")));
  EXPECT_THAT(LoadPolicy(options, nullptr).change.weakened(), IsEmpty()) << "it is mended";
}

// A record of a change has to fit into a block, whatever changed.
TEST(Ladder, AHugeChangeIsCutAndSaysSo) {
  std::string good = std::string(kHead) + "rules:\n", bad = good;
  for (int i = 0; i < 5000; ++i) {
    absl::StrAppend(&good, "  - {id: ", std::string(40, 'r'), i, ", on: [file.open]}\n");
    absl::StrAppend(&bad, "  - {id: ", std::string(40, 'r'), i, ", on: [no.such]}\n");
  }
  PolicyDir dir;
  dir.Write("a.yaml", good);
  LoadResult result = LoadPolicy(dir.path(), "", nullptr);
  EXPECT_EQ(result.rung, Rung::kConfigured);
  EXPECT_EQ(result.change.added(result.change.added_size() - 1), "and 4968 more");
  EXPECT_LT(result.change.ByteSizeLong(), 48u << 10);
  dir.Write("a.yaml", bad);
  result = LoadPolicy(dir.path(), "", nullptr);
  EXPECT_THAT(result.change.errors(result.change.errors_size() - 1), HasSubstr("more"));
  EXPECT_LT(result.change.ByteSizeLong(), 48u << 10);
}

TEST(Ladder, AFailingInlineTestRejectsTheFile) {
  PolicyDir dir;
  dir.Write("a.yaml", std::string(kHead) + kRule +
                          "tests: [{name: t, event: {type: file.open, file: {path: /x}}, expect: "
                          "{recorded_by: [shadow]}}]\n");
  const LoadResult result = LoadPolicy(dir.path(), "", nullptr);
  EXPECT_NE(result.rung, Rung::kConfigured);
  EXPECT_THAT(result.change.errors(0), HasSubstr("test 't': recorded_by: [], want [shadow]"));
}

TEST(Ladder, HostileFilesAreErrorsNotAccidents) {
  const std::pair<const char*, std::string> kCases[] = {
      {"empty", ""},
      {"huge", std::string(100 << 20, '#')},
      {"tabs", std::string(kHead) + "rules:\n\t- {id: a, on: [file.open]}\n"},
      {"duplicate", std::string(kHead) + "lists: {}\nlists: {}\n"},
      {"tag", std::string(kHead) + "lists: !!map {}\n"},
      {"two documents", std::string(kHead) + "---\n" + kHead},
      {"octal", std::string(kHead) + "metadata: {name: a, serial: 010}\n"},
      {"yes", std::string(kHead) + "rules: [{id: a, on: [file.open], capture: {exe_hash: yes}}]\n"},
      {"flow of depth 10,000", std::string(kHead) + "lists: " + std::string(10000, '[')},
      {"block of depth 10,000", kHead + Staircase(10000)},
      {"many keys", kHead + Keys(50000)},
      {"not UTF-8", std::string(kHead) + "metadata: {owner: \xff}\n"},
      {"direction mark", std::string(kHead) + "metadata: {owner: \xE2\x80\xAE}\n"},
      {"binary", std::string("\0\1\2", 3)},
      {"bomb", std::string(kHead) + "lists: {a: &a [x, x], b: [*a, *a]}\n"},
      {"deep", std::string(kHead) + "rules: [{id: a, on: [file.open], when: '" +
                   std::string(10000, '(') + "'}]\n"},
  };
  for (const auto& [name, text] : kCases) {
    PolicyDir dir;
    dir.Write("a.yaml", text);
    const LoadResult result = LoadPolicy(dir.path(), "", nullptr);
    EXPECT_GE(result.rung, Rung::kAdditive) << name;
    EXPECT_THAT(result.change.errors(), Not(IsEmpty())) << name;
    EXPECT_THAT(result.change.errors(0), HasSubstr("/a.yaml:")) << name;
  }
}

// Patterns that are dear to backtracking engines are cheap here, and those that RE2 would need
// much memory for are refused at load.
TEST(Ladder, RegularExpressionsOfEveryCost) {
  const auto policy = [](const std::string& pattern) {
    return absl::StrCat("rules: [{id: a, on: [file.open], when: 'file.path.matches(\"", pattern,
                        "\")'}]\n");
  };
  const auto dear = Good(policy("^(a+)+$") + "categories: {file: minimal}\n");
  ASSERT_NE(dear, nullptr);
  EXPECT_EQ(Judged(*dear, Open(std::string(4000, 'a') + "b")), "drop");
  EXPECT_THAT(FirstError(policy("((a{100}){100}){100}")), HasSubstr("not a regular expression"));
  EXPECT_THAT(FirstError(policy("(x{1000}){1000}")), HasSubstr("not a regular expression"));
  EXPECT_THAT(FirstError(policy(std::string(1025, 'a'))), HasSubstr("longer than 1024"));
  EXPECT_THAT(FirstError(policy("(")), HasSubstr("not a regular expression"));
  EXPECT_THAT(FirstError(absl::StrCat("redact: [{id: x, fields: [process.argv], pattern: '",
                                      "((a{100}){100}){100}'}]")),
              HasSubstr("not a regular expression"));
}

TEST(Reserved, WhatAgentYamlReservesAPolicyMayNotSet) {
  PolicyDir dir;
  dir.Write("a.yaml", std::string(kHead) + "limits: {host: {events_per_second: 1}}\n");
  LoadOptions options;
  options.dir = dir.path();
  options.reserved = {"limits.host"};
  EXPECT_THAT(LoadPolicy(options, nullptr).change.errors(0), HasSubstr("agent.yaml reserves this"));
  dir.Write("a.yaml", std::string(kHead) +
                          "environments: {x: {limits: {host: "
                          "{events_per_second: 1}}}}\n");
  EXPECT_THAT(LoadPolicy(options, nullptr).change.errors(0),
              HasSubstr("environments.x.limits.host: agent.yaml reserves this"));
  options.reserved = {"limits.host.burst", "noise"};
  EXPECT_EQ(LoadPolicy(options, nullptr).rung, Rung::kConfigured);
}

TEST(Reserved, AKeyThatNoPolicyHasIsAMistake) {
  EXPECT_TRUE(CheckReservedKeys({"limits.host", "categories.file", "noise", "redact"}).ok());
  EXPECT_THAT(CheckReservedKeys({"limit.host"}).message(), HasSubstr("did you mean 'limits'?"));
  EXPECT_FALSE(CheckReservedKeys({"rules.id"}).ok());
  EXPECT_FALSE(CheckReservedKeys({""}).ok());
}

}  // namespace
}  // namespace cairn::policy
