// The audit source on this machine's kernel.
#include "agent/capture/audit_source.h"

#include <fcntl.h>
#include <libaudit.h>
#undef AUDIT_CONFIG_CHANGE  // the event of that name is meant below
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/capture/audit_source_fixture.h"

namespace cairn::capture {
namespace {

using ::testing::HasSubstr;

// Adds or deletes "-a always,exclude -F msgtype=BPF": programs that others load and unload
// meanwhile take no serials. Negative: an errno.
int ExcludeBpf(bool add) {
  constexpr int kAuditBpf = 1334;  // AUDIT_BPF
  audit_rule_data* rule = audit_rule_create_data();
  audit_rule_init_data(rule);
  const int fd = audit_open();
  std::string type = absl::StrCat("msgtype=", kAuditBpf);
  audit_rule_fieldpair_data(&rule, type.data(), AUDIT_FILTER_EXCLUDE);
  const int result = add ? audit_add_rule_data(fd, rule, AUDIT_FILTER_EXCLUDE, AUDIT_ALWAYS)
                         : audit_delete_rule_data(fd, rule, AUDIT_FILTER_EXCLUDE, AUDIT_ALWAYS);
  close(fd);
  audit_rule_free_data(rule);
  return result;
}

bool IsLogin(const Seen& seen) { return seen.record.type() == AUTH_LOGIN; }

TEST_P(BothModes, UserMessageBecomesARecordAndSettingsComeBack) {
  Open(GetParam());
  const bool unicast = GetParam() == AuditMode::kUnicast;
  EXPECT_EQ(source_->mode(), unicast ? "unicast" : "multicast");
  const auto state = audit_.control()->Read();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->enabled, 1u);
  EXPECT_EQ(state->pid, unicast ? static_cast<uint32_t>(getpid()) : 0u);
  if (unicast) {
    EXPECT_EQ(state->backlog_wait_time, 0u);
    EXPECT_GE(state->backlog_limit, 8192u);
  }
  timespec before;
  clock_gettime(CLOCK_BOOTTIME, &before);
  Say(AUDIT_USER_LOGIN, "op=login acct=\"ada\"");
  const Seen* login = Await(IsLogin);
  ASSERT_NE(login, nullptr);
  EXPECT_EQ(login->record.audit().account(), "ada");
  EXPECT_EQ(login->record.audit().terminal(), "pts/7");
  EXPECT_EQ(login->process.pid(), static_cast<uint32_t>(getpid()));
  EXPECT_EQ(login->process.uid(), 0u);
  EXPECT_EQ(login->record.outcome(), OUTCOME_SUCCESS);
  const double seconds = static_cast<double>(login->time_ns) / 1e9 -
                         (static_cast<double>(before.tv_sec) + before.tv_nsec / 1e9);
  EXPECT_LT(std::abs(seconds), 0.1);  // boot-time clock
  ExpectRestored();
}

TEST_P(BothModes, ForgedMessageStaysOneRecord) {
  Open(GetParam());
  Say(AUDIT_USER_LOGIN,
      "acct=\"x\"\ntype=USER_LOGIN msg=audit(1.000:1): pid=1 uid=0 acct=\"root\"");
  const Seen* login = Await(IsLogin);
  ASSERT_NE(login, nullptr);
  EXPECT_EQ(login->record.audit().account(), "x");
  EXPECT_EQ(login->process.pid(), static_cast<uint32_t>(getpid()));
  EXPECT_EQ(login->record.audit().text().find('\n'), std::string::npos);
  ExpectRestored();
}

INSTANTIATE_TEST_SUITE_P(Modes, BothModes,
                         ::testing::Values(AuditMode::kUnicast, AuditMode::kMulticast), ModeName);

// A child that opens and writes, with an audit context of its own.
TEST_F(AuditSourceTest, SyscallOfAChildHasPathsAndActor) {
  Open(AuditMode::kUnicast);
  const std::string path = absl::StrCat("/tmp/cairn-audit-child-", getpid());
  ASSERT_GT(ChangeRule("unlinkat", true), 0);
  ASSERT_EQ(system(absl::StrCat("touch ", path, " && rm ", path).c_str()), 0);
  ASSERT_GT(ChangeRule("unlinkat", false), 0);
  const Seen* removed = Await([&path](const Seen& s) {
    return s.record.type() == FILE_DELETE && s.record.file().path() == path;
  });
  ASSERT_NE(removed, nullptr);
  EXPECT_EQ(removed->record.ret(), 0);
  EXPECT_EQ(removed->process.comm(), "rm");
  EXPECT_EQ(removed->record.audit().key(), "cairn-test");
  EXPECT_FALSE(removed->record.audit().incomplete());
  EXPECT_GT(removed->record.file().inode(), 0u);
  ExpectRestored();
}

TEST_F(AuditSourceTest, SecondOwnerIsRefusedAndRecorded) {
  Open(AuditMode::kUnicast);
  const int refused = InChild([] {
    auto second = AuditSource::Open({.mode = AuditMode::kUnicast});
    if (second.ok() || second.status().code() != absl::StatusCode::kAlreadyExists) return 1;
    auto beside = AuditSource::Open({.mode = AuditMode::kAuto});
    return beside.ok() && (*beside)->mode() == "multicast" ? 0 : 2;
  });
  EXPECT_EQ(refused, 0);
  const Seen* attempt = Await([](const Seen& s) { return s.record.audit().op() == "takeover"; });
  ASSERT_NE(attempt, nullptr);
  EXPECT_EQ(attempt->record.type(), AUDIT_DAEMON);
  const auto state = audit_.control()->Read();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(state->enabled, 1u);
  ExpectRestored();
}

// It could not start while we own its socket.
TEST_F(AuditSourceTest, AnAuditdThatIsInstalledMeanwhileGetsItsSocket) {
  const std::string auditd = absl::StrCat(testing::TempDir(), "/cairn-auditd-", getpid());
  auto source = AuditSource::Open({.mode = AuditMode::kAuto, .auditd = auditd});
  ASSERT_TRUE(source.ok()) << source.status();
  source_ = *std::move(source);
  ASSERT_EQ(source_->mode(), "unicast") << source_->reason();
  Say(AUDIT_USER_LOGIN, "op=login acct=\"ada\"");
  ASSERT_NE(Await(IsLogin), nullptr);
  const int fd = open(auditd.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
  ASSERT_GE(fd, 0);
  close(fd);
  const Seen* gave = Await([](const Seen& s) { return s.record.audit().op() == "multicast"; });
  unlink(auditd.c_str());
  ASSERT_NE(gave, nullptr);
  EXPECT_EQ(gave->record.outcome(), OUTCOME_SUCCESS);
  EXPECT_EQ(source_->mode(), "multicast");
  EXPECT_EQ(source_->reason(), "auditd is installed");
  const int started = InChild([] {
    auto other = AuditSource::Open({.mode = AuditMode::kUnicast});
    return other.ok() ? 0 : 1;
  });
  EXPECT_EQ(started, 0) << "another daemon can own the socket";
  Say(AUDIT_USER_LOGIN, "op=login acct=\"bob\"");
  EXPECT_NE(Await([](const Seen& s) { return s.record.audit().account() == "bob"; }), nullptr);
  ExpectRestored();
}

TEST_F(AuditSourceTest, CanaryComesBack) {
  Open(AuditMode::kMulticast);
  ASSERT_TRUE(source_->SendCanary().ok());
  EXPECT_FALSE(source_->canary_seen());
  Await([](const Seen&) { return false; }, absl::Milliseconds(300));
  EXPECT_TRUE(source_->canary_seen());
  EXPECT_TRUE(seen_.empty() || !IsLogin(seen_.back()));
}

// Every message is received or declared lost: nothing else is known of a full socket.
TEST_F(AuditSourceTest, FullSocketIsCountedAndTheGapDeclared) {
  constexpr int kMessages = 3000;
  Open(AuditMode::kMulticast, 4096);
  ASSERT_GT(ExcludeBpf(true), 0);
  Await([](const Seen& s) { return s.record.type() == AUDIT_RULE_CHANGE; });
  const int fd = audit_open();
  for (int i = 0; i < kMessages; ++i) {
    audit_log_user_message(fd, AUDIT_USER_LOGIN, "op=flood", nullptr, nullptr, nullptr, 1);
  }
  close(fd);
  absl::SleepFor(absl::Seconds(1));  // kauditd works through its queue
  Pump();
  EXPECT_GT(source_->counters().overruns, 0u);
  Say(AUDIT_USER_LOGIN, "op=after");
  const Seen* lost =
      Await([](const Seen& s) { return s.record.audit().op() == "serials"; }, absl::Seconds(15));
  ASSERT_NE(lost, nullptr);
  EXPECT_EQ(lost->record.type(), AUDIT_LOST);
  EXPECT_TRUE(lost->record.audit().at_least());
  uint64_t received = 0, missing = 0;
  for (const Seen& seen : seen_) {
    received += seen.record.type() == AUTH_LOGIN;
    if (seen.record.type() == AUDIT_LOST && seen.record.audit().op() != "socket") {
      missing += seen.record.audit().lost();
    }
  }
  EXPECT_EQ(received + missing, kMessages + 1u);
  EXPECT_GT(ExcludeBpf(false), 0);
  ExpectRestored();
}

// The owner does not run: nobody waits for it, and when it runs again it owns again.
TEST_F(AuditSourceTest, StoppedOwnerNeverHoldsUpTheHost) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    auto source = AuditSource::Open({.mode = AuditMode::kUnicast, .socket_bytes = 4096});
    if (!source.ok() || write(ready[1], "x", 1) != 1) _exit(1);
    bool again = false;
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (absl::Now() < deadline && !again) {
      const auto sink = [&again](const AuditCaptured& c) {
        again |= c.record->audit().op() == "done";
      };
      (*source)->Drain(sink);
      (*source)->Tick(sink);
      absl::SleepFor(absl::Milliseconds(5));
    }
    _exit(again && (*source)->mode() == "unicast" ? 0 : 2);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  kill(owner, SIGSTOP);
  const int fd = audit_open();
  absl::Duration longest;
  for (int i = 0; i < 12000; ++i) {
    const absl::Time start = absl::Now();
    audit_log_user_message(fd, AUDIT_USER_LOGIN, "op=flood", nullptr, nullptr, nullptr, 1);
    longest = std::max(longest, absl::Now() - start);
  }
  EXPECT_LT(longest, absl::Seconds(5));  // the kernel's default would hold a sender for 60 s
  kill(owner, SIGCONT);
  int status = 0;
  for (int i = 0; i < 250 && waitpid(owner, &status, WNOHANG) == 0; ++i) {
    audit_log_user_message(fd, AUDIT_USER_LOGIN, "op=done", nullptr, nullptr, nullptr, 1);
    absl::SleepFor(absl::Milliseconds(100));
  }
  close(fd);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  close(ready[0]);
  close(ready[1]);
}

}  // namespace
}  // namespace cairn::capture
