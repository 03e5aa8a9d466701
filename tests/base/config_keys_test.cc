// Every key of a configuration is explained in the file that is shipped, and the file is right.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/config_files.h"
#include "base/io.h"
#include "google/protobuf/descriptor.h"
#include "proto/config.pb.h"
#include "re2/re2.h"
#include "tests/paths.h"

namespace cairn {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// As base/yaml.h says: a number's unit is in its value, not in its key.
std::string KeyOf(const FieldDescriptor& field) {
  absl::string_view name = field.name();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) return std::string(name);
  for (const absl::string_view unit : {"_ns", "_ms", "_s"}) {
    if (absl::ConsumeSuffix(&name, unit)) break;
  }
  return std::string(name);
}

void ExpectKeys(const Descriptor& type, const std::string& text, const std::string& place) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string key = KeyOf(field);
    EXPECT_TRUE(
        RE2::PartialMatch(text, absl::StrCat(R"((?m)^[ #-]*)", key, R"(:|[{,] *)", key, R"(:)")))
        << place << key << " is not explained";
    if (field.message_type() != nullptr && !field.is_map()) {
      ExpectKeys(*field.message_type(), text, absl::StrCat(place, key, "."));
    }
  }
}

template <typename Config>
void Check(const std::string& name) {
  Config config;
  const absl::Status read = ReadConfigFiles(SourcePath("config/" + name), &config);
  EXPECT_TRUE(read.ok()) << read;
  const auto text = ReadFile(SourcePath("config/" + name), 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  ExpectKeys(*Config::descriptor(), *text, name + ": ");
}

TEST(ConfigKeysTest, AgentYamlExplainsEveryKey) { Check<config::AgentConfig>("agent.yaml"); }
TEST(ConfigKeysTest, ShipperYamlExplainsEveryKey) { Check<config::ShipperConfig>("shipper.yaml"); }
TEST(ConfigKeysTest, CollectorYamlExplainsEveryKey) {
  Check<config::CollectorConfig>("collector.yaml");
}

}  // namespace
}  // namespace cairn
