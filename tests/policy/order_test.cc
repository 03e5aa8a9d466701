// DESIGN §7: order never matters. Random policies, their entries dealt out over files in random
// orders, decide alike to the last detail.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/policy/test_policy.h"

namespace cairn::policy {
namespace {

using Random = std::mt19937;
constexpr int kIds = 10;  // of rules, exceptions, noise

// One entry of a policy: `text` belongs under `section` ("rules", "categories",
// "environments/rules", …), once a file for those of a mapping's key.
struct Entry {
  std::string section, text;
};

std::string Pick(Random& random, const std::vector<std::string>& from) {
  return from[random() % from.size()];
}

std::string Condition(Random& random) {
  const std::string n = absl::StrCat(random() % 4);
  return Pick(random, {"file.path == '/a/" + n + "'", "file.path in ['/a/1', '/a/" + n + "']",
                       "file.path.startsWith('/a/" + n + "')", "process.uid == " + n,
                       "file.path.endsWith('" + n + "') || 1 / file.fd == " + n,
                       "process.exe in lists.l0", "true"});
}

std::vector<Entry> RandomPolicy(Random& random) {
  std::vector<Entry> entries;
  const auto add = [&](const std::string& section, const std::string& text) {
    entries.push_back({section, text});
  };
  for (int i = 0; i < kIds; ++i) {
    std::string rule = absl::StrCat(
        "{id: r", i, ", on: [file.open], severity: ", Pick(random, {"low", "medium", "high"}),
        ", when: \"", Condition(random), "\"");
    if (random() % 3 == 0)
      absl::StrAppend(&rule, ", limit: {per: [file.path], events: 1, every: 1h}");
    if (random() % 3 == 0)
      absl::StrAppend(&rule, ", capture: {level: verbose, ancestors: ", i, "}");
    add("rules", rule + "}");
    add("exceptions", absl::StrCat("{id: e", i, ", rule: r", random() % kIds,
                                   ", reason: r, owner: o, expires: 2099-01-01, effect: ",
                                   Pick(random, {"count", "drop"}),
                                   ", when: \"process.uid == ", random() % 4, "\"}"));
    add("noise",
        absl::StrCat("{id: n", i, ", on: [file.open], when: \"file.fd == ", random() % 4, "\"}"));
    add("redact", absl::StrCat("{id: x", i, ", fields: [file.path], pattern: '",
                               Pick(random, {"a", "/(a)", "([0-9])"}),
                               "', replace: ", Pick(random, {"mask", "remove"}), "}"));
  }
  for (int i = 0; i < 4; ++i) {
    add("categories", absl::StrCat("file: ", Pick(random, {"minimal", "standard", "verbose"})));
    add("limits", absl::StrCat("host: {events_per_second: ", 1 + random() % 5, "}"));
    add("environments/categories",
        absl::StrCat("file: ", Pick(random, {"off", "minimal", "verbose"})));
    add("environments/limits", absl::StrCat("host: {events_per_second: ", 1 + random() % 9, "}"));
    add("environments/rules", absl::StrCat("r", i, ": {severity: critical}"));
    add("environments/rules", absl::StrCat("r", i, ": {capture: {ancestors: ", 20 + i, "}}"));
  }
  add("lists", "l0: [/bin/a, /bin/b]");
  add("lists", "l0: [/bin/a, /bin/b]");  // the same twice is no conflict
  return entries;
}

bool IsList(const std::string& section) {
  return section == "rules" || section == "exceptions" || section == "noise" || section == "redact";
}

// Deals the entries out; two entries of one key never meet in a file.
std::vector<std::string> Deal(std::vector<Entry> entries, Random& random) {
  std::shuffle(entries.begin(), entries.end(), random);
  std::vector<std::map<std::string, std::vector<std::string>>> files(2 + random() % 4);
  const auto key = [](const std::string& text) { return text.substr(0, text.find(':')); };
  for (const Entry& entry : entries) {
    for (size_t at = random() % files.size();; ++at) {
      if (at == files.size()) files.emplace_back();
      auto& texts = files[at][entry.section];
      const bool taken = !IsList(entry.section) &&
                         std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
                           return key(text) == key(entry.text);
                         });
      if (taken) continue;
      texts.push_back(entry.text);
      break;
    }
  }
  std::vector<std::string> all;
  for (const auto& sections : files) {
    std::string text, environment;
    for (const auto& [section, texts] : sections) {
      const std::string joined = absl::StrJoin(texts, ", ");
      if (section.find('/') != std::string::npos) {
        absl::StrAppend(&environment, environment.empty() ? "" : ", ",
                        section.substr(section.find('/') + 1), ": {", joined, "}");
      } else {
        absl::StrAppend(&text, section, IsList(section) ? ": [" : ": {", joined,
                        IsList(section) ? "]\n" : "}\n");
      }
    }
    if (!environment.empty()) absl::StrAppend(&text, "environments: {test: {", environment, "}}\n");
    all.push_back(text);
  }
  std::shuffle(all.begin(), all.end(), random);
  return all;
}

std::string Details(const Policy& policy, Record record, const Process& process) {
  Decision decision;
  policy.Decide({1, &record, &process, 0}, &decision);
  policy.Redact(&record, nullptr);
  return absl::StrCat(decision.severity, decision.urgent ? "!" : "", " ", decision.capture.level,
                      " ", decision.capture.ancestors, decision.capture.exe_hash ? " hash " : " ",
                      absl::StrJoin(record.redactions(), ","), " ", record.file().path());
}

// What the policy says of each event of a grid, in one order.
std::vector<std::string> Decisions(const Policy& policy) {
  std::vector<std::string> all;
  for (int path = 0; path < 4; ++path) {
    for (uint32_t uid = 0; uid < 4; ++uid) {
      for (int fd = 0; fd < 4; ++fd) {
        Record record = Open(absl::StrCat("/a/", path));
        record.mutable_file()->set_fd(fd);
        Process process;
        process.set_uid(uid);
        process.set_exe(fd % 2 ? "/bin/a" : "/bin/c");
        all.push_back(absl::StrCat(Judged(policy, record, process, 0, 1), " | ",
                                   Details(policy, record, process)));
      }
    }
  }
  return all;
}

TEST(Order, AnyDealOfTheSameEntriesDecidesAlike) {
  Random random(20261124);
  for (int policies = 0; policies < 25; ++policies) {
    const std::vector<Entry> entries = RandomPolicy(random);
    for (const char* environment : {"", "test"}) {
      std::vector<std::string> expected;
      for (int deal = 0; deal < 8; ++deal) {
        const std::vector<std::string> files = Deal(entries, random);
        std::vector<Problem> problems;
        const auto policy = Compile(files, &problems, environment);
        ASSERT_NE(policy, nullptr) << problems[0].ToString() << "\n"
                                   << absl::StrJoin(files, "---\n");
        const std::vector<std::string> got = Decisions(*policy);
        if (deal == 0) expected = got;
        ASSERT_EQ(got, expected) << "environment '" << environment << "'\n"
                                 << absl::StrJoin(files, "---\n");
      }
    }
  }
}

// What cannot be added up in any order is refused, in any order.
TEST(Order, ContradictionsAreErrorsWhicheverComesFirst) {
  const std::pair<const char*, const char*> kPairs[] = {
      {"lists: {l: [a]}\n", "lists: {l: [b]}\n"},
      {"rules: [{id: r, on: [file.open]}]\n", "rules: [{id: r, on: [file.open], severity: low}]\n"},
      {"metadata: {name: a, serial: 1}\n", "metadata: {name: a, serial: 2}\n"},
  };
  for (const auto& [one, other] : kPairs) {
    for (const auto& files : {std::vector<std::string>{one, other}, {other, one}}) {
      std::vector<Problem> problems;
      EXPECT_EQ(Compile(files, &problems), nullptr) << one;
    }
  }
  const std::string rule = "rules: [{id: r, on: [file.open]}]\n";
  const auto limit = [](int events) {
    return absl::StrCat("environments: {test: {rules: {r: {limit: {events: ", events,
                        ", every: 1s}}}}}\n");
  };
  for (const auto& files :
       {std::vector<std::string>{rule, limit(1), limit(2)}, {limit(2), limit(1), rule}}) {
    std::vector<Problem> problems;
    EXPECT_EQ(Compile(files, &problems, "test"), nullptr);
  }
}

}  // namespace
}  // namespace cairn::policy
