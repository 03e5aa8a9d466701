// Every event about processes and credentials (acts_process.cc, acts_system.cc).
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/audit_control.h"
#include "tests/capture/event_fixture.h"

namespace cairn::capture {
namespace {

class ProcessEvents : public Events {
 protected:
  // The exec of the act's child, which is what it returned.
  const Seen* ExecOf(const Said& said) {
    return One(PROCESS_EXEC, static_cast<uint32_t>(said.ret),
               [](const Record& record) { return record.ret() == 0; });
  }
};

TEST_F(ProcessEvents, ExecHasArgumentsAncestryAndImage) {
  const Said said = Do("exec");
  const auto child = static_cast<uint32_t>(said.ret);
  const Seen* fork = One(PROCESS_FORK, said.pid);
  ASSERT_NE(fork, nullptr);
  EXPECT_EQ(fork->record.peer().pid(), child);
  const Seen* seen = ExecOf(said);
  ASSERT_NE(seen, nullptr);
  const Process& process = seen->process;
  char* real = realpath("/bin/true", nullptr);
  EXPECT_EQ(process.exe(), real);
  struct stat status;
  ASSERT_EQ(stat(real, &status), 0);
  free(real);
  EXPECT_EQ(seen->record.file().inode(), status.st_ino);
  EXPECT_EQ(process.start_ns(), fork->record.peer().start_ns());
  EXPECT_EQ(process.ppid(), said.pid);
  EXPECT_EQ(process.comm(), "true");
  ASSERT_EQ(process.argv_size(), 4);
  EXPECT_EQ(process.argv(2), "two words");
  EXPECT_EQ(process.argv(3), "\xff\n");
  EXPECT_FALSE(process.memfd());
  EXPECT_FALSE(process.deleted());
  ASSERT_EQ(stat("/proc/self/ns/mnt", &status), 0);
  EXPECT_EQ(process.namespaces().mount(), status.st_ino);
  const Seen* exit = One(PROCESS_EXIT, child);
  ASSERT_NE(exit, nullptr);
  EXPECT_EQ(exit->record.exit_code(), 0);
}

// The act, its shell, this test, and up to the first process, which is older than the agent.
TEST_F(ProcessEvents, AncestryGoesUpToTheFirstProcess) {
  const Said said = Do("exec");
  const Seen* seen = ExecOf(said);
  ASSERT_NE(seen, nullptr);
  const auto& ancestors = seen->process.ancestors();
  ASSERT_GT(ancestors.size(), 2);
  EXPECT_EQ(ancestors[0].pid(), said.pid);
  EXPECT_TRUE(absl::EndsWith(ancestors[0].exe(), "/capture_acts"));
  EXPECT_EQ(ancestors[1].pid(), static_cast<uint32_t>(getpid()));
  EXPECT_TRUE(absl::EndsWith(ancestors[1].exe(), "_test")) << ancestors[1].exe();
  EXPECT_EQ(ancestors[ancestors.size() - 1].pid(), 1u);
  for (const Ancestor& ancestor : ancestors) EXPECT_NE(ancestor.start_ns(), 0u);
}

TEST_F(ProcessEvents, AnArgumentListBeyondItsBoundIsCutAndSaysSo) {
  const Said said = Do("exec-long-argv");
  const Seen* seen = ExecOf(said);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->process.argv_length(), 100'006u);
  ASSERT_EQ(seen->process.argv_size(), 2);
  EXPECT_EQ(seen->process.argv(1).size(), 32768u - 5u);
}

TEST_F(ProcessEvents, AScriptIsNamedBesideItsInterpreter) {
  const Said said = Do("exec-script");
  const Seen* seen = ExecOf(said);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->process.script(), "./script");
  EXPECT_TRUE(absl::EndsWith(seen->process.exe(), "sh")) << seen->process.exe();
  const Seen* exit = One(PROCESS_EXIT, static_cast<uint32_t>(said.ret));
  ASSERT_NE(exit, nullptr);
  EXPECT_EQ(exit->record.exit_code(), 3 << 8);
}

TEST_F(ProcessEvents, AnImageWithoutAFileIsFlagged) {
  const Said memfd = Do("exec-memfd");
  const Seen* seen = ExecOf(memfd);
  ASSERT_NE(seen, nullptr);
  EXPECT_TRUE(seen->process.memfd());
  EXPECT_TRUE(seen->process.deleted());
  EXPECT_EQ(seen->process.exe(), "memfd:hidden");
  const Said deleted = Do("exec-deleted");
  seen = ExecOf(deleted);
  ASSERT_NE(seen, nullptr);
  EXPECT_FALSE(seen->process.memfd());
  EXPECT_TRUE(seen->process.deleted());
  EXPECT_EQ(seen->process.exe(), dir_ + "/program");
}

TEST_F(ProcessEvents, OnlySelectedVariablesOfTheEnvironmentAreKept) {
  const Said said = Do("exec-with-environment");
  const Seen* seen = ExecOf(said);
  ASSERT_NE(seen, nullptr);
  ASSERT_EQ(seen->process.env_size(), 1);
  EXPECT_EQ(seen->process.env(0), "CAIRN_WANTED=\xff two\nlines");
  EXPECT_EQ(seen->process.env_length(), 0u);
}

TEST_F(ProcessEvents, ExecveatNamesTheProgramItRuns) {
  const Said said = Do("exec-at-directory");
  const Seen* seen = ExecOf(said);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->process.exe(), dir_ + "/dir/program");
  EXPECT_EQ(seen->process.argv(0), "named");
}

TEST_F(ProcessEvents, AFailedExecIsRecorded) {
  struct Case {
    const char* act;
    int error;
    const char* path;
    const char* base;
  };
  for (const Case& want :
       {Case{"exec-missing", ENOENT, "./no-such-program", ""},
        Case{"exec-refused", EACCES, "old", ""}, Case{"exec-at-missing", ENOENT, "none", "/dir"}}) {
    const Said said = Do(want.act);
    const Seen* seen =
        One(PROCESS_EXEC, said.pid, [](const Record& record) { return record.ret() < 0; });
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.ret(), -want.error) << want.act;
    EXPECT_EQ(seen->record.file().path(), want.path);
    EXPECT_EQ(seen->record.file().base(), dir_ + want.base);
    EXPECT_EQ(seen->record.file().source(), PATH_ARGUMENT);
  }
}

TEST_F(ProcessEvents, AnExecThatChangesCredentialsIsTwoEvents) {
  struct statvfs mount;
  ASSERT_EQ(statvfs("/tmp", &mount), 0);
  if (mount.f_flag & ST_NOSUID) GTEST_SKIP() << "NOT TESTED: /tmp is mounted nosuid";
  const Said said = Do("exec-setuid");
  const Seen* exec = ExecOf(said);
  ASSERT_NE(exec, nullptr);
  EXPECT_EQ(exec->process.uid(), 0u);
  EXPECT_EQ(exec->process.euid(), 1001u);
  const Seen* seen = One(CRED_EXEC, static_cast<uint32_t>(said.ret));
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.cred().euid(), 1001u);
  EXPECT_EQ(seen->record.cred().suid(), 1001u);
  EXPECT_EQ(seen->record.file().path(), dir_ + "/program");
}

TEST_F(ProcessEvents, NamespacesAreThoseOfTheProcess) {
  const Said said = Do("exec-in-namespaces");
  const Seen* seen = ExecOf(said);
  ASSERT_NE(seen, nullptr);
  const Namespaces& in = seen->process.namespaces();
  const auto inode = [](const char* name) {
    struct stat status = {};
    stat(absl::StrCat("/proc/self/ns/", name).c_str(), &status);
    return status.st_ino;
  };
  EXPECT_NE(in.mount(), inode("mnt"));
  EXPECT_NE(in.net(), inode("net"));
  EXPECT_NE(in.uts(), inode("uts"));
  EXPECT_NE(in.ipc(), inode("ipc"));
  EXPECT_EQ(in.user(), inode("user"));
  EXPECT_EQ(in.pid(), inode("pid"));
}

TEST_F(ProcessEvents, AnExitCodeIsAsWaitSaysIt) {
  for (const auto& [act, code] : {std::pair("exit-seven", 7 << 8), std::pair("die-of-signal", 9),
                                  std::pair("vfork", 6 << 8)}) {
    const Said said = Do(act);
    const Seen* seen = One(PROCESS_EXIT, static_cast<uint32_t>(said.ret));
    ASSERT_NE(seen, nullptr) << act;
    EXPECT_EQ(seen->record.exit_code(), code) << act;
    const Seen* fork = One(PROCESS_FORK, said.pid);
    ASSERT_NE(fork, nullptr) << act;
    EXPECT_EQ(fork->record.peer().pid(), static_cast<uint32_t>(said.ret)) << act;
  }
}

// Process ids are the host's, whatever a process is called where it lives.
TEST_F(ProcessEvents, AProcessOfAnotherPidNamespaceHasOurIds) {
  const Said said = Do("fork-in-namespace");
  const Seen* fork = One(PROCESS_FORK, said.pid);
  ASSERT_NE(fork, nullptr);
  EXPECT_EQ(fork->record.peer().pid(), static_cast<uint32_t>(said.ret));
  const Seen* exit = One(PROCESS_EXIT, static_cast<uint32_t>(said.ret));
  ASSERT_NE(exit, nullptr);
  EXPECT_EQ(exit->record.exit_code(), 5 << 8);
}

TEST_F(ProcessEvents, ASignalAndATraceNameTheOther) {
  struct Case {
    const char* act;
    EventType type;
    uint32_t signal;
    uint32_t request = 0;
    long ret = 0;
  };
  for (const Case& want :
       {Case{"kill", PROCESS_SIGNAL, 15}, Case{"tgkill", PROCESS_SIGNAL, 9},
        Case{"pidfd-signal", PROCESS_SIGNAL, 15}, Case{"pidfd-signal-by-proc", PROCESS_SIGNAL, 9},
        Case{"ptrace", PROCESS_PTRACE, 0, PTRACE_SEIZE},
        Case{"vm-read", PROCESS_PTRACE, 0, PTRACE_PEEKDATA, 16},
        Case{"vm-write", PROCESS_PTRACE, 0, PTRACE_POKEDATA, 16}}) {
    const Said said = Do(want.act);
    const Seen* seen = One(want.type, said.pid);
    ASSERT_NE(seen, nullptr) << want.act;
    EXPECT_EQ(seen->record.ret(), want.ret) << want.act;
    EXPECT_EQ(seen->record.peer().request(), want.request) << want.act;
    EXPECT_EQ(seen->record.peer().pid(), static_cast<uint32_t>(said.ret));
    EXPECT_EQ(seen->record.peer().signal(), want.signal);
    EXPECT_TRUE(absl::EndsWith(seen->record.peer().exe(), "/capture_acts"));
    EXPECT_NE(seen->record.peer().start_ns(), 0u);
  }
  for (const auto& [act, type] :
       {std::pair("kill-missing", PROCESS_SIGNAL), std::pair("ptrace-missing", PROCESS_PTRACE),
        std::pair("vm-read-missing", PROCESS_PTRACE)}) {
    const Said said = Do(act);
    const Seen* seen = One(type, said.pid);
    ASSERT_NE(seen, nullptr) << act;
    EXPECT_EQ(seen->record.ret(), -ESRCH) << act;
    EXPECT_EQ(seen->record.peer().pid(), 0x3ffffffeu) << act;
  }
}

TEST_F(ProcessEvents, ADescriptorThatIsNoProcessSignalsNobody) {
  const Said said = Do("pidfd-signal-to-file");
  EXPECT_EQ(said.ret, -EBADF);
  for (const Seen& seen : seen_) {
    EXPECT_FALSE(seen.record.type() == PROCESS_SIGNAL && seen.process.pid() == said.pid);
  }
}

TEST_F(ProcessEvents, CodeMadeInMemory) {
  for (const auto& [act, length] :
       {std::pair("mprotect", 4096u), std::pair("mmap-write-exec", 8192u)}) {
    const Said said = Do(act);
    const Seen* seen = One(PROCESS_MEMORY_EXEC, said.pid);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.ret(), said.ret);
    EXPECT_EQ(seen->record.memory().length(), length);
    EXPECT_NE(seen->record.memory().protection() & 4u, 0u);
  }
  const Said said = Do("mmap-code");
  char* real = realpath("/bin/true", nullptr);
  EXPECT_NE(One(FILE_MMAP, said.pid, [&](const Record& r) { return r.file().path() == real; }),
            nullptr);
  free(real);
}

struct CredCase {
  const char* act;
  EventType type;
  uint32_t uid, euid, suid, fsuid;  // of the group for cred.setgid
};

TEST_F(ProcessEvents, CredentialsAreThoseAfterTheAct) {
  const CredCase cases[] = {
      {"setresuid", CRED_SETUID, 1001, 1002, 1003, 1002},
      {"setreuid", CRED_SETUID, 1004, 1005, 1005, 1005},
      {"setfsuid", CRED_SETUID, 0, 0, 0, 1006},
      {"compat-setresuid", CRED_SETUID, 1001, 1002, 1003, 1002},
      {"setgid", CRED_SETGID, 1007, 1007, 1007, 1007},
      {"setresgid", CRED_SETGID, 1001, 1002, 1003, 1002},
  };
  for (const CredCase& want : cases) {
    SCOPED_TRACE(want.act);
    const Said said = Do(want.act);
    if (said.ret == -ENOSYS) continue;  // the 32-bit ABI; FileTable says that it is missing
    const Seen* seen = One(want.type, said.pid);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.ret(), said.ret);
    const Cred& cred = seen->record.cred();
    const bool group = want.type == CRED_SETGID;
    EXPECT_EQ(group ? cred.gid() : cred.uid(), want.uid);
    EXPECT_EQ(group ? cred.egid() : cred.euid(), want.euid);
    EXPECT_EQ(group ? cred.sgid() : cred.suid(), want.suid);
    EXPECT_EQ(group ? cred.fsgid() : cred.fsuid(), want.fsuid);
    EXPECT_EQ(seen->process.uid(), 0u) << "the process is as it was before";
    const Seen* exit = One(PROCESS_EXIT, said.pid);
    ASSERT_NE(exit, nullptr);
    EXPECT_EQ(group ? exit->process.sgid() : exit->process.suid(), want.suid);
  }
}

TEST_F(ProcessEvents, RefusedCredentialsAreRecorded) {
  for (const auto& [act, type] :
       {std::pair("setresuid-refused", CRED_SETUID), std::pair("setgid-refused", CRED_SETGID),
        std::pair("capset-refused", CRED_CAPSET)}) {
    const Said said = Do(act);
    EXPECT_EQ(said.ret, -EPERM) << act;
    EXPECT_NE(One(type, said.pid, [](const Record& r) { return r.ret() == -EPERM; }), nullptr)
        << act;
  }
  const Said said = Do("capset");
  const Seen* seen = One(CRED_CAPSET, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.cred().effective(), 0u);
  EXPECT_EQ(seen->record.cred().permitted(), 0u);
}

// Kernel audit starts one for each answer.
TEST_F(ProcessEvents, KernelThreadsAreNobodys) {
  auto audit = AuditControl::Open();
  if (!audit.ok()) GTEST_SKIP() << "NOT TESTED: " << audit.status();
  Drain(nullptr);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(audit->Read().ok());
  usleep(50'000);
  Drain(&seen_);
  for (const Seen& seen : seen_) {
    EXPECT_FALSE(absl::StartsWith(seen.record.peer().comm(), "audit_send")) << "its fork";
    EXPECT_FALSE(absl::StartsWith(seen.process.comm(), "audit_send")) << "its end";
  }
}

}  // namespace
}  // namespace cairn::capture
