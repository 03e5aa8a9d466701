#include "agent/capture/audit_names.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::capture {
namespace {

struct Named {
  int number;
  absl::string_view name;
};
struct Arch {
  uint32_t elf;
  absl::string_view name;
  const Named* calls;
  size_t count;
};

#include "agent/capture/audit_tables.inc"

// enum io_uring_op, linux/io_uring.h.
constexpr absl::string_view kUring[] = {"nop",
                                        "readv",
                                        "writev",
                                        "fsync",
                                        "read_fixed",
                                        "write_fixed",
                                        "poll_add",
                                        "poll_remove",
                                        "sync_file_range",
                                        "sendmsg",
                                        "recvmsg",
                                        "timeout",
                                        "timeout_remove",
                                        "accept",
                                        "async_cancel",
                                        "link_timeout",
                                        "connect",
                                        "fallocate",
                                        "openat",
                                        "close",
                                        "files_update",
                                        "statx",
                                        "read",
                                        "write",
                                        "fadvise",
                                        "madvise",
                                        "send",
                                        "recv",
                                        "openat2",
                                        "epoll_ctl",
                                        "splice",
                                        "provide_buffers",
                                        "remove_buffers",
                                        "tee",
                                        "shutdown",
                                        "renameat",
                                        "unlinkat",
                                        "mkdirat",
                                        "symlinkat",
                                        "linkat",
                                        "msg_ring",
                                        "fsetxattr",
                                        "setxattr",
                                        "fgetxattr",
                                        "getxattr",
                                        "socket",
                                        "uring_cmd",
                                        "send_zc",
                                        "sendmsg_zc",
                                        "read_multishot",
                                        "waitid",
                                        "futex_wait",
                                        "futex_wake",
                                        "futex_waitv",
                                        "fixed_fd_install",
                                        "ftruncate",
                                        "bind",
                                        "listen"};

const Named* Find(const Named* begin, const Named* end, int number) {
  const Named* found = std::lower_bound(
      begin, end, number, [](const Named& named, int wanted) { return named.number < wanted; });
  return found != end && found->number == number ? found : nullptr;
}

}  // namespace

std::string AuditTypeName(uint16_t type) {
  const Named* found = Find(std::begin(kTypes), std::end(kTypes), type);
  return found != nullptr ? std::string(found->name.data(), found->name.size())
                          : absl::StrCat("UNKNOWN[", type, "]");
}

std::optional<uint16_t> AuditTypeByName(absl::string_view name) {
  uint32_t number = 0;
  if (absl::ConsumePrefix(&name, "UNKNOWN[")) {
    if (!absl::ConsumeSuffix(&name, "]") || !absl::SimpleAtoi(name, &number) || number > 0xffff) {
      return std::nullopt;
    }
    return static_cast<uint16_t>(number);
  }
  for (const Named& named : kTypes) {
    if (named.name == name) return static_cast<uint16_t>(named.number);
  }
  return std::nullopt;
}

absl::string_view AuditSyscallName(uint32_t arch, int number) {
  for (const Arch& known : kArches) {
    if (known.elf != arch) continue;
    const Named* found = Find(known.calls, known.calls + known.count, number);
    return found != nullptr ? found->name : absl::string_view();
  }
  return {};
}

absl::string_view AuditUringName(int op) {
  if (op < 0 || op >= static_cast<int>(std::size(kUring))) return {};
  return kUring[op];
}

absl::string_view AuditArchName(uint32_t arch) {
  for (const Arch& known : kArches) {
    if (known.elf == arch) return known.name;
  }
  return {};
}

}  // namespace cairn::capture
