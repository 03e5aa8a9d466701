// capture_acts ACT: does it in the current directory and prints {"pid":N,"ret":N}.
#include "tests/capture/acts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace cairn::acts {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

long ConnectTcp() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  (void)!bind(listener, reinterpret_cast<sockaddr*>(&address), length);
  (void)!listen(listener, 1);
  (void)!getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(connect(fd, reinterpret_cast<sockaddr*>(&address), length));
}
long ConnectRefused() {
  const sockaddr_in address = Loopback(1);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}
long ConnectUdp6() {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(4242);
  address.sin6_addr = in6addr_loopback;
  const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  return Result(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}
long BindTcp() {
  const sockaddr_in address = Loopback(42731);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}
long BindAbstract() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, "\0cairn-acts", 11);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return Result(
      bind(fd, reinterpret_cast<sockaddr*>(&address), offsetof(sockaddr_un, sun_path) + 11));
}
long ConnectUnix() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, "sock");
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  (void)!bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  (void)!listen(listener, 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return Result(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}
long Setresuid() { return Result(syscall(SYS_setresuid, 1001, 1002, 1003)); }
long SetresuidRefused() {
  (void)!syscall(SYS_setresuid, 1001, 1001, 1001);
  return Result(syscall(SYS_setresuid, 0, 0, 0));
}
long Setgid() { return Result(syscall(SYS_setgid, 1007)); }
long ModuleRefused() { return Result(syscall(SYS_finit_module, open("old", O_RDONLY), "", 0)); }
long BpfMap() {
  bpf_attr attr = {};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = 4;
  attr.value_size = 4;
  attr.max_entries = 1;
  return Result(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}
long ExecMissing() {
  char* const args[] = {const_cast<char*>("no-such-program"), nullptr};
  return Result(execv("./no-such-program", args));
}

long RawSocket() { return Result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); }
long Socket() { return Result(socket(AF_INET6, SOCK_DGRAM, 0)); }
long Listen() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  return Result(listen(fd, 5));
}
long Accept() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  (void)!bind(listener, reinterpret_cast<sockaddr*>(&address), length);
  (void)!listen(listener, 1);
  (void)!getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  (void)!connect(fd, reinterpret_cast<sockaddr*>(&address), length);
  return Result(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}
long Dns() {
  const char query[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\5cairn\4test\0\0\1\0\1";
  const sockaddr_in address = Loopback(53);
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  return Result(sendto(fd, query, sizeof(query) - 1, 0, reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address)));
}
long Mprotect() {
  void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return Result(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}
long MmapWriteExec() {
  void* at =
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return reinterpret_cast<long>(at);
}
long Unshare() { return Result(unshare(CLONE_NEWUTS)); }
long Setns() { return Result(setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWUTS)); }
long Capset() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return Result(syscall(SYS_capset, &header, data));
}
long ClockRefused() {
  const timespec when = {1, -5};
  return Result(syscall(SYS_clock_settime, CLOCK_REALTIME, &when));  // the library would refuse it
}
long KexecRefused() { return Result(syscall(SYS_kexec_load, 0, 1, nullptr, 12345678)); }
long DeleteModule() { return Result(syscall(SYS_delete_module, "no_such_module", 0)); }

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
long ExecMemfd() {
  return InChild([] {
    const int in = open("/bin/true", O_RDONLY);
    const int out = memfd_create("hidden", MFD_CLOEXEC);
    char block[65536];
    ssize_t got;
    while ((got = read(in, block, sizeof(block))) > 0)
      (void)!write(out, block, static_cast<size_t>(got));
    char* const args[] = {const_cast<char*>("hidden"), nullptr};
    syscall(SYS_execveat, out, "", args, environ, AT_EMPTY_PATH);
  });
}
long Kill() {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  kill(child, SIGTERM);
  waitpid(child, nullptr, 0);
  return child;
}
long Ptrace() {
  const pid_t child = fork();
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

}  // namespace

long Result(long ret) { return ret == -1 ? -errno : ret; }

const std::map<std::string, Act>& All() {
  static const auto* acts = [] {
    auto* all = new std::map<std::string, Act>;
    AddFileActs(all);
    AddUringActs(all);
    const std::map<std::string, Act> more = {
        {"connect-tcp", ConnectTcp},
        {"connect-refused", ConnectRefused},
        {"connect-udp6", ConnectUdp6},
        {"bind-tcp", BindTcp},
        {"bind-abstract", BindAbstract},
        {"connect-unix", ConnectUnix},
        {"setresuid", Setresuid},
        {"setresuid-refused", SetresuidRefused},
        {"setgid", Setgid},
        {"module-refused", ModuleRefused},
        {"bpf-map", BpfMap},
        {"exec-missing", ExecMissing},
        {"exec", Exec},
        {"exec-long-argv", ExecLongArgv},
        {"exec-script", ExecScript},
        {"exec-memfd", ExecMemfd},
        {"exit-seven", ExitSeven},
        {"raw-socket", RawSocket},
        {"socket", Socket},
        {"listen", Listen},
        {"accept", Accept},
        {"dns", Dns},
        {"mprotect", Mprotect},
        {"mmap-write-exec", MmapWriteExec},
        {"unshare", Unshare},
        {"setns", Setns},
        {"capset", Capset},
        {"clock-refused", ClockRefused},
        {"kexec-refused", KexecRefused},
        {"delete-module", DeleteModule},
        {"kill", Kill},
        {"ptrace", Ptrace},
    };
    all->insert(more.begin(), more.end());
    return all;
  }();
  return *acts;
}

}  // namespace cairn::acts

int main(int argc, char** argv) {
  const auto& acts = cairn::acts::All();
  if (argc != 2 || acts.find(argv[1]) == acts.end()) {
    for (const auto& [name, act] : acts) printf("%s\n", name.c_str());
    return 2;
  }
  const long ret = acts.at(argv[1])();
  printf("{\"pid\":%d,\"ret\":%ld}\n", getpid(), ret);
  return 0;
}
