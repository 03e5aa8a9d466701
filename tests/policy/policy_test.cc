#include "policy/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/compile.h"
#include "policy/inline_tests.h"
#include "policy/load.h"
#include "tests/paths.h"
#include "tests/policy/test_policy.h"

namespace cairn::policy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Policy, TheFloorStandsAlone) {
  const auto policy = Good("");
  Record record;
  record.set_type(PROCESS_EXEC);
  EXPECT_EQ(Judged(*policy, record), "record floor:exec");
  EXPECT_EQ(Judged(*policy, Open("/etc/passwd")), "drop");
  EXPECT_EQ(Judged(*policy, Open("/etc/cairn/agent.yaml")), "record floor:own-files");
  record.set_type(AGENT_HEARTBEAT);
  EXPECT_EQ(Judged(*policy, record), "record floor:agent");
  EXPECT_TRUE(policy->wanted().Has(FILE_OPEN));
  EXPECT_FALSE(policy->wanted().Has(FILE_READ));
}

// DESIGN's example is shared beside the source tree.
std::string ExamplePath() { return SharedPath("policy-example.yaml"); }

TEST(Policy, TheExampleLoadsAndItsTestsPass) {
  std::ifstream in(ExamplePath());
  if (!in) GTEST_SKIP() << "SKIPPED: no " << ExamplePath();
  std::stringstream text;
  text << in.rdbuf();
  for (const char* environment : {"", "staging", "production"}) {
    std::vector<Problem> problems;
    std::vector<Source> sources = {ReadSource("example.yaml", text.str(), &problems)};
    CompileOptions options;
    options.environment = environment;
    const auto policy = CompilePolicy(std::move(sources), options, &problems);
    for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
    ASSERT_NE(policy, nullptr);
    const auto results = RunTests(*policy);
    EXPECT_EQ(results.size(), 2u);
    for (const TestResult& result : results) EXPECT_EQ(result.failure, "") << result.name;
  }
}

// What a file's tests say is of that file: another may record more, and may not take away.
TEST(Policy, TestsSayWhatTheirOwnFileDoes) {
  const std::string own = std::string(kRule) + R"(
tests:
  - {name: shadow, event: {type: file.open, file: {path: /etc/shadow}}, expect: {recorded_by: [shadow]}}
  - {name: other, event: {type: file.open, file: {path: /x}}, expect: {recorded: false}}
)";
  const auto failures = [&](const std::string& other) {
    std::vector<Problem> problems;
    const auto policy = Compile({own, other}, &problems);
    for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
    if (policy == nullptr) return std::string("no policy");
    std::string all;
    for (const TestResult& result : RunTests(*policy)) all += result.failure;
    return all;
  };
  EXPECT_EQ(failures("rules: [{id: all, on: [file.open]}]"), "");
  EXPECT_EQ(failures("categories: {file: verbose}"), "");
  EXPECT_EQ(failures(R"(
rules:
  - {id: all, on: [file.open]}
tests:
  - {name: none, event: {type: file.open, file: {path: /x}}, expect: {recorded: false}}
  - {name: both, event: {type: file.open, file: {path: /etc/shadow}}, expect: {recorded_by: [all, shadow]}}
  - {name: not, event: {type: file.open, file: {path: /x}}, expect: {recorded_by: [all, shadow]}}
)"),
            "recorded is truerecorded_by: [all], want [all, shadow]");
  EXPECT_EQ(failures(R"(
tests:
  - {name: floor, event: {type: process.exec}, expect: {recorded_by: ["floor:exec"]}}
)"),
            "recorded_by: [], want [floor:exec]");
  EXPECT_EQ(failures(R"(
exceptions:
  - {id: e, rule: shadow, when: "true", reason: r, owner: o, expires: 2027-03-31}
)"),
            "recorded_by: [], want [shadow]");
}

TEST(Policy, TestsOfAnEnvironmentSayWhatTheirOwnFileDoesThere) {
  const std::string tests = R"(
tests:
  - {name: t, environment: staging, event: {type: file.open, file: {path: /x}}, expect: {recorded: false}}
)";
  const auto failures = [](const std::vector<std::string>& texts) {
    std::vector<Problem> problems;
    const auto policy = Compile(texts, &problems, "staging");
    for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
    std::string all;
    for (const TestResult& result : RunTests(*policy)) all += result.failure;
    return all;
  };
  const std::string raises = "environments: {staging: {categories: {file: verbose}}}\n";
  EXPECT_EQ(failures({raises + tests}), "recorded is true");
  EXPECT_EQ(failures({tests, raises}), "");
}

TEST(Policy, ExceptionsCountByDefaultAndEnd) {
  const auto policy = Good(std::string(kRule) + R"(
exceptions:
  - {id: e1, rule: shadow, when: process.exe == "/bin/x", reason: r, owner: o, expires: 2027-03-31}
  - {id: e2, rule: shadow, when: process.exe == "/bin/y", reason: r, owner: o, expires: 2027-03-31, effect: drop}
)");
  Process process;
  process.set_exe("/bin/x");
  EXPECT_EQ(Judged(*policy, Open("/etc/shadow")), "record shadow");
  EXPECT_EQ(Judged(*policy, Open("/etc/shadow"), process), "count !e1");
  constexpr uint64_t kDay = 86400ull * 1000000000;
  constexpr uint64_t kLastDay = 1806451200ull * 1000000000;  // 2027-03-31T00:00:00Z
  EXPECT_EQ(Judged(*policy, Open("/etc/shadow"), process, kLastDay + kDay - 1), "count !e1");
  EXPECT_EQ(Judged(*policy, Open("/etc/shadow"), process, kLastDay + kDay), "record shadow");
  process.set_exe("/bin/y");
  EXPECT_EQ(Judged(*policy, Open("/etc/shadow"), process), "drop !e2");
}

TEST(Policy, NoiseSilencesCategoriesAndNeverARule) {
  const auto policy = Good(std::string(kRule) + R"(
categories: {file: verbose}
noise:
  - {id: quiet, on: [file.open], when: 'file.path.startsWith("/etc/")'}
)");
  EXPECT_EQ(Judged(*policy, Open("/tmp/x")), "record category:file");
  EXPECT_EQ(Judged(*policy, Open("/etc/x")), "drop ~quiet");
  EXPECT_EQ(Judged(*policy, Open("/etc/shadow")), "record shadow ~quiet");
}

TEST(Policy, AnErrorInARuleKeepsInAnExceptionOrNoiseDoesNotApply) {
  const auto policy = Good(R"(
categories: {file: verbose}
rules:
  - {id: r, on: [file.open], when: 1 / file.fd == 1}
exceptions:
  - {id: e, rule: r, when: 1 / file.fd == 1, reason: r, owner: o, expires: 2099-01-01}
noise:
  - {id: n, on: [file.open], when: 1 / file.fd == 1}
)");
  EXPECT_EQ(Judged(*policy, Open("/x")), "record category:file r");
  std::vector<std::string> failed;
  for (const ConditionError& error : policy->condition_errors()) {
    failed.push_back(absl::StrCat(error.id, " ", error.count, " ", error.why));
  }
  EXPECT_THAT(failed,
              ElementsAre("e 1 division by zero", "n 1 division by zero", "r 1 division by zero"));
  int told = 0;
  for (int i = 0; i < 3; ++i) {
    policy->TakeNotices(1, false, [&](const Record& record) {
      EXPECT_EQ(record.type(), AGENT_DEGRADED);
      ++told;
    });
  }
  EXPECT_EQ(told, 3) << "each once";
}

TEST(Policy, LimitsCountExactlyAndSaySo) {
  const auto policy = Good(R"(
rules:
  - id: r
    on: [file.open]
    limit: {per: [file.path], events: 5, every: 1s}
)");
  const uint64_t start = 1000000000;
  int recorded = 0, counted = 0;
  for (int i = 0; i < 100; ++i) {
    for (const char* path : {"/a", "/b"}) {
      const std::string got = Judged(*policy, Open(path), {}, 0, start + static_cast<uint64_t>(i));
      recorded += got == "record r";
      counted += got == "count <r";
    }
  }
  EXPECT_EQ(recorded, 10);
  EXPECT_EQ(counted, 190);
  uint64_t suppressed = 0;
  int starts = 0;
  policy->TakeNotices(start + 5000000000, false, [&](const Record& record) {
    starts += record.type() == AGENT_LIMIT_START;
    suppressed += record.limit().suppressed();
    EXPECT_EQ(record.limit().rule(), "r");
  });
  EXPECT_EQ(starts, 2);
  EXPECT_EQ(suppressed, 190u);
  EXPECT_EQ(Judged(*policy, Open("/a"), {}, 0, start + 6000000000), "record r");
}

TEST(Policy, RedactsSplitArgumentsAndAuditText) {
  const auto policy = Good(R"(
redact:
  - id: passwords
    fields: [process.argv]
    pattern: '(?i)(?:--?pass(?:word)?|--token)[= ](\S+)'
  - {id: env, fields: [process.env], pattern: 'SECRET=(\S+)', replace: remove}
)");
  Record record;
  record.set_type(PROCESS_EXEC);
  record.mutable_audit()->set_text(
      "type=EXECVE argc=3 a0=\"x\" a1=\"--password\" a2=\"hunter2\"\n"
      "type=PROCTITLE proctitle=78002D2D70617373776F72640068756E74657232");
  Process process;
  for (const char* word : {"mysql", "--password", "hunter2", "--token=abc", "-u", "root"}) {
    process.add_argv(word);
  }
  process.add_env("SECRET=1 2");
  policy->Redact(&record, &process);
  EXPECT_EQ(absl::StrJoin(process.argv(), "|"), "mysql|--password|***|--token=***|-u|root");
  EXPECT_EQ(process.env(0), "SECRET= 2");
  EXPECT_THAT(record.redactions(), ElementsAre("env", "passwords"));
  EXPECT_THAT(record.audit().text(), Not(HasSubstr("hunter2")));
  EXPECT_THAT(record.audit().text(), Not(HasSubstr("68756E74657232")));
  EXPECT_THAT(record.audit().text(), HasSubstr("a1=\"--password\" a2=\"***\""));
}

TEST(Policy, KeyedHashesAreEqualForEqualSecretsOnly) {
  const auto policy = Good(R"(
redact:
  - {id: h, fields: [process.argv], pattern: 'k=(\S+)', replace: hmac}
)");
  Record record;
  record.set_type(PROCESS_EXEC);
  Process process;
  for (const char* word : {"k=a", "k=a", "k=b"}) process.add_argv(word);
  policy->Redact(&record, &process);
  EXPECT_THAT(process.argv(0), HasSubstr("k=hmac:"));
  EXPECT_EQ(process.argv(0), process.argv(1));
  EXPECT_NE(process.argv(0), process.argv(2));
}

TEST(Policy, EnvironmentsRaiseAndLowerOnlyWhatMayBe) {
  const std::string base = std::string(kRule) + "categories: {file: standard, auth: verbose}\n";
  const std::string overlay =
      "environments: {staging: {categories: {file: minimal, process: verbose}, rules: {shadow: "
      "{severity: critical, capture: {level: verbose}}}}}\n";
  const auto staging = Good(base + overlay, "staging");
  Decision decision;
  const Record shadow = Open("/etc/shadow");
  staging->Decide({0, &shadow, nullptr, 0}, &decision);
  EXPECT_EQ(decision.severity, SEVERITY_CRITICAL);
  EXPECT_EQ(decision.capture.level, LEVEL_VERBOSE);
  EXPECT_TRUE(decision.capture.exe_hash);
  Record removed;
  removed.set_type(FILE_DELETE);
  EXPECT_EQ(Judged(*staging, removed), "drop");
  EXPECT_EQ(Judged(*Good(base + overlay, "production"), removed), "record category:file");
  EXPECT_THAT(FirstError(base + "environments: {x: {categories: {auth: minimal}}}\n"),
              HasSubstr("may not lower this category (verbose to minimal)"));
  std::vector<Problem> problems;
  Compile({std::string(kRule) + "environments: {x: {rules: {shadow: {severity: low}}}}\n"},
          &problems, "x");
  ASSERT_FALSE(problems.empty());
  EXPECT_THAT(problems[0].ToString(), HasSubstr("may not lower a severity"));
}

TEST(Policy, EveryMistakeNamesItsPlace) {
  EXPECT_EQ(FirstError("rules:\n  - id: a\n    on: [file.open]\n    when: >-\n      true &&\n"
                       "      proces.exe == ''\n"),
            "0.yaml:7:7: rules[0].when: unknown field 'proces.exe' (did you mean 'process.exe'?)");
  EXPECT_THAT(FirstError("rules: [{id: a, on: [file.opn]}]"),
              HasSubstr("no event 'file.opn' (did you mean 'file.open'?)"));
  EXPECT_THAT(FirstError("rules: [{id: a}]"), HasSubstr("rules[0].on: missing"));
  EXPECT_THAT(FirstError("rules: [{id: 'floor:x', on: [file.open]}]"), HasSubstr("the floor's"));
  EXPECT_THAT(FirstError("rules: [{id: a, on: [file.open]}, {id: a, on: [file.open]}]"),
              HasSubstr("already defined at 0.yaml:2:14"));
  EXPECT_THAT(FirstError("rules: [{id: a, on: [file.open], when: net.dst_ip == ''}]"),
              HasSubstr("file.open has no field 'net.dst_ip'"));
  EXPECT_THAT(FirstError("exceptions: [{id: e, rule: floor:exec, reason: r, owner: o, expires: "
                         "2030-01-01}]"),
              HasSubstr("the floor has no exceptions"));
  for (const char* date : {"2027-02-30", "tomorrow", "27-01-01", "2027-01-01T00:00", "''"}) {
    EXPECT_THAT(FirstError(absl::StrCat(kRule, "exceptions: [{id: e, rule: shadow, reason: r, ",
                                        "owner: o, expires: ", date, "}]")),
                HasSubstr("exceptions[0].expires"));
  }
  EXPECT_THAT(FirstError("redact: [{id: x, fields: [process.pid], pattern: a}]"),
              HasSubstr("not a field that can be redacted"));
  EXPECT_THAT(FirstError("redact: [{id: x, fields: [process.argv], pattern: '('}]"),
              HasSubstr("not a regular expression"));
}

TEST(Diff, SaysWhatWasWeakened) {
  PolicyDir dir;
  dir.Write("a.yaml", std::string(kHead) + kRule + "categories: {file: standard}\n");
  const LoadResult first = LoadPolicy(dir.path(), "", nullptr);
  dir.Write("a.yaml", std::string(kHead) + R"(
categories: {file: minimal, net: standard}
rules:
  - {id: shadow, on: [file.open], when: file.path == "/etc/shadow", severity: low}
  - {id: new, on: [net.connect]}
exceptions: [{id: e, rule: shadow, reason: r, owner: o, expires: 2099-01-01}]
noise: [{id: n, on: [file.open], when: 'true'}]
)");
  const LoadResult second = LoadPolicy(dir.path(), "", first.policy);
  EXPECT_THAT(second.change.added(), ElementsAre("rule new"));
  EXPECT_THAT(second.change.weakened(),
              ElementsAre("category file: standard to minimal", "exception e: added to rule shadow",
                          "noise n: added", "rule shadow: lower severity"));
  EXPECT_THAT(second.change.strengthened(), ElementsAre("category net: unset to standard"));
  EXPECT_NE(first.policy->digest(), second.policy->digest());
  EXPECT_EQ(second.change.old_digest(), first.policy->digest());
}

}  // namespace
}  // namespace cairn::policy
