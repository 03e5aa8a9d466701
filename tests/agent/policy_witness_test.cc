#include "agent/policy_witness.h"

#include <gtest/gtest.h>

namespace cairn::agent {
namespace {

class PolicyWitnessTest : public testing::Test {
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
    witness_.See({1, &record, &subject});
  }
  size_t Seen() { return witness_.TakeWriter().size(); }

  PolicyWitness witness_{"/etc/cairn/policy.d"};
};

TEST_F(PolicyWitnessTest, NamesTheWriterThenItsAncestors) {
  See(FILE_WRITE, "/etc/cairn/policy.d/20-web.yaml");
  const auto writer = witness_.TakeWriter();
  ASSERT_EQ(writer.size(), 2u);
  EXPECT_EQ(writer[0].pid(), 42u);
  EXPECT_EQ(writer[0].exe(), "/usr/bin/vim");
  EXPECT_EQ(writer[1].pid(), 41u);
  EXPECT_EQ(Seen(), 0u) << "told once";
}

TEST_F(PolicyWitnessTest, OnlyChangesInTheDirectoryCount) {
  See(FILE_WRITE, "/etc/cairn/policy.d2/x");
  See(FILE_OPEN, "/etc/cairn/policy.d/x", "", 3, 1);
  See(FILE_WRITE, "/etc/cairn/policy.d/x", "", -13);
  EXPECT_EQ(Seen(), 0u);
  See(FILE_OPEN, "/etc/cairn/policy.d/x", "", 3, 2);
  EXPECT_EQ(Seen(), 2u);
  See(FILE_RENAME, "/tmp/x", "/etc/cairn/policy.d/x");
  EXPECT_EQ(Seen(), 2u);
}

TEST_F(PolicyWitnessTest, WhoAskedTheServiceManagerIsRememberedForAWhile) {
  const auto run = [&](const std::string& exe, std::vector<std::string> argv) {
    Record record;
    record.set_type(PROCESS_EXEC);
    ledger::Subject subject;
    subject.process.set_pid(7);
    subject.process.set_auid(1000);
    subject.process.set_exe(exe);
    for (const std::string& word : argv) subject.process.add_argv(word);
    witness_.See({100, &record, &subject});
  };
  run("/usr/bin/systemctl", {"systemctl", "status", "cairnd"});
  run("/usr/bin/vi", {"vi", "reload"});
  EXPECT_FALSE(witness_.LikelyClient(200).has_value());
  run("/usr/bin/systemctl", {"systemctl", "reload", "cairnd"});
  ASSERT_TRUE(witness_.LikelyClient(200).has_value());
  EXPECT_EQ(witness_.LikelyClient(200)->auid(), 1000u);
  EXPECT_FALSE(witness_.LikelyClient(200 + PolicyWitness::kClientNs).has_value());
}

}  // namespace
}  // namespace cairn::agent
