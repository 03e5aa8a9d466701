#include "agent/capture/audit_decode.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/capture/audit_events.h"

namespace cairn::capture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kIds[] =
    " ppid=10 pid=11 auid=1000 uid=1 gid=2 euid=3 suid=4 fsuid=5 egid=6 sgid=7 fsgid=8 "
    "tty=pts1 ses=9 comm=\"probe\" exe=\"/usr/bin/probe\" subj=unconfined key=\"watch\"";

// A SYSCALL record of x86-64.
std::string Call(int number, absl::string_view result, absl::string_view args) {
  return absl::StrCat("type=SYSCALL msg=audit(1700000000.123:7): arch=c000003e syscall=", number,
                      " ", result, " ", args, " items=1", kIds, "\n");
}

TEST(AuditDecode, OpenKeepsNameFlagsAndObject) {
  const DecodedEvent event = DecodeOne(absl::StrCat(
      Call(257, "success=yes exit=3", "a0=ffffff9c a1=7f a2=80042 a3=1b6"),
      "type=CWD msg=audit(1700000000.123:7): cwd=\"/srv/data\"\n"
      "type=PATH msg=audit(1700000000.123:7): item=0 name=\"report.txt\" inode=42 dev=fd:01 "
      "mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL\n"
      "type=PROCTITLE msg=audit(1700000000.123:7): proctitle=\"probe\"\n"
      "type=EOE msg=audit(1700000000.123:7): \n"));
  EXPECT_EQ(event.record.type(), FILE_OPEN);
  EXPECT_EQ(event.record.source(), SOURCE_AUDIT);
  EXPECT_EQ(event.record.ret(), 3);
  const File& file = event.record.file();
  EXPECT_EQ(file.path(), "report.txt");
  EXPECT_EQ(file.base(), "/srv/data");
  EXPECT_EQ(file.source(), PATH_ARGUMENT);
  EXPECT_EQ(file.inode(), 42u);
  EXPECT_EQ(file.device(), makedev(0xfd, 1));
  EXPECT_EQ(file.mode(), 0100644u);
  EXPECT_EQ(file.fd(), 3);
  EXPECT_EQ(file.access(), 3u | 16u);
  EXPECT_EQ(file.flags(), static_cast<uint32_t>(O_RDWR | O_CREAT | O_CLOEXEC));
  EXPECT_FALSE(event.record.audit().incomplete());
  EXPECT_EQ(event.record.audit().serial(), 7u);
  EXPECT_EQ(event.record.audit().key(), "watch");
  EXPECT_THAT(event.record.audit().types(), ElementsAre("SYSCALL", "CWD", "PATH", "PROCTITLE"));
  const Process& process = event.actor.process;
  EXPECT_TRUE(event.actor.has_identity);
  EXPECT_EQ(process.pid(), 11u);
  EXPECT_EQ(process.ppid(), 10u);
  EXPECT_EQ(process.auid(), 1000u);
  EXPECT_EQ(process.exe(), "/usr/bin/probe");
  EXPECT_EQ(process.comm(), "probe");
}

// Audit does not say which directory a descriptor is: the working directory would be a lie.
TEST(AuditDecode, RelativeNameBelowADescriptorHasNoBase) {
  const DecodedEvent event = DecodeOne(absl::StrCat(
      Call(257, "success=yes exit=3", "a0=5 a1=7f a2=0 a3=0"),
      "type=CWD msg=audit(1700000000.123:7): cwd=\"/srv/data\"\n"
      "type=PATH msg=audit(1700000000.123:7): item=0 name=\"report.txt\" nametype=NORMAL\n"));
  EXPECT_EQ(event.record.file().base(), "");
}

TEST(AuditDecode, FailureKeepsErrno) {
  const DecodedEvent event = DecodeOne(Call(87, "success=no exit=-13", "a0=7f a1=0 a2=0 a3=0"));
  EXPECT_EQ(event.record.type(), FILE_DELETE);
  EXPECT_EQ(event.record.ret(), -13);
}

struct CallCase {
  int number;
  const char* args;
  EventType type;
};
class EveryCall : public ::testing::TestWithParam<CallCase> {};
TEST_P(EveryCall, IsItsEvent) {
  EXPECT_EQ(DecodeOne(Call(GetParam().number, "success=yes exit=0", GetParam().args)).record.type(),
            GetParam().type);
}
INSTANTIATE_TEST_SUITE_P(
    X86, EveryCall,
    ::testing::Values(CallCase{56, "a0=1200011 a1=0 a2=0 a3=0", PROCESS_FORK},
                      CallCase{56, "a0=3d0f00 a1=0 a2=0 a3=0", AUDIT_OTHER},  // a thread
                      CallCase{59, "a0=1 a1=2 a2=3 a3=4", PROCESS_EXEC},
                      CallCase{231, "a0=1 a1=2 a2=3 a3=4", PROCESS_EXIT},
                      CallCase{101, "a0=10 a1=2 a2=3 a3=4", PROCESS_PTRACE},
                      CallCase{62, "a0=10 a1=9 a2=3 a3=4", PROCESS_SIGNAL},
                      CallCase{10, "a0=1 a1=1000 a2=5 a3=0", PROCESS_MEMORY_EXEC},
                      CallCase{10, "a0=1 a1=1000 a2=3 a3=0", AUDIT_OTHER},
                      CallCase{85, "a0=1 a1=1b6 a2=5 a3=0", FILE_CREATE},
                      CallCase{82, "a0=1 a1=2 a2=3 a3=4", FILE_RENAME},
                      CallCase{86, "a0=1 a1=2 a2=3 a3=4", FILE_LINK},
                      CallCase{90, "a0=1 a1=2 a2=3 a3=4", FILE_CHMOD},
                      CallCase{452, "a0=1 a1=2 a2=3 a3=4", FILE_CHMOD},
                      CallCase{92, "a0=1 a1=2 a2=3 a3=4", FILE_CHOWN},
                      CallCase{165, "a0=1 a1=2 a2=3 a3=4", FILE_MOUNT},
                      CallCase{41, "a0=2 a1=1 a2=0 a3=4", NET_SOCKET},
                      CallCase{41, "a0=2 a1=80003 a2=1 a3=4", NET_RAW_SOCKET},
                      CallCase{41, "a0=11 a1=3 a2=300 a3=4", NET_RAW_SOCKET},
                      CallCase{50, "a0=3 a1=80 a2=0 a3=4", NET_LISTEN},
                      CallCase{105, "a0=0 a1=2 a2=3 a3=4", CRED_SETUID},
                      CallCase{106, "a0=0 a1=2 a2=3 a3=4", CRED_SETGID},
                      CallCase{126, "a0=0 a1=2 a2=3 a3=4", CRED_CAPSET},
                      CallCase{313, "a0=3 a1=2 a2=3 a3=4", KERNEL_MODULE_LOAD},
                      CallCase{321, "a0=5 a1=2 a2=3 a3=4", KERNEL_BPF},
                      CallCase{246, "a0=5 a1=2 a2=3 a3=4", KERNEL_KEXEC},
                      CallCase{227, "a0=0 a1=2 a2=3 a3=4", KERNEL_CLOCK_SET},
                      CallCase{159, "a0=1 a1=0 a2=0 a3=0", AUDIT_OTHER},  // only read
                      CallCase{272, "a0=10000000 a1=0 a2=0 a3=0", NS_UNSHARE},
                      CallCase{308, "a0=3 a1=20000 a2=0 a3=0", NS_SETNS},
                      CallCase{39, "a0=3 a1=20000 a2=0 a3=0", AUDIT_OTHER}));

TEST(AuditDecode, ExecTakesArgumentsInOrderHexAndSplit) {
  const DecodedEvent event = DecodeOne(
      absl::StrCat(Call(59, "success=yes exit=0", "a0=1 a1=2 a2=3 a3=4"),
                   "type=EXECVE msg=audit(1700000000.123:7):  a1[1]=6364 a2=\"last\"\n"
                   "type=EXECVE msg=audit(1700000000.123:7): argc=4 a0=\"sh\" a1_len=4 a1[0]=6162\n"
                   "type=EXECVE msg=audit(1700000000.123:7): a3=0A22\n"));
  EXPECT_EQ(event.record.type(), PROCESS_EXEC);
  EXPECT_THAT(event.actor.process.argv(), ElementsAre("sh", "abcd", "last", "\n\""));
  EXPECT_EQ(event.actor.process.argv_length(), 0u);
}

TEST(AuditDecode, EmptyAndQuestionableArgumentsStayThemselves) {
  const DecodedEvent event = DecodeOne(
      absl::StrCat(Call(59, "success=yes exit=0", "a0=1 a1=2 a2=3 a3=4"),
                   "type=EXECVE msg=audit(1700000000.123:7): argc=3 a0=\"sh\" a1=\"\" a2=\"?\"\n"));
  EXPECT_THAT(event.actor.process.argv(), ElementsAre("sh", "", "?"));
}

TEST(AuditDecode, RenameHasBothNames) {
  const DecodedEvent event = DecodeOne(absl::StrCat(
      Call(82, "success=yes exit=0", "a0=1 a1=2 a2=3 a3=4"),
      "type=PATH msg=audit(1700000000.123:7): item=0 name=\"/tmp\" nametype=PARENT\n"
      "type=PATH msg=audit(1700000000.123:7): item=2 name=\"/tmp/a\" inode=9 nametype=DELETE\n"
      "type=PATH msg=audit(1700000000.123:7): item=3 name=\"/tmp/b\" inode=9 nametype=CREATE\n"));
  EXPECT_EQ(event.record.file().path(), "/tmp/a");
  EXPECT_EQ(event.record.target().path(), "/tmp/b");
}

TEST(AuditDecode, SocketAddressesOfEveryFamilyAndByteOrder) {
  const auto net = [](absl::string_view saddr) {
    return DecodeOne(absl::StrCat(Call(42, "success=yes exit=0", "a0=8 a1=2 a2=3 a3=4"),
                                  "type=SOCKADDR msg=audit(1700000000.123:7): saddr=", saddr, "\n"))
        .record.net();
  };
  const Net inet = net("02002BCB7F0000010000000000000000");
  EXPECT_EQ(inet.family(), static_cast<uint32_t>(AF_INET));
  EXPECT_EQ(inet.dst_ip(), std::string("\x7f\0\0\1", 4));
  EXPECT_EQ(inet.dst_port(), 11211u);
  EXPECT_EQ(inet.fd(), 8);
  EXPECT_EQ(net("0002D903C0A80001").dst_port(), 55555u);  // a big-endian machine
  const Net inet6 = net("0A002BCB000000000000000000000000000000000000000100000000");
  EXPECT_EQ(inet6.dst_ip(), std::string(15, '\0') + "\1");
  EXPECT_EQ(net("01002F72756E2F78002F6A756E6B").path(), "/run/x");
  EXPECT_EQ(net("010000616263").path(), std::string("\0abc", 4));
  EXPECT_EQ(net("0").family(), 0u);
  EXPECT_EQ(net("zz").family(), 0u);
}

TEST(AuditDecode, UringIsTheSameEvent) {
  const DecodedEvent event = DecodeOne(
      "type=URINGOP msg=audit(1737533617.373:12266329): uring_op=18 success=yes exit=0 items=0 "
      "ppid=140504 pid=3178806 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 "
      "subj=unconfined key=(null)\n"
      "type=EOE msg=audit(1737533617.373:12266329): \n");
  EXPECT_EQ(event.record.type(), FILE_OPEN);
  EXPECT_EQ(event.record.via(), VIA_IO_URING);
}

TEST(AuditDecode, SelinuxDenial) {
  const DecodedEvent event = DecodeOne(absl::StrCat(
      "type=AVC msg=audit(1700000000.123:7): avc:  denied  { read write } for  pid=11 "
      "comm=\"pickup\" name=\"maildrop\" dev=\"hda7\" ino=14911367 "
      "scontext=system_u:system_r:postfix_pickup_t:s0 "
      "tcontext=system_u:object_r:postfix_spool_maildrop_t:s0 tclass=dir permissive=0\n",
      Call(2, "success=no exit=-13", "a0=1 a1=2 a2=3 a3=4")));
  EXPECT_EQ(event.record.type(), MAC_DENIAL);
  EXPECT_EQ(event.record.outcome(), OUTCOME_FAILURE);
  EXPECT_FALSE(event.record.has_ret());
  EXPECT_EQ(event.record.audit().permission(), "read write");
  EXPECT_EQ(event.record.audit().subject(), "system_u:system_r:postfix_pickup_t:s0");
  EXPECT_EQ(event.record.audit().object(), "system_u:object_r:postfix_spool_maildrop_t:s0");
  EXPECT_EQ(event.record.audit().fields().at("tclass"), "dir");
  EXPECT_EQ(event.actor.process.pid(), 11u);
}

TEST(AuditDecode, ApparmorDenialComplaintAndStatus) {
  const auto decode = [](absl::string_view verdict) {
    return DecodeOne(absl::StrCat(
        "type=AVC msg=audit(1700000000.123:7): apparmor=\"", verdict,
        "\" operation=\"open\" class=\"file\" profile=\"/usr/sbin/d\" name=2F6574632F7368 pid=12 "
        "comm=\"d\" requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0\n"));
  };
  const DecodedEvent denied = decode("DENIED");
  EXPECT_EQ(denied.record.type(), MAC_DENIAL);
  EXPECT_EQ(denied.record.outcome(), OUTCOME_FAILURE);
  EXPECT_EQ(denied.record.file().path(), "/etc/sh");
  EXPECT_EQ(denied.record.audit().subject(), "/usr/sbin/d");
  EXPECT_EQ(denied.record.audit().permission(), "r");
  EXPECT_EQ(denied.record.audit().op(), "open");
  EXPECT_EQ(denied.actor.process.pid(), 12u);
  EXPECT_EQ(decode("ALLOWED").record.outcome(), OUTCOME_SUCCESS);
  EXPECT_EQ(decode("STATUS").record.type(), AUDIT_CONFIG_CHANGE);
  EXPECT_EQ(decode("AUDIT").record.type(), AUDIT_OTHER);
}

struct UserCase {
  const char* type;
  const char* result;
  EventType meaning;
};
class EveryUserMessage : public ::testing::TestWithParam<UserCase> {};
TEST_P(EveryUserMessage, IsItsEvent) {
  const DecodedEvent event = DecodeOne(
      absl::StrCat("type=", GetParam().type,
                   " msg=audit(1615113648.981:15220): pid=9460 uid=1000 auid=1000 ses=1 "
                   "msg='op=PAM:accounting grantors=pam_permit acct=\"ada\" exe=\"/usr/bin/sudo\" "
                   "hostname=pc.example addr=192.0.2.7 terminal=/dev/pts/1 res=",
                   GetParam().result, "'\n"));
  EXPECT_EQ(event.record.type(), GetParam().meaning);
  const Audit& audit = event.record.audit();
  EXPECT_EQ(audit.op(), "PAM:accounting");
  EXPECT_EQ(audit.account(), "ada");
  EXPECT_EQ(audit.hostname(), "pc.example");
  EXPECT_EQ(audit.address(), "192.0.2.7");
  EXPECT_EQ(audit.terminal(), "/dev/pts/1");
  EXPECT_EQ(audit.fields().at("grantors"), "pam_permit");
  EXPECT_EQ(audit.fields().at("exe"), "/usr/bin/sudo");
  EXPECT_EQ(event.actor.process.pid(), 9460u);
  EXPECT_EQ(event.actor.process.exe(), "");  // claimed, not seen
  EXPECT_FALSE(audit.incomplete());
}
INSTANTIATE_TEST_SUITE_P(Names, EveryUserMessage,
                         ::testing::Values(UserCase{"USER_LOGIN", "success", AUTH_LOGIN},
                                           UserCase{"USER_LOGIN", "failed", AUTH_FAILURE},
                                           UserCase{"USER_START", "success", AUTH_LOGIN},
                                           UserCase{"USER_END", "success", AUTH_LOGOUT},
                                           UserCase{"USER_LOGOUT", "success", AUTH_LOGOUT},
                                           UserCase{"USER_AUTH", "failed", AUTH_FAILURE},
                                           UserCase{"USER_AUTH", "success", AUTH_CREDENTIAL},
                                           UserCase{"CRED_ACQ", "success", AUTH_CREDENTIAL},
                                           UserCase{"ADD_USER", "success", ACCOUNT_CHANGE},
                                           UserCase{"DEL_GROUP", "failed", ACCOUNT_CHANGE},
                                           UserCase{"USER_CHAUTHTOK", "success", ACCOUNT_CHANGE},
                                           UserCase{"SERVICE_START", "success", SERVICE_START},
                                           UserCase{"SERVICE_STOP", "failed", SERVICE_STOP},
                                           UserCase{"DAEMON_START", "success", AUDIT_DAEMON},
                                           UserCase{"USER_CMD", "success", AUDIT_OTHER},
                                           UserCase{"SYSTEM_BOOT", "success", AUDIT_OTHER}));

TEST(AuditDecode, OperationMayBeSeveralWords) {
  const DecodedEvent event = DecodeOne(
      "type=ADD_GROUP msg=audit(1615113648.981:15220): pid=9 uid=0 auid=1 ses=1 "
      "msg='op=adding group to /etc/group id=1001 exe=\"/usr/sbin/groupadd\" res=success'\n");
  EXPECT_EQ(event.record.audit().op(), "adding group to /etc/group");
  EXPECT_EQ(event.record.audit().fields().at("id"), "1001");
}

TEST(AuditDecode, RuleAndConfigChanges) {
  const DecodedEvent rule = DecodeOne(
      "type=CONFIG_CHANGE msg=audit(1615113648.981:1): auid=1000 ses=3 subj=unconfined "
      "op=add_rule key=\"watch\" list=4 res=1\n");
  EXPECT_EQ(rule.record.type(), AUDIT_RULE_CHANGE);
  EXPECT_EQ(rule.record.audit().op(), "add_rule");
  EXPECT_EQ(rule.record.audit().key(), "watch");
  EXPECT_EQ(rule.record.audit().fields().at("list"), "4");
  EXPECT_EQ(rule.record.audit().fields().at("auid"), "1000");
  EXPECT_EQ(rule.record.outcome(), OUTCOME_SUCCESS);
  const DecodedEvent off = DecodeOne(
      "type=CONFIG_CHANGE msg=audit(1615113648.981:2): op=set audit_enabled=0 old=1 auid=1000 "
      "ses=3 subj=unconfined res=0\n");
  EXPECT_EQ(off.record.type(), AUDIT_CONFIG_CHANGE);
  EXPECT_EQ(off.record.audit().fields().at("audit_enabled"), "0");
  EXPECT_EQ(off.record.audit().fields().at("old"), "1");
  EXPECT_EQ(off.record.outcome(), OUTCOME_FAILURE);
  const DecodedEvent pid = DecodeOne(
      "type=CONFIG_CHANGE msg=audit(1615113648.981:3): op=set audit_pid=77 old=0 auid=1 ses=1 "
      "res=1\n");
  EXPECT_EQ(pid.record.type(), AUDIT_DAEMON);
}

TEST(AuditDecode, LoginWithItsSyscall) {
  const DecodedEvent event = DecodeOne(
      absl::StrCat("type=LOGIN msg=audit(1700000000.123:7): pid=11 uid=0 subj=unconfined "
                   "old-auid=4294967295 auid=1000 tty=(none) old-ses=4294967295 ses=325 res=1\n",
                   Call(1, "success=yes exit=4", "a0=1 a1=2 a2=3 a3=4")));
  EXPECT_EQ(event.record.type(), AUTH_LOGIN);
  EXPECT_EQ(event.record.audit().fields().at("old-auid"), "4294967295");
  EXPECT_EQ(event.actor.process.exe(), "/usr/bin/probe");
}

TEST(AuditDecode, TerminalInputIsDecoded) {
  const DecodedEvent event = DecodeOne(
      "type=TTY msg=audit(1615113648.981:4): tty pid=8 uid=0 auid=1000 ses=2 major=136 minor=0 "
      "comm=\"bash\" data=6C730D\n");
  EXPECT_EQ(event.record.type(), TTY_INPUT);
  EXPECT_EQ(event.record.audit().fields().at("data"), "ls\r");
}

// A process with CAP_AUDIT_WRITE chooses every byte of its message.
TEST(AuditDecode, MessageCannotSpeakForTheKernel) {
  const DecodedEvent event = DecodeOne(
      "type=USER_LOGIN msg=audit(1615113648.981:5): pid=66 uid=1000 auid=1000 ses=1 "
      "msg='op=x' pid=1 uid=0 auid=0 exe=\"/sbin/init\" comm=\"init\" subj=trusted "
      "msg='acct=\"root\" res=success'\n");
  EXPECT_EQ(event.actor.process.pid(), 66u);
  EXPECT_EQ(event.actor.process.uid(), 1000u);
  EXPECT_EQ(event.actor.process.auid(), 1000u);
  EXPECT_EQ(event.actor.process.exe(), "");
  EXPECT_EQ(event.record.audit().subject(), "");
}

TEST(AuditDecode, TextNeverForgesALine) {
  AuditEvent event;
  event.stamp = {1700000000123, 9};
  const std::string forged =
      "pid=66 uid=1 auid=1 ses=1 msg='op=x\ntype=USER_LOGIN msg=audit(1.000:1): \\n res=success'";
  event.Add(1112, forged);
  Record record;
  AuditActor actor;
  DecodeAuditEvent(event, &record, &actor);
  const std::vector<std::string> lines = absl::StrSplit(record.audit().text(), '\n');
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("op=x\\ntype=USER_LOGIN"));
  EXPECT_THAT(lines[0], HasSubstr(": \\\\n res"));
  EXPECT_THAT(record.audit().types(), ElementsAre("USER_LOGIN"));
}

TEST(AuditDecode, EveryBoundIsKeptAndTheLengthSaid) {
  const std::string name(20000, 'n');
  const DecodedEvent event = DecodeOne(absl::StrCat(
      Call(59, "success=yes exit=0", "a0=1 a1=2 a2=3 a3=4"),
      "type=EXECVE msg=audit(1700000000.123:7): argc=2 a0=\"", name, "\" a1=\"", name, "\"\n",
      "type=PATH msg=audit(1700000000.123:7): item=0 name=\"", name, "\" nametype=NORMAL\n"));
  EXPECT_EQ(event.record.file().path().size(), AuditBounds::kPath);
  EXPECT_EQ(event.record.file().path_length(), 20000u);
  size_t kept = 0;
  for (const std::string& argument : event.actor.process.argv()) kept += argument.size();
  EXPECT_LE(kept, AuditBounds::kArgv);
  EXPECT_EQ(event.actor.process.argv_length(), 40002u);
  EXPECT_EQ(event.record.audit().text().size(), AuditBounds::kText);
  EXPECT_GT(event.record.audit().text_length(), 60000u);
  const DecodedEvent other = DecodeOne(absl::StrCat(
      "type=USER_CMD msg=audit(1.000:1): pid=1 uid=0 auid=0 ses=1 msg='cwd=\"/\" cmd=\"", name,
      "\" res=success'\n"));
  EXPECT_EQ(other.record.audit().fields().at("cmd").size(), AuditBounds::kValue);
  EXPECT_EQ(other.record.audit().fields().at("cmd_length"), "20000");
}

// What a record says must not change because its end is missing.
TEST(AuditDecode, EveryTruncationIsHarmless) {
  const std::string line =
      "type=USER_LOGIN msg=audit(1615113648.981:15220): pid=9460 uid=1000 auid=1000 ses=1 "
      "msg='op=login acct=\"ada\" exe=\"/usr/bin/sshd\" hostname=? addr=? terminal=ssh "
      "res=success'";
  for (size_t size = 0; size <= line.size(); ++size) {
    for (const DecodedEvent& event : DecodeLog(line.substr(0, size))) {
      EXPECT_EQ(event.stamp.serial, 15220u);
      EXPECT_THAT(std::string("ada"), ::testing::StartsWith(event.record.audit().account()));
    }
  }
}

}  // namespace
}  // namespace cairn::capture
