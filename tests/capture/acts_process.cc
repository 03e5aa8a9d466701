#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "tests/capture/acts.h"

namespace cairn::acts {
namespace {

long ExecMissing() {
  char* const args[] = {const_cast<char*>("no-such-program"), nullptr};
  return Result(execv("./no-such-program", args));
}

// The rest run in a child, whose pid they return.
template <typename F>
long InChild(F&& run) {
  const pid_t child = fork();
  if (child == 0) {
    run();
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  return child;
}
long Exec() {
  return InChild([] { execl("/bin/true", "true", "one", "two words", "\xff\n", nullptr); });
}
long ExecLongArgv() {
  return InChild([] {
    const std::string big(100'000, 'a');
    execl("/bin/true", "true", big.c_str(), nullptr);
  });
}
long ExecScript() {
  const int fd = open("script", O_CREAT | O_WRONLY, 0755);
  (void)!write(fd, "#!/bin/sh\nexit 3\n", 17);
  close(fd);
  return InChild([] { execl("./script", "script", nullptr); });
}
// Fills `out` with a program that does nothing.
void CopyTrue(int out) {
  const int in = open("/bin/true", O_RDONLY);
  char block[65536];
  ssize_t got;
  while ((got = read(in, block, sizeof(block))) > 0) {
    (void)!write(out, block, static_cast<size_t>(got));
  }
  close(in);
}
int MakeProgram(const char* name, mode_t mode) {
  const int out = open(name, O_CREAT | O_WRONLY, 0700);
  CopyTrue(out);
  close(out);
  (void)!chown(name, 1001, 1001);
  chmod(name, mode);
  return open(name, O_PATH);
}
void ExecAt(int fd, const char* name, int flags) {
  char* const args[] = {const_cast<char*>("named"), nullptr};
  syscall(SYS_execveat, fd, name, args, environ, flags);
}
long ExecMemfd() {
  return InChild([] {
    const int out = memfd_create("hidden", MFD_CLOEXEC);
    CopyTrue(out);
    char* const args[] = {const_cast<char*>("hidden"), nullptr};
    syscall(SYS_execveat, out, "", args, environ, AT_EMPTY_PATH);
  });
}
long Kill() {
  const pid_t child = fork();
  if (child < 0) return Result(-1);  // or it would be everybody who is killed
  if (child == 0) {
    pause();
    _exit(0);
  }
  kill(child, SIGTERM);
  waitpid(child, nullptr, 0);
  return child;
}
long PidfdSignal() {
  const pid_t child = fork();
  if (child < 0) return Result(-1);
  if (child == 0) {
    pause();
    _exit(0);
  }
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  (void)!syscall(SYS_pidfd_send_signal, fd, SIGTERM, nullptr, 0);
  waitpid(child, nullptr, 0);
  return child;
}
// /proc/PID stands for the process too.
long PidfdSignalByProc() {
  const pid_t child = fork();
  if (child < 0) return Result(-1);
  if (child == 0) {
    pause();
    _exit(0);
  }
  const int fd = open(("/proc/" + std::to_string(child)).c_str(), O_RDONLY | O_DIRECTORY);
  (void)!syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0);
  waitpid(child, nullptr, 0);
  return child;
}
// A file that is no process: nothing is signalled, and nothing is recorded.
long PidfdSignalToFile() {
  return Result(syscall(SYS_pidfd_send_signal, open("/dev/null", O_RDONLY), SIGTERM, nullptr, 0));
}
// A child has our memory at the same place.
long OtherMemory(long call) {
  static char there[16] = "cairn";
  const pid_t child = fork();
  if (child < 0) return Result(-1);
  if (child == 0) {
    pause();
    _exit(0);
  }
  char here[16] = {};
  const iovec ours = {here, sizeof(here)}, theirs = {there, sizeof(there)};
  const long moved = syscall(call, child, &ours, 1, &theirs, 1, 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return moved == static_cast<long>(sizeof(here)) ? child : Result(-1);
}
long VmRead() { return OtherMemory(SYS_process_vm_readv); }
long VmWrite() { return OtherMemory(SYS_process_vm_writev); }
long VmReadMissing() {
  char here[4];
  const iovec vec = {here, sizeof(here)};
  return Result(syscall(SYS_process_vm_readv, 0x3ffffffe, &vec, 1, &vec, 1, 0));
}
long Ptrace() {
  const pid_t child = fork();
  if (child < 0) return Result(-1);
  if (child == 0) {
    pause();
    _exit(0);
  }
  (void)!ptrace(PTRACE_SEIZE, child, nullptr, nullptr);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return child;
}
long ExitSeven() {
  return InChild([] { _exit(7); });
}
long ExecDeleted() {
  return InChild([] {
    const int fd = MakeProgram("program", 0755);
    unlink("program");
    ExecAt(fd, "", AT_EMPTY_PATH);
  });
}
long ExecAtDirectory() {
  return InChild([] {
    close(MakeProgram("dir/program", 0755));
    ExecAt(open("dir", O_PATH), "program", 0);
  });
}
long ExecAtMissing() {
  char* const args[] = {const_cast<char*>("x"), nullptr};
  return Result(syscall(SYS_execveat, open("dir", O_PATH), "none", args, environ, 0));
}
long ExecRefused() {  // a file that is no program
  char* const args[] = {const_cast<char*>("old"), nullptr};
  return Result(execv("old", args));
}
long ExecSetuid() {
  return InChild([] {
    close(MakeProgram("program", 04755));
    execl("./program", "program", nullptr);
  });
}
long ExecInNamespaces() {
  return InChild([] {
    (void)!unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET);
    execl("/bin/true", "true", nullptr);
  });
}
long ExecWithEnvironment() {
  return InChild([] {
    const std::string big = "BIG=" + std::string(2000, 'b');
    char* const args[] = {const_cast<char*>("true"), nullptr};
    char* const env[] = {const_cast<char*>("CAIRN_NOT_WANTED=1"), const_cast<char*>(big.c_str()),
                         const_cast<char*>("CAIRN_WANTED=\xff two\nlines"),
                         const_cast<char*>("CAIRN_WANTED_NOT=2"), nullptr};
    execve("/bin/true", args, env);
  });
}
long DieOfSignal() {
  return InChild([] { raise(SIGKILL); });
}
long ForkInNamespace() {
  if (unshare(CLONE_NEWPID) != 0) return Result(-1);
  return InChild([] { _exit(5); });
}
long VFork() {
  const pid_t child = vfork();
  if (child == 0) _exit(6);
  waitpid(child, nullptr, 0);
  return child;
}
long KillMissing() { return Result(kill(0x3ffffffe, SIGTERM)); }
long PtraceMissing() { return Result(ptrace(PTRACE_SEIZE, 0x3ffffffe, nullptr, nullptr)); }
long Tgkill() {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  syscall(SYS_tgkill, child, child, SIGKILL);
  waitpid(child, nullptr, 0);
  return child;
}

}  // namespace

void AddProcessActs(std::map<std::string, Act>* acts) {
  const std::map<std::string, Act> more = {
      {"exec-missing", ExecMissing},
      {"exec-refused", ExecRefused},
      {"exec", Exec},
      {"exec-long-argv", ExecLongArgv},
      {"exec-script", ExecScript},
      {"exec-memfd", ExecMemfd},
      {"exec-deleted", ExecDeleted},
      {"exec-at-directory", ExecAtDirectory},
      {"exec-at-missing", ExecAtMissing},
      {"exec-setuid", ExecSetuid},
      {"exec-in-namespaces", ExecInNamespaces},
      {"exec-with-environment", ExecWithEnvironment},
      {"exit-seven", ExitSeven},
      {"die-of-signal", DieOfSignal},
      {"fork-in-namespace", ForkInNamespace},
      {"vfork", VFork},
      {"kill", Kill},
      {"kill-missing", KillMissing},
      {"tgkill", Tgkill},
      {"pidfd-signal", PidfdSignal},
      {"pidfd-signal-by-proc", PidfdSignalByProc},
      {"pidfd-signal-to-file", PidfdSignalToFile},
      {"vm-read", VmRead},
      {"vm-write", VmWrite},
      {"vm-read-missing", VmReadMissing},
      {"ptrace", Ptrace},
      {"ptrace-missing", PtraceMissing},
  };
  acts->insert(more.begin(), more.end());
}

}  // namespace cairn::acts
