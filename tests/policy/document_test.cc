// docs/policy.md says what is so: its examples load and pass their tests, and nothing that a policy
// can say is missing from it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/io.h"
#include "policy/cel_functions.h"
#include "policy/inline_tests.h"
#include "proto/names.h"
#include "tests/paths.h"
#include "tests/policy/test_policy.h"

namespace cairn::policy {
namespace {

std::string Document(const std::string& name) {
  const auto text = ReadFile(SourcePath("docs/" + name), 1 << 20);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

// The blocks that begin with ```LANGUAGE.
std::vector<std::string> Blocks(const std::string& text, const std::string& language) {
  std::vector<std::string> blocks;
  const std::string open = "```" + language + "\n";
  for (size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    at += open.size();
    blocks.push_back(text.substr(at, text.find("```", at) - at));
  }
  return blocks;
}

TEST(Document, EachExampleLoadsAndPassesItsTests) {
  const auto examples = Blocks(Document("policy.md"), "yaml");
  EXPECT_GE(examples.size(), 4u);
  for (const std::string& example : examples) {
    size_t tests = 0, ran = 0;
    for (const char* environment : {"", "staging"}) {
      std::vector<Problem> problems;
      std::vector<Source> sources = {ReadSource("policy.md", example, &problems)};
      tests = static_cast<size_t>(sources[0].file.tests_size());
      CompileOptions options;
      options.environment = environment;
      const auto policy = CompilePolicy(std::move(sources), options, &problems);
      for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString() << example;
      ASSERT_NE(policy, nullptr);
      for (const TestResult& result : RunTests(*policy)) {
        EXPECT_EQ(result.failure, "") << result.name;
        ++ran;
      }
    }
    EXPECT_GT(tests, 0u) << example;
    EXPECT_GE(ran, tests) << example;
  }
}

TEST(Document, EachConditionCompiles) {
  const auto blocks = Blocks(Document("policy.md"), "cel");
  ASSERT_EQ(blocks.size(), 1u);
  for (const absl::string_view line : absl::StrSplit(blocks[0], '\n', absl::SkipEmpty())) {
    cel::Scope scope;
    scope.events.set();
    cel::Error error;
    EXPECT_NE(cel::Program::Compile(line, scope, &error), nullptr) << line << ": " << error.cause;
  }
}

TEST(Document, EveryKeyAndFunctionIsExplained) {
  const std::string text = Document("policy.md");
  std::set<std::string> words;
  for (const google::protobuf::Descriptor* message :
       {PolicyFile::descriptor(), Metadata::descriptor(), Rule::descriptor(),
        Exception::descriptor(), Noise::descriptor(), Redaction::descriptor(),
        policy::Test::descriptor(), Expect::descriptor(), CaptureOptions::descriptor(),
        HostLimit::descriptor(), Categories::descriptor()}) {
    for (int i = 0; i < message->field_count(); ++i) words.insert(message->field(i)->name());
  }
  for (const cel::Function& function : cel::Functions()) {
    if (function.name[0] != '_' && !absl::StrContains(function.name, "_")) {
      words.insert(std::string(function.name));
    }
  }
  words.erase("!");
  words.erase("-");
  for (const std::string& word : words) {
    EXPECT_TRUE(RE2::PartialMatch(text, "\\b" + RE2::QuoteMeta(word) + "\\b")) << word;
  }
}

// The table of categories is the one that decides.
TEST(Document, TheCategoriesAreThoseOfTheCode) {
  const std::string text = Document("policy.md");
  for (size_t category = 0; category < kCategories; ++category) {
    std::string row = absl::StrCat("| ", CategoryName(category), Lowerable(category) ? " *" : "");
    EventSet before;
    for (const Level level : {LEVEL_MINIMAL, LEVEL_STANDARD, LEVEL_VERBOSE}) {
      const size_t begin = text.find(row + " |");
      ASSERT_NE(begin, std::string::npos) << row;
      const std::vector<std::string> cells =
          absl::StrSplit(text.substr(begin, text.find('\n', begin) - begin), '|');
      std::set<std::string> documented, added;
      for (const absl::string_view verb :
           absl::StrSplit(cells[static_cast<size_t>(level)], ' ', absl::SkipEmpty())) {
        documented.insert(absl::StrCat(CategoryName(category), ".", verb));
      }
      const EventSet events = EventsAt(category, level);
      for (size_t type = 0; type < events.size(); ++type) {
        if (!events.test(type) || before.test(type)) continue;
        added.insert(std::string(EventName(static_cast<EventType>(type))));
      }
      before = events;
      EXPECT_EQ(documented, added) << CategoryName(category) << " " << LevelName(level);
    }
  }
}

// docs/policy-fields.md is the table itself; WRITE_GOLDEN=1 writes it anew.
TEST(Document, TheTableOfFieldsIsTheOneInForce) {
  std::string text =
      "# Fields\n\nWhat conditions, `cairn events --where`, the tests of policies and JSON call "
      "the "
      "parts of an\nevent. Written by `WRITE_GOLDEN=1 ctest -R Document`.\n\n"
      "| field | type | meaning |\n|---|---|---|\n";
  for (const Field& field : Fields()) {
    if (field.outer != nullptr) continue;  // of the agent's own records: docs/events.md
    absl::StrAppend(&text, "| `", field.name, "` | ", TypeName(field.type), " | ", field.doc,
                    " |\n");
  }
  const std::string path = SourcePath("docs/policy-fields.md");
  if (std::getenv("WRITE_GOLDEN") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(Document("policy-fields.md"), text) << "WRITE_GOLDEN=1 writes it anew";
}

}  // namespace
}  // namespace cairn::policy
