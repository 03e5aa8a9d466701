// What somebody else does to audit's rules and settings is a record, with who: the login user, and
// the process as far as the kernel tells.
#include <fcntl.h>
#include <libaudit.h>
#undef AUDIT_CONFIG_CHANGE  // the event of that name is meant below
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/capture/audit_source_fixture.h"

namespace cairn::capture {
namespace {

constexpr uint32_t kAda = 4242;  // a login user

// What auditctl asks of the kernel, by libaudit as auditctl does.
int DeleteAllRules() {  // -D
  auto control = AuditControl::Open();
  const auto rules = control.ok() ? control->ReadRules() : control.status();
  if (!rules.ok()) return 1;
  const int fd = audit_open();
  int failed = 0;
  for (const std::string& bytes : *rules) {
    std::vector<uint64_t> aligned(bytes.size() / sizeof(uint64_t) + 1);
    memcpy(aligned.data(), bytes.data(), bytes.size());
    auto* rule = reinterpret_cast<audit_rule_data*>(aligned.data());
    failed |= audit_delete_rule_data(fd, rule, static_cast<int>(rule->flags),
                                     static_cast<int>(rule->action)) <= 0;
  }
  return failed;
}

int With(const std::function<absl::Status(AuditControl*)>& act) {
  auto control = AuditControl::Open();
  return control.ok() && act(&*control).ok() ? 0 : 1;
}

struct Change {
  const char* command;  // of auditctl
  std::function<int()> act;
  EventType type;
  std::string op;                               // of a rule change
  std::pair<std::string, std::string> field{};  // of a setting: its name and new value
};

std::vector<Change> Changes() {
  return {
      {"-a", [] { return ChangeRule("sethostname", true) > 0 ? 0 : 1; }, AUDIT_RULE_CHANGE,
       "add_rule"},
      {"-d", [] { return ChangeRule("sethostname", false) > 0 ? 0 : 1; }, AUDIT_RULE_CHANGE,
       "remove_rule"},
      {"-b",
       [] { return With([](AuditControl* c) { return c->SetBacklogLimit(8765); }); },
       AUDIT_CONFIG_CHANGE,
       "set",
       {"audit_backlog_limit", "8765"}},
      {"--backlog_wait_time",
       [] { return With([](AuditControl* c) { return c->SetBacklogWaitTime(4321); }); },
       AUDIT_CONFIG_CHANGE,
       "set",
       {"audit_backlog_wait_time", "4321"}},
      {"-e",
       [] { return With([](AuditControl* c) { return c->SetEnabled(0); }); },
       AUDIT_CONFIG_CHANGE,
       "set",
       {"audit_enabled", "0"}},
  };
}

class AuditChangeTest : public BothModes {
 protected:
  // Does `act` as a process of the login user Ada; its id.
  uint32_t AsAda(const std::function<int()>& act) {
    pid_t pid = 0;
    EXPECT_EQ(InChild(
                  [&act] {
                    const int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
                    const std::string uid = absl::StrCat(kAda);
                    const bool set = write(fd, uid.data(), uid.size()) > 0;
                    close(fd);
                    return set ? act() : 9;
                  },
                  &pid),
              0);
    return static_cast<uint32_t>(pid);
  }

  static void ExpectWho(const Seen& seen, uint32_t pid) {
    char exe[4096] = "";
    ASSERT_GT(readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0);
    const std::string& text = seen.record.audit().text();
    EXPECT_EQ(seen.process.pid(), pid) << text;
    EXPECT_EQ(seen.process.auid(), kAda) << text;
    EXPECT_EQ(seen.process.uid(), 0u) << text;
    EXPECT_EQ(seen.process.exe(), exe) << text;
    EXPECT_NE(seen.process.comm(), "") << text;
  }

  static bool Fits(const Seen& seen, const Change& change) {
    if (seen.record.type() != change.type || seen.record.audit().op() != change.op) return false;
    if (change.field.first.empty()) return true;
    const auto found = seen.record.audit().fields().find(change.field.first);
    return found != seen.record.audit().fields().end() && found->second == change.field.second;
  }
};

// The child was started with audit on, so it has an audit context and the event says who.
TEST_P(AuditChangeTest, EachIsRecordedWithWho) {
  Open(GetParam());
  for (const Change& change : Changes()) {
    SCOPED_TRACE(change.command);
    const uint32_t pid = AsAda(change.act);
    const Seen* seen = Await([&change](const Seen& s) { return Fits(s, change); });
    ASSERT_NE(seen, nullptr);
    EXPECT_NE(seen->record.audit().op(), "drift");
    ExpectWho(*seen, pid);
    if (change.type == AUDIT_RULE_CHANGE) {
      EXPECT_EQ(seen->record.audit().key(), "cairn-test");
    }
    if (change.type == AUDIT_CONFIG_CHANGE) {
      EXPECT_NE(seen->record.audit().fields().at("old"), change.field.second);
    }
  }
  (void)audit_.control()->SetBacklogLimit(audit_.before().backlog_limit);
  (void)audit_.control()->SetBacklogWaitTime(audit_.before().backlog_wait_time);
  ExpectRestored();
}

TEST_P(AuditChangeTest, EveryRuleThatIsDeletedIsRecordedWithWho) {
  Open(GetParam());
  ASSERT_GT(ChangeRule("sethostname", true), 0);
  ASSERT_GT(ChangeRule("setdomainname", true), 0);
  const Change deleted = {"-D", DeleteAllRules, AUDIT_RULE_CHANGE, "remove_rule"};
  const uint32_t pid = AsAda(deleted.act);
  int count = 0;
  Await([&](const Seen& seen) {
    if (!Fits(seen, deleted)) return false;
    ExpectWho(seen, pid);
    return ++count == 2;
  });
  EXPECT_EQ(count, 2);
  ExpectRestored();
}

// With audit off the kernel says nothing of what is changed: the differences show, and nobody
// knows who.
TEST_P(AuditChangeTest, WhatTheKernelKeepsQuietIsDrift) {
  Open(GetParam());
  ASSERT_TRUE(audit_.control()->SetEnabled(0).ok());
  Await([](const Seen&) { return false; }, absl::Seconds(1));
  AsAda([] { return ChangeRule("sethostname", true) > 0 ? 0 : 1; });
  const auto drift = [](EventType type) {
    return [type](const Seen& s) {
      return s.record.type() == type && s.record.audit().op() == "drift";
    };
  };
  const Seen* rules = Await(drift(AUDIT_RULE_CHANGE));
  ASSERT_NE(rules, nullptr);
  EXPECT_EQ(rules->record.audit().fields().at("rules_added"), "1");
  EXPECT_EQ(rules->record.audit().fields().at("who"), "unknown");
  EXPECT_EQ(rules->process.pid(), 0u);
  AsAda([] { return With([](AuditControl* c) { return c->SetBacklogLimit(8765); }); });
  const Seen* setting = Await(drift(AUDIT_CONFIG_CHANGE));
  ASSERT_NE(setting, nullptr);
  EXPECT_EQ(setting->record.audit().fields().at("setting"), "backlog_limit");
  EXPECT_EQ(setting->record.audit().fields().at("new"), "8765");
  EXPECT_EQ(setting->record.audit().fields().at("who"), "unknown");
  ASSERT_GT(ChangeRule("sethostname", false), 0);
}

INSTANTIATE_TEST_SUITE_P(Modes, AuditChangeTest,
                         ::testing::Values(AuditMode::kUnicast, AuditMode::kMulticast), ModeName);

}  // namespace
}  // namespace cairn::capture
