#include "agent/policy_writer.h"

#include <gtest/gtest.h>

namespace cairn::agent {
namespace {

class PolicyWriterTest : public testing::Test {
 protected:
  void See(EventType type, const std::string& path, const std::string& target = "", int64_t ret = 0,
           uint32_t access = 0) {
    Record record;
    record.set_type(type);
    record.mutable_file()->set_path(path);
    record.mutable_file()->set_access(access);
    if (!target.empty()) record.mutable_target()->set_path(target);
    record.set_ret(ret);
    ledger::Subject subject;
    subject.process.set_pid(42);
    subject.process.set_exe("/usr/bin/vim");
    subject.process.add_ancestors()->set_pid(41);
    writer_.See({1, &record, &subject});
  }
  size_t Seen() { return writer_.Take().size(); }

  PolicyWriter writer_{"/etc/cairn/policy.d"};
};

TEST_F(PolicyWriterTest, NamesTheWriterThenItsAncestors) {
  See(FILE_WRITE, "/etc/cairn/policy.d/20-web.yaml");
  const auto writer = writer_.Take();
  ASSERT_EQ(writer.size(), 2u);
  EXPECT_EQ(writer[0].pid(), 42u);
  EXPECT_EQ(writer[0].exe(), "/usr/bin/vim");
  EXPECT_EQ(writer[1].pid(), 41u);
  EXPECT_EQ(Seen(), 0u) << "told once";
}

TEST_F(PolicyWriterTest, OnlyChangesInTheDirectoryCount) {
  See(FILE_WRITE, "/etc/cairn/policy.d2/x");
  See(FILE_OPEN, "/etc/cairn/policy.d/x", "", 3, 1);
  See(FILE_WRITE, "/etc/cairn/policy.d/x", "", -13);
  EXPECT_EQ(Seen(), 0u);
  See(FILE_OPEN, "/etc/cairn/policy.d/x", "", 3, 2);
  EXPECT_EQ(Seen(), 2u);
  See(FILE_RENAME, "/tmp/x", "/etc/cairn/policy.d/x");
  EXPECT_EQ(Seen(), 2u);
}

}  // namespace
}  // namespace cairn::agent
