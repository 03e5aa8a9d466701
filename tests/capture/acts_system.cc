#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <string>

#include "tests/capture/acts.h"

namespace cairn::acts {
namespace {

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
long StepClock(int seconds) {
  timespec when;
  clock_gettime(CLOCK_REALTIME, &when);
  when.tv_sec += seconds;
  return Result(clock_settime(CLOCK_REALTIME, &when));
}
long ClockAhead() { return StepClock(2); }
long ClockBack() { return StepClock(-2); }
long KexecRefused() { return Result(syscall(SYS_kexec_load, 0, 1, nullptr, 12345678)); }
long DeleteModule() {
  // On a page that is in memory: a kernel without modules refuses before it looks at the name.
  std::string name = "no_such_module";
  return Result(syscall(SYS_delete_module, name.c_str(), 0));
}
long Setreuid() { return Result(syscall(SYS_setreuid, 1004, 1005)); }
long Setfsuid() { return Result(syscall(SYS_setfsuid, 1006)); }
long Setresgid() { return Result(syscall(SYS_setresgid, 1001, 1002, 1003)); }
long SetgidRefused() {
  (void)!syscall(SYS_setresuid, 1001, 1001, 1001);
  return Result(syscall(SYS_setgid, 1));
}
long CapsetRefused() {  // more than it has
  (void)!Capset();
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {{1, 1, 0}, {0, 0, 0}};
  return Result(syscall(SYS_capset, &header, data));
}
long InitModuleRefused() { return Result(syscall(SYS_init_module, "x", 1, "")); }
long BpfRefused() {
  bpf_attr attr = {};
  attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  __builtin_memcpy(attr.prog_name, "cairn_acts", 10);
  return Result(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}
long MmapCode() {  // of a file: no memory made code, but a mapping of code
  const int fd = open("/bin/true", O_RDONLY);
  void* at = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  return at == MAP_FAILED ? Result(-1) : reinterpret_cast<long>(at);
}
long UnshareRefused() { return Result(unshare(0x1)); }
long SetnsRefused() { return Result(setns(open("/dev/null", O_RDONLY), 0)); }
// What happens inside of new namespaces; the file is named as the root there sees it.
long OpenInNamespaces() {
  if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) != 0) return Result(-1);
  return Result(open("old", O_RDONLY));
}

}  // namespace

void AddSystemActs(std::map<std::string, Act>* acts) {
  const std::map<std::string, Act> more = {
      {"setresuid", Setresuid},
      {"setresuid-refused", SetresuidRefused},
      {"setreuid", Setreuid},
      {"setfsuid", Setfsuid},
      {"setgid", Setgid},
      {"setresgid", Setresgid},
      {"setgid-refused", SetgidRefused},
      {"capset", Capset},
      {"capset-refused", CapsetRefused},
      {"module-refused", ModuleRefused},
      {"init-module-refused", InitModuleRefused},
      {"delete-module", DeleteModule},
      {"bpf-map", BpfMap},
      {"bpf-refused", BpfRefused},
      {"kexec-refused", KexecRefused},
      {"clock-refused", ClockRefused},
      {"clock-ahead", ClockAhead},
      {"clock-back", ClockBack},
      {"mprotect", Mprotect},
      {"mmap-write-exec", MmapWriteExec},
      {"mmap-code", MmapCode},
      {"unshare", Unshare},
      {"unshare-refused", UnshareRefused},
      {"setns", Setns},
      {"setns-refused", SetnsRefused},
      {"open-in-namespaces", OpenInNamespaces},
  };
  acts->insert(more.begin(), more.end());
}

}  // namespace cairn::acts
