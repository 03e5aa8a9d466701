#include "policy/event_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "policy/schema.h"

namespace cairn::policy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Json(const Record& record, const Process* process) {
  ledger::LoggedRecord logged;
  logged.sequence = 7;
  logged.wall_ns = 1767323045000000006;
  logged.record = &record;
  logged.process = process;
  logged.rules = {"shadow-read"};
  logged.boot_id = "b";
  logged.origin = "d/h/u/0";
  std::string out;
  AppendEventJson(logged, &out);
  return out;
}

TEST(EventJson, NestsByTheDotsAndEscapes) {
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(-13);
  record.mutable_file()->set_path("/tmp/\"\n\xff");
  record.mutable_file()->set_access(3);
  Process process;
  process.set_pid(42);
  process.set_container_id("c1");
  process.add_argv("cat");
  process.add_argv("a\\b");
  EXPECT_EQ(Json(record, &process),
            R"({"sequence":7,"block":0,"epoch":0,"time":"2026-01-02T03:04:05.000000006Z",)"
            R"("time_ns":0,"boot_id":"b","origin":"d/h/u/0","policy_generation":0,)"
            R"("rules":["shadow-read"],"errno":13,"error":"EACCES",)"
            R"("file":{"access":["read","write"],"path":"/tmp/\"\\x0a\\xff"},)"
            R"("process":{"argv":["cat","a\\\\b"],"auid":0,"container":{"id":"c1"},"egid":0,)"
            R"("euid":0,"gid":0,"pid":42,"uid":0},"result":"failure","ret":-13,"tid":42,)"
            R"("type":"file.open"})");
}

TEST(EventJson, AddressesAreText) {
  Record record;
  record.set_type(NET_CONNECT);
  record.mutable_net()->set_family(2);
  record.mutable_net()->set_dst_ip(std::string("\x0a\0\0\x01", 4));
  record.mutable_net()->set_dst_port(443);
  EXPECT_THAT(
      Json(record, nullptr),
      HasSubstr(R"("net":{"dst_ip":"10.0.0.1","dst_port":443,"family":"inet","family_number":2})"));
  EXPECT_THAT(Json(record, nullptr), Not(HasSubstr("process")));
}

TEST(EventJson, AgentRecordsShowTheirMessages) {
  Record record;
  record.set_type(AGENT_POLICY_LOADED);
  record.mutable_policy()->set_new_digest("\x01\xab");
  record.mutable_policy()->add_added("r1");
  record.mutable_policy()->add_writer()->set_exe("/bin/vi");
  const std::string json = Json(record, nullptr);
  EXPECT_THAT(json, HasSubstr(R"("policy":{"added":["r1"],"new_digest":"01ab",)"));
  EXPECT_THAT(json, HasSubstr(R"("exe":"/bin/vi")"));
}

TEST(Schema, NoNameIsAlsoAPrefixAndNoneStandsTwice) {
  absl::string_view last;
  for (const Field& field : Fields()) {
    EXPECT_FALSE(IsFieldPrefix(field.name)) << field.name;
    EXPECT_NE(field.name, last);
    last = field.name;
  }
  EXPECT_NE(FindField("process.container.id"), nullptr);
  EXPECT_EQ(FindField("process.container"), nullptr);
}

// Every getter is safe on empty messages, and every stored field is in its message.
TEST(Schema, EveryRowReadsAnEmptyRecordAndNamesARealField) {
  const auto scratch = std::make_unique<Scratch>();
  Record record;
  Process process;
  for (const Field& field : Fields()) {
    for (const Process* who :
         {static_cast<const Process*>(nullptr), static_cast<const Process*>(&process)}) {
      scratch->Reset();
      const Event event{0, &record, who, 0};
      const Value value = field.get(event, field, scratch.get());
      EXPECT_FALSE(value.is_error()) << field.name;
      EXPECT_FALSE(Has(event, field, scratch.get()) && who == nullptr &&
                   field.name.substr(0, 8) == "process.")
          << field.name;
    }
    if (field.path == nullptr) continue;
    const auto* type = field.of_process() ? Process::descriptor() : Record::descriptor();
    std::string path = field.path;
    if (const size_t dot = path.find('.'); dot != std::string::npos) {
      const auto* outer = type->FindFieldByName(path.substr(0, dot));
      ASSERT_NE(outer, nullptr) << field.name;
      type = outer->message_type();
      path = path.substr(dot + 1);
    }
    EXPECT_NE(type->FindFieldByName(path), nullptr) << field.name;
  }
}

TEST(Schema, FaultsNameWhatDoesNotFit) {
  Record record;
  EXPECT_STREQ(SchemaFault(record), "an event type without a name");
  record.set_type(NET_CONNECT);
  EXPECT_EQ(SchemaFault(record), nullptr);
  record.mutable_net()->set_dst_ip("abc");
  EXPECT_STREQ(SchemaFault(record), "an IP address that is neither 4 nor 16 bytes");
  record.mutable_net()->clear_dst_ip();
  record.mutable_kernel();
  EXPECT_STREQ(SchemaFault(record), "an event that has no kernel object");
}

}  // namespace
}  // namespace cairn::policy
