#include "base/restrict.h"

#include <cap-ng.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "absl/algorithm/container.h"
#include "base/status.h"

namespace cairn {
namespace {

constexpr int kRefused[] = {
    // Other programs, and other processes' memory.
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(userfaultfd),
    // The kernel itself.
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(acct),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(quotactl), SCMP_SYS(lookup_dcookie),
    // Mounts and namespaces.
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(fsopen), SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(open_tree), SCMP_SYS(mount_setattr),
    SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(unshare), SCMP_SYS(setns),
    SCMP_SYS(open_by_handle_at),
    // Clocks and names.
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
    // Other users.
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid),
    // Ways around a filter of system calls, and what needs none of ours.
    SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
    SCMP_SYS(personality), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key)};

// Where a unit has left nothing to give up there is nothing to do, and capset(2) may be refused.
absl::Status KeepCapabilities(absl::Span<const int> keep) {
  if (capng_get_caps_process() != 0) return absl::InternalError("read own capabilities");
  const auto has = [](capng_type_t set, int capability) {
    return capng_have_capability(set, static_cast<unsigned>(capability)) == 1;
  };
  const bool bounding = has(CAPNG_EFFECTIVE, CAP_SETPCAP);
  std::vector<int> kept;
  bool more = false;
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    const bool wanted = absl::c_linear_search(keep, capability);
    const bool permitted = has(CAPNG_PERMITTED, capability);
    if (wanted && permitted) kept.push_back(capability);
    more |= (!wanted && permitted) || has(CAPNG_INHERITABLE, capability);
  }
  if (!more) return absl::OkStatus();
  capng_clear(CAPNG_SELECT_ALL);
  for (const int capability : kept) {
    capng_updatev(CAPNG_ADD,
                  static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET),
                  capability, -1);
  }
  if (bounding && capng_apply(CAPNG_SELECT_BOUNDS) != 0) {
    return absl::InternalError("give up the bounding set of capabilities");
  }
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) return absl::InternalError("give up capabilities");
  return absl::OkStatus();
}

// EPERM for every family but those two or three.
int RefuseSockets(scmp_filter_ctx filter, Network network) {
  for (int family = 0; family < AF_MAX; ++family) {
    const bool ip = family == AF_INET || family == AF_INET6;
    if (family == AF_UNIX || (network == Network::kIp && ip) ||
        (network == Network::kLocalOnly && family == AF_NETLINK)) {
      continue;
    }
    const int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                       SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)));
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace

absl::Status Restrict(absl::Span<const int> keep, Network network) {
  RETURN_IF_ERROR(KeepCapabilities(keep));
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_ALLOW),
                                                      seccomp_release);
  if (filter == nullptr) return absl::ResourceExhaustedError("seccomp: no memory");
  int error = RefuseSockets(filter.get(), network);
  for (const int call : kRefused) {
    // A call this machine's kernel never had needs no refusal.
    if (error == 0 && call != __NR_SCMP_ERROR) {
      error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
    }
  }
  if (error == 0) error = seccomp_load(filter.get());
  if (error == -EINVAL || error == -ENOSYS) {
    return absl::UnavailableError("this kernel has no seccomp filters");
  }
  return error == 0 ? absl::OkStatus() : ErrnoStatus(-error, "seccomp");
}

}  // namespace cairn
