#include "base/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "proto/config.pb.h"
#include "proto/policy.pb.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(absl::string_view text) {
  policy::PolicyFile file;
  return std::string(ParseYamlFile(text, "f.yaml", &file).message());
}

TEST(Yaml, BindsEveryKindOfField) {
  constexpr absl::string_view kText = R"(schema: cairn.policy/v1
metadata: {name: a, serial: 18446744073709551615}
categories: {process: verbose}
environments:
  staging:
    rules: {r1: {capture: {exe_hash: true}, severity: high}}
lists:
  internal: ["10.0.0.0/8", '::1/128']
rules:
  - id: r1
    on: [net.connect]
    tags: {attack: [T1003.008]}
    limit: {per: [process.exe], events: 20, every: 1m30s, then: count}
)";
  policy::PolicyFile file;
  YamlPlaces places;
  std::vector<YamlError> errors;
  ParseYaml(kText, YamlLimits(), &file, &errors, &places);
  ASSERT_TRUE(errors.empty()) << errors[0].cause;
  EXPECT_EQ(file.metadata().serial(), 18446744073709551615u);
  EXPECT_EQ(file.categories().process(), policy::LEVEL_VERBOSE);
  EXPECT_TRUE(file.environments().at("staging").rules().at("r1").capture().exe_hash());
  EXPECT_EQ(file.environments().at("staging").rules().at("r1").severity(), SEVERITY_HIGH);
  EXPECT_EQ(file.lists().at("internal").values(1), "::1/128");
  EXPECT_EQ(file.rules(0).limit().every_ns(), 90000000000u);
  EXPECT_EQ(file.rules(0).tags().at("attack").values(0), "T1003.008");
  EXPECT_EQ(places.at("rules[0].limit.every").line, 13);
  EXPECT_EQ(places.at("lists.internal[1]").column, 28);
}

TEST(Yaml, EveryErrorNamesItsPlaceAndSuggests) {
  EXPECT_EQ(ErrorOf("rules:\n  - id: a\n    wen: x\n"),
            "f.yaml:3:5: rules[0]: unknown key 'wen' (did you mean 'when'?)");
  EXPECT_EQ(ErrorOf("rules: [{id: a, severity: hihg}]"),
            "f.yaml:1:27: rules[0].severity: must be one of none, low, medium, high, critical, not "
            "'hihg' (did you mean 'high'?)");
  EXPECT_EQ(ErrorOf("schema: a\nschema: b\n"),
            "f.yaml:2:1: duplicate key 'schema', first on line 1");
}

struct Refused {
  const char* text;
  const char* error;
};

TEST(Yaml, RefusesWhatIsAmbiguousOrHostile) {
  const Refused kCases[] = {
      {"", "empty"},
      {"# nothing\n", "empty"},
      {"---\n...\n", "empty"},
      {"schema: &a x\n", "anchors"},
      {"schema: *a\n", "aliases"},
      {"<<: {schema: x}\n", "unknown key '<<'"},
      {"schema: !!str x\n", "tags"},
      {"%YAML 1.1\n---\nschema: x\n", "directives"},
      {"schema: x\n---\nschema: y\n", "second document"},
      {"schema:\n", "schema: has no value"},
      {"schema: [x]\n", "must be one value"},
      {"rules: {}\n", "must be a list"},
      {"metadata: []\n", "must be a mapping"},
      {"metadata: {serial: 010}\n", "octal"},
      {"metadata: {serial: 0x10}\n", "decimal"},
      {"metadata: {serial: 1_0}\n", "decimal"},
      {"metadata: {serial: '1'}\n", "integer"},
      {"metadata: {serial: 18446744073709551616}\n", "too large"},
      {"rules: [{limit: {events: 4294967296}}]\n", "out of range"},
      {"rules: [{limit: {events: -1}}]\n", "out of range"},
      {"rules: [{limit: {every: 10}}]\n", "duration"},
      {"rules: [{limit: {every: 99999999999d}}]\n", "too large"},
      {"rules: [{capture: {exe_hash: yes}}]\n", "true or false"},
      {"rules: [{capture: {exe_hash: 'true'}}]\n", "true or false"},
      {"\tschema: x\n", "1:1: "},
      {"{schema: x, {a: b}: c}\n", "key must be a plain word"},
      {"schema: \"a\\0b\"\n", "NUL"},
      {"schema: a\x01\n", "1:10: a control character"},
      {"schema: \xff\n", "1:9: not UTF-8"},
      {"schema: \xc0\x80\n", "not UTF-8"},
      {"schema: \xed\xa0\x80\n", "not UTF-8"},
      {"schema: a\xe2\x80\xae\n", "direction mark"},
      {"schema: [a\n", "f.yaml:2:1"},
  };
  for (const Refused& c : kCases) EXPECT_THAT(ErrorOf(c.text), HasSubstr(c.error)) << c.text;
  EXPECT_THAT(ErrorOf(absl::string_view("schema: a\0b", 11)), HasSubstr("control character"));
}

TEST(Yaml, BoundsSizeDepthAndNumber) {
  EXPECT_THAT(ErrorOf(std::string((4 << 20) + 1, ' ')), HasSubstr("longer than"));
  EXPECT_THAT(ErrorOf(std::string(100000, '[')), HasSubstr("nested deeper"));
  std::string wide = "lists: {a: [";
  for (int i = 0; i < 1100000; ++i) wide += "a,";
  EXPECT_THAT(ErrorOf(wide + "a]}"), HasSubstr("more than 1048576 values"));
  std::string wrong;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&wrong, "k", i, ": 1\n");
  EXPECT_THAT(ErrorOf(wrong), HasSubstr("too many errors"));
}

TEST(Yaml, EveryPrefixOfAFileIsReadOrRefused) {
  const std::string text =
      "schema: x\nlists: {a: [\"1\", 'b'], c: [>-\n  d]}\nrules:\n  - {id: \xc3\xa9, when: |\n";
  for (size_t n = 0; n <= text.size(); ++n) {
    policy::PolicyFile file;
    ParseYamlFile(text.substr(0, n), "f", &file).IgnoreError();
  }
}

TEST(Yaml, ConfigUsesUnits) {
  config::AgentConfig config;
  ASSERT_TRUE(
      ParseYamlFile("log: {segment_bytes: 64MiB, segment_age: 10m, commit_age: 50ms}", "a", &config)
          .ok());
  EXPECT_EQ(config.log().segment_bytes(), 64u << 20);
  EXPECT_EQ(config.log().segment_age_s(), 600u);
  EXPECT_EQ(config.log().commit_age_ms(), 50u);
  EXPECT_THAT(std::string(ParseYamlFile("log: {segment_age: 10ms}", "a", &config).message()),
              HasSubstr("multiple of 1s"));
}

TEST(Yaml, FindsPlacesInsideScalarsOfEveryStyle) {
  struct Style {
    const char* text;
  };
  for (const char* text :
       {"rules:\n  - when: a == X\n", "rules:\n  - when: >-\n      a\n      == X\n",
        "rules:\n  - when: |\n      a ==\n       X\n", "rules:\n  - when: 'it''s X'\n",
        "rules:\n  - when: \"a X\"\n", "rules:\n  - when: a ==\n      X\n"}) {
    policy::PolicyFile file;
    YamlPlaces places;
    std::vector<YamlError> errors;
    ParseYaml(text, YamlLimits(), &file, &errors, &places);
    ASSERT_TRUE(errors.empty()) << text;
    const std::string& when = file.rules(0).when();
    const YamlPlace place = PlaceInScalar(text, places.at("rules[0].when"), when, when.find('X'));
    const absl::string_view all = text;
    const size_t x = all.find('X');
    const auto before = all.substr(0, x);
    EXPECT_EQ(place.line, 1 + std::count(before.begin(), before.end(), '\n')) << text;
    EXPECT_EQ(place.column, static_cast<int>(x - before.rfind('\n'))) << text;
  }
}

}  // namespace
}  // namespace cairn
