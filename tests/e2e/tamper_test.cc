// What an attacker does to the probes of a running cairnd, from outside and in its own memory, is
// in its log.
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/fd.h"
#include "tests/e2e/host.h"
#include "tests/ledger/each_record.h"

namespace cairn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string ProgramName(uint32_t id) {
  const Fd program(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info = {};
  uint32_t size = sizeof(info);
  return bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0 ? info.name : "";
}

// The descriptor, in process `pid`, of the link of the BPF program `name`; -1: none.
int LinkIn(pid_t pid, const std::string& name) {
  const std::string dir = absl::StrCat("/proc/", pid, "/fdinfo");
  DIR* files = opendir(dir.c_str());
  int found = -1;
  while (const dirent* entry = files == nullptr ? nullptr : readdir(files)) {
    std::ifstream file(absl::StrCat(dir, "/", entry->d_name));
    bool link = false;
    for (std::string line; std::getline(file, line);) {
      link |= absl::StartsWith(line, "link_type:");
      absl::string_view text = line;
      uint32_t id;
      if (link && absl::ConsumePrefix(&text, "prog_id:") && absl::SimpleAtoi(text, &id) &&
          ProgramName(id) == name) {
        found = atoi(entry->d_name);
      }
    }
  }
  if (files != nullptr) closedir(files);
  return found;
}

#if defined(__x86_64__)
constexpr long kSyscallInstruction = 0x050f;

// Stops `pid` where it waits in a system call; false: it did not within some seconds.
bool StopInCall(pid_t pid, user_regs_struct* at) {
  if (ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) return false;
  for (int i = 0; i < 1000; ++i) {
    int status;
    if (ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) != 0 || waitpid(pid, &status, 0) != pid ||
        ptrace(PTRACE_GETREGS, pid, nullptr, at) != 0) {
      return false;
    }
    errno = 0;
    const long code = ptrace(PTRACE_PEEKTEXT, pid, at->rip - 2, nullptr);
    if (errno == 0 && (code & 0xffff) == kSyscallInstruction) return true;
    ptrace(PTRACE_CONT, pid, nullptr, nullptr);
    usleep(3'000);
  }
  return false;
}

// Has `pid` close its descriptor `fd`, as a debugger would: it does the call again that it waits
// in, with another number, and finds its own call interrupted.
bool CloseIn(pid_t pid, int fd) {
  user_regs_struct before, call, after;
  if (!StopInCall(pid, &before)) return false;
  call = before;
  call.rax = SYS_close;
  call.rdi = static_cast<unsigned long long>(fd);
  call.rip -= 2;
  call.orig_rax = ~0ULL;
  int status = 0;
  bool done = ptrace(PTRACE_SETREGS, pid, nullptr, &call) == 0 &&
              ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) == 0 &&
              waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
              ptrace(PTRACE_GETREGS, pid, nullptr, &after) == 0 && after.rax == 0;
  before.rax = static_cast<unsigned long long>(-EINTR);
  before.orig_rax = ~0ULL;
  done &= ptrace(PTRACE_SETREGS, pid, nullptr, &before) == 0;
  return ptrace(PTRACE_DETACH, pid, nullptr, nullptr) == 0 && done;
}
#else
bool CloseIn(pid_t, int) { return false; }
#endif

class TamperTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cairnd cannot load BPF programs";
#if !defined(__x86_64__)
    GTEST_SKIP() << "SKIPPED: descriptors of another process are closed on x86-64 only";
#endif
    ASSERT_TRUE(host_.Prepare());
    ASSERT_TRUE(host_.Start());
  }

  // What each agent.tamper_attempt says, and how severe it is.
  std::vector<std::string> Tampering() {
    std::vector<std::string> told;
    ledger::ForEachRecord(host_.Path("log/1"), [&told](const ledger::LoggedRecord& logged) {
      if (logged.record->type() != AGENT_TAMPER_ATTEMPT) return;
      EXPECT_EQ(logged.record->severity(), SEVERITY_CRITICAL);
      told.push_back(logged.record->notice().detail());
    });
    return told;
  }

  Host host_;
};

// Nothing is pinned here: with its descriptor the link is gone, and execs are not seen.
TEST_F(TamperTest, AClosedLinkIsRecordedAndAttachedAgain) {
  const pid_t pid = host_.cairnd().pid();
  const int link = LinkIn(pid, "process_exec");
  ASSERT_GE(link, 0);
  ASSERT_TRUE(CloseIn(pid, link));
  EXPECT_LT(LinkIn(pid, "process_exec"), 0);
  Host::Mark("while-it-was-closed");
  sleep(3);
  EXPECT_GE(LinkIn(pid, "process_exec"), 0);
  Host::Mark("after-it-was-closed");
  usleep(300'000);
  EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0);
  EXPECT_EQ(host_.Verify().verdict, ledger::Verdict::kOk);
  EXPECT_THAT(Tampering(),
              ElementsAre(HasSubstr("the link of process_exec was closed; attached again")));
  auto log = host_.ReadLog();
  EXPECT_EQ(log["while-it-was-closed"], 0) << "it was closed indeed";
  EXPECT_EQ(log["after-it-was-closed"], 1);
}

}  // namespace
}  // namespace cairn
