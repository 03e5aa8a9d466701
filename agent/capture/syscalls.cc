#include "agent/capture/syscalls.h"

#include <cstdint>

namespace cairn::capture {
namespace {

// System call numbers are for ever: arch/x86/entry/syscalls, include/uapi/asm-generic/unistd.h.
struct Call {
  event_call call;
  int x86_64;  // -1: there is none
  int i386;
  int arm64;
  EventType makes[2];
};

constexpr Call kCalls[] = {
    {CALL_OPEN, 2, 5, -1, {FILE_OPEN, FILE_CREATE}},
    {CALL_CREAT, 85, 8, -1, {FILE_OPEN, FILE_CREATE}},
    {CALL_OPENAT, 257, 295, 56, {FILE_OPEN, FILE_CREATE}},
    {CALL_OPENAT2, 437, 437, 437, {FILE_OPEN, FILE_CREATE}},
    {CALL_OPEN_HANDLE, 304, 342, 265, {FILE_OPEN}},
    {CALL_READ, 0, 3, 63, {FILE_READ}},         // read
    {CALL_READ, 17, 180, 67, {FILE_READ}},      // pread64
    {CALL_READ, 19, 145, 65, {FILE_READ}},      // readv
    {CALL_READ, 295, 333, 69, {FILE_READ}},     // preadv
    {CALL_READ, 327, 378, 286, {FILE_READ}},    // preadv2
    {CALL_WRITE, 1, 4, 64, {FILE_WRITE}},       // write
    {CALL_WRITE, 18, 181, 68, {FILE_WRITE}},    // pwrite64
    {CALL_WRITE, 20, 146, 66, {FILE_WRITE}},    // writev
    {CALL_WRITE, 296, 334, 70, {FILE_WRITE}},   // pwritev
    {CALL_WRITE, 328, 379, 287, {FILE_WRITE}},  // pwritev2
    {CALL_WRITE, 285, 324, 47, {FILE_WRITE}},   // fallocate
    {CALL_SENDFILE, 40, 187, 71, {FILE_READ, FILE_WRITE}},
    {CALL_SENDFILE, -1, 239, -1, {FILE_READ, FILE_WRITE}},  // sendfile64
    {CALL_COPY, 275, 313, 76, {FILE_READ, FILE_WRITE}},     // splice
    {CALL_COPY, 326, 377, 285, {FILE_READ, FILE_WRITE}},    // copy_file_range
    {CALL_MKDIR, 83, 39, -1, {FILE_CREATE}},
    {CALL_MKDIRAT, 258, 296, 34, {FILE_CREATE}},
    {CALL_MKNOD, 133, 14, -1, {FILE_CREATE}},
    {CALL_MKNODAT, 259, 297, 33, {FILE_CREATE}},
    {CALL_SYMLINK, 88, 83, -1, {FILE_CREATE}},
    {CALL_SYMLINKAT, 266, 304, 36, {FILE_CREATE}},
    {CALL_UNLINK, 87, 10, -1, {FILE_DELETE}},
    {CALL_UNLINKAT, 263, 301, 35, {FILE_DELETE}},
    {CALL_RMDIR, 84, 40, -1, {FILE_DELETE}},
    {CALL_RENAME, 82, 38, -1, {FILE_RENAME}},
    {CALL_RENAMEAT, 264, 302, 38, {FILE_RENAME}},
    {CALL_RENAMEAT, 316, 353, 276, {FILE_RENAME}},  // renameat2
    {CALL_LINK, 86, 9, -1, {FILE_LINK}},
    {CALL_LINKAT, 265, 303, 37, {FILE_LINK}},
    {CALL_CHMOD, 90, 15, -1, {FILE_CHMOD}},
    {CALL_FCHMOD, 91, 94, 52, {FILE_CHMOD}},
    {CALL_FCHMODAT, 268, 306, 53, {FILE_CHMOD}},
    {CALL_FCHMODAT, 452, 452, 452, {FILE_CHMOD}},  // fchmodat2
    {CALL_CHOWN, 92, 212, -1, {FILE_CHOWN}},
    {CALL_CHOWN, -1, 182, -1, {FILE_CHOWN}},  // 16-bit ids
    {CALL_LCHOWN, 94, 198, -1, {FILE_CHOWN}},
    {CALL_LCHOWN, -1, 16, -1, {FILE_CHOWN}},
    {CALL_FCHOWN, 93, 207, 55, {FILE_CHOWN}},
    {CALL_FCHOWN, -1, 95, -1, {FILE_CHOWN}},
    {CALL_FCHOWNAT, 260, 298, 54, {FILE_CHOWN}},
    {CALL_TRUNCATE, 76, 92, 45, {FILE_TRUNCATE}},
    {CALL_TRUNCATE, -1, 193, -1, {FILE_TRUNCATE}},  // truncate64
    {CALL_FTRUNCATE, 77, 93, 46, {FILE_TRUNCATE}},
    {CALL_FTRUNCATE, -1, 194, -1, {FILE_TRUNCATE}},
    {CALL_CONNECT, 42, 362, 203, {NET_CONNECT}},
    {CALL_BIND, 49, 361, 200, {NET_BIND}},
    {CALL_SETXATTR, 188, 226, 5, {FILE_XATTR}},
    {CALL_SETXATTR, 189, 227, 6, {FILE_XATTR}},   // lsetxattr
    {CALL_SETXATTR, 197, 235, 14, {FILE_XATTR}},  // removexattr
    {CALL_SETXATTR, 198, 236, 15, {FILE_XATTR}},  // lremovexattr
    {CALL_FSETXATTR, 190, 228, 7, {FILE_XATTR}},
    {CALL_FSETXATTR, 199, 237, 16, {FILE_XATTR}},   // fremovexattr
    {CALL_UTIMES, 132, 30, -1, {FILE_UTIMES}},      // utime
    {CALL_UTIMES, 235, 271, -1, {FILE_UTIMES}},     // utimes
    {CALL_UTIMENSAT, 261, 299, -1, {FILE_UTIMES}},  // futimesat
    {CALL_UTIMENSAT, 280, 320, 88, {FILE_UTIMES}},
    {CALL_UTIMENSAT, -1, 412, -1, {FILE_UTIMES}},  // 64-bit times
    {CALL_DUP, 32, 41, 23, {FILE_DUP}},
    {CALL_DUP, 33, 63, -1, {FILE_DUP}},    // dup2
    {CALL_DUP, 292, 330, 24, {FILE_DUP}},  // dup3
    {CALL_FCNTL, 72, 55, 25, {FILE_DUP}},
    {CALL_FCNTL, -1, 221, -1, {FILE_DUP}},  // fcntl64
    {CALL_PIPE, 22, 42, -1, {FILE_PIPE}},
    {CALL_PIPE, 293, 331, 59, {FILE_PIPE}},                      // pipe2
    {CALL_MMAP, 9, 192, 222, {FILE_MMAP, PROCESS_MEMORY_EXEC}},  // i386: mmap2
    {CALL_MPROTECT, 10, 125, 226, {PROCESS_MEMORY_EXEC}},
    {CALL_MPROTECT, 329, 380, 288, {PROCESS_MEMORY_EXEC}},  // pkey_mprotect
    {CALL_SOCKET, 41, 359, 198, {NET_SOCKET, NET_RAW_SOCKET}},
    {CALL_LISTEN, 50, 363, 201, {NET_LISTEN}},
    {CALL_ACCEPT, 43, -1, 202, {NET_ACCEPT}},
    {CALL_ACCEPT, 288, 364, 242, {NET_ACCEPT}},  // accept4
    {CALL_KILL, 62, 37, 129, {PROCESS_SIGNAL}},
    {CALL_KILL, 200, 238, 130, {PROCESS_SIGNAL}},  // tkill
    {CALL_KILL, 129, 178, 138, {PROCESS_SIGNAL}},  // rt_sigqueueinfo
    {CALL_TGKILL, 234, 270, 131, {PROCESS_SIGNAL}},
    {CALL_TGKILL, 297, 335, 240, {PROCESS_SIGNAL}},  // rt_tgsigqueueinfo
    {CALL_PIDFD_SIGNAL, 424, 424, 424, {PROCESS_SIGNAL}},
    {CALL_MOUNT, 165, 21, 40, {FILE_MOUNT}},
    {CALL_UMOUNT, 166, 52, 39, {FILE_UMOUNT}},
    {CALL_UMOUNT, -1, 22, -1, {FILE_UMOUNT}},
    {CALL_MOVE_MOUNT, 429, 429, 429, {FILE_MOUNT}},
    {CALL_PTRACE, 101, 26, 117, {PROCESS_PTRACE}},
    {CALL_VM_READ, 310, 347, 270, {PROCESS_PTRACE}},
    {CALL_VM_WRITE, 311, 348, 271, {PROCESS_PTRACE}},
    {CALL_KEXEC, 246, 283, 104, {KERNEL_KEXEC}},
    {CALL_KEXEC_FILE, 320, -1, 294, {KERNEL_KEXEC}},
    {CALL_CLOCK_SET, 227, 264, 112, {KERNEL_CLOCK_SET}},
    {CALL_CLOCK_SET, -1, 404, -1, {KERNEL_CLOCK_SET}},  // 64-bit times
    {CALL_SETTIMEOFDAY, 164, 79, 170, {KERNEL_CLOCK_SET}},
    {CALL_ADJTIME, 159, 124, 171, {KERNEL_CLOCK_SET}},
    {CALL_CLOCK_ADJTIME, 305, 343, 266, {KERNEL_CLOCK_SET}},
    {CALL_CLOCK_ADJTIME, -1, 405, -1, {KERNEL_CLOCK_SET}},
    {CALL_UNSHARE, 272, 310, 97, {NS_UNSHARE}},
    {CALL_SETNS, 308, 346, 268, {NS_SETNS}},
    {CALL_BPF, 321, 357, 280, {KERNEL_BPF}},
    {CALL_EXECVE, 59, 11, 221, {PROCESS_EXEC}},
    {CALL_EXECVEAT, 322, 358, 281, {PROCESS_EXEC}},
    {CALL_SETUID, 105, 213, 146, {CRED_SETUID}},  // setuid
    {CALL_SETUID, 113, 203, 145, {CRED_SETUID}},  // setreuid
    {CALL_SETUID, 117, 208, 147, {CRED_SETUID}},  // setresuid
    {CALL_SETUID, 122, 215, 151, {CRED_SETUID}},  // setfsuid
    {CALL_SETUID, -1, 23, -1, {CRED_SETUID}},     // 16-bit ids
    {CALL_SETUID, -1, 70, -1, {CRED_SETUID}},
    {CALL_SETUID, -1, 164, -1, {CRED_SETUID}},
    {CALL_SETUID, -1, 138, -1, {CRED_SETUID}},
    {CALL_SETGID, 106, 214, 144, {CRED_SETGID}},  // setgid
    {CALL_SETGID, 114, 204, 143, {CRED_SETGID}},  // setregid
    {CALL_SETGID, 119, 210, 149, {CRED_SETGID}},  // setresgid
    {CALL_SETGID, 123, 216, 152, {CRED_SETGID}},  // setfsgid
    {CALL_SETGID, 116, 206, 159, {CRED_SETGID}},  // setgroups
    {CALL_SETGID, -1, 46, -1, {CRED_SETGID}},     // 16-bit ids
    {CALL_SETGID, -1, 71, -1, {CRED_SETGID}},
    {CALL_SETGID, -1, 170, -1, {CRED_SETGID}},
    {CALL_SETGID, -1, 139, -1, {CRED_SETGID}},
    {CALL_CAPSET, 126, 185, 91, {CRED_CAPSET}},
    {CALL_INIT_MODULE, 175, 128, 105, {KERNEL_MODULE_LOAD}},
    {CALL_FINIT_MODULE, 313, 350, 273, {KERNEL_MODULE_LOAD}},
    {CALL_DELETE_MODULE, 176, 129, 106, {KERNEL_MODULE_UNLOAD}},
};

int Native(const Call& call) {
#if defined(__x86_64__)
  return call.x86_64;
#elif defined(__aarch64__)
  return call.arm64;
#else
#error "no such architecture yet: add its system call numbers"
#endif
}

int Compat(const Call& call) {
#if defined(__x86_64__)
  return call.i386;
#else
  (void)call;
  return -1;  // 32-bit ARM programs: not yet
#endif
}

void Store(uint8_t* at, uint8_t value) { __atomic_store_n(at, value, __ATOMIC_RELAXED); }

}  // namespace

void FillFilter(const policy::Wanted& wanted, event_filter* filter) {
  for (size_t word = 0; word < EVENT_TYPES / 64; ++word) {
    uint64_t bits = 0;
    for (size_t bit = 0; bit < 64; ++bit) {
      if (wanted.types.test(word * 64 + bit)) bits |= uint64_t{1} << bit;
    }
    __atomic_store_n(&filter->wanted[word], bits, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&filter->env, wanted.env.empty() ? 0u : 1u, __ATOMIC_RELAXED);
  for (const Call& call : kCalls) {
    bool any = false;
    for (const EventType type : call.makes) any |= type != UNKNOWN_EVENT && wanted.Has(type);
    // Credentials keep the process table right, opens the kernel's table of first uses.
    if (call.makes[0] == FILE_OPEN) any |= wanted.Has(FILE_READ) || wanted.Has(FILE_WRITE);
    if (call.makes[0] == CRED_SETUID || call.makes[0] == CRED_SETGID ||
        call.makes[0] == CRED_CAPSET) {
      any = true;
    }
    const uint8_t value = any ? call.call : CALL_NONE;
    if (Native(call) >= 0) Store(&filter->calls[Native(call)], value);
    if (Compat(call) >= 0) Store(&filter->calls32[Compat(call)], value);
  }
}

}  // namespace cairn::capture
