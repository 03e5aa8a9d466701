#include "tests/capture/audit_source_fixture.h"

#include <libaudit.h>
#undef AUDIT_CONFIG_CHANGE  // the event of that name is meant by those who include this
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/time/clock.h"

// libaudit refuses a key before it knows of a system call, and leaves telling it to its callers.
extern "C" int _audit_syscalladded;

namespace cairn::capture {

void AuditSourceTest::SetUp() {
  if (!audit_.ok()) GTEST_SKIP() << "SKIPPED: kernel audit test: " << audit_.reason();
}

void AuditSourceTest::Open(AuditMode mode, int socket_bytes) {
  auto source = AuditSource::Open({.mode = mode, .socket_bytes = socket_bytes});
  ASSERT_TRUE(source.ok()) << source.status();
  source_ = *std::move(source);
}

void AuditSourceTest::Pump() {
  const auto sink = [this](const AuditCaptured& captured) {
    seen_.push_back({*captured.record, captured.actor->process, captured.time_ns});
  };
  source_->Drain(sink);
  source_->Tick(sink);
}

const Seen* AuditSourceTest::Await(const std::function<bool(const Seen&)>& fits,
                                   absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  size_t looked = 0;
  while (absl::Now() < deadline) {
    Pump();
    for (; looked < seen_.size(); ++looked) {
      if (fits(seen_[looked])) return &seen_[looked];
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
  return nullptr;
}

void AuditSourceTest::Say(int type, const char* message, int result) {
  const int fd = audit_open();
  ASSERT_GE(fd, 0);
  EXPECT_GT(audit_log_user_message(fd, type, message, nullptr, nullptr, "pts/7", result), 0);
  close(fd);
}

void AuditSourceTest::ExpectRestored() {
  source_.reset();
  const auto now = audit_.control()->Read();
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_EQ(now->enabled, audit_.before().enabled);
  EXPECT_EQ(now->pid, audit_.before().pid);
  EXPECT_EQ(now->backlog_limit, audit_.before().backlog_limit);
  EXPECT_EQ(now->backlog_wait_time, audit_.before().backlog_wait_time);
}

std::string ModeName(const ::testing::TestParamInfo<AuditMode>& mode) {
  return mode.param == AuditMode::kUnicast ? "Unicast" : "Multicast";
}

int ChangeRule(const char* call, bool add) {
  audit_rule_data* rule = audit_rule_create_data();
  audit_rule_init_data(rule);
  const int fd = audit_open();
  _audit_syscalladded = 0;
  char arch[] = "arch=b64", key[] = "key=cairn-test";  // libaudit writes into them
  audit_rule_fieldpair_data(&rule, arch, AUDIT_FILTER_EXIT);
  audit_rule_syscallbyname_data(rule, call);
  _audit_syscalladded = 1;
  audit_rule_fieldpair_data(&rule, key, AUDIT_FILTER_EXIT);
  const int result = add ? audit_add_rule_data(fd, rule, AUDIT_FILTER_EXIT, AUDIT_ALWAYS)
                         : audit_delete_rule_data(fd, rule, AUDIT_FILTER_EXIT, AUDIT_ALWAYS);
  close(fd);
  audit_rule_free_data(rule);
  return result;
}

int InChild(const std::function<int()>& act, pid_t* pid) {
  const pid_t child = fork();
  if (child == 0) _exit(act());
  if (pid != nullptr) *pid = child;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace cairn::capture
