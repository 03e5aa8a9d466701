#include "cli/audit_status.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/status.h"

namespace cairn::cli {
namespace {

constexpr size_t kMaxTable = 4 << 20;

// Inode numbers of all audit sockets: /proc/net/netlink, protocol 9, last column.
std::set<std::string> AuditSockets() {
  std::set<std::string> inodes;
  const auto table = ReadFile("/proc/net/netlink", kMaxTable);
  if (!table.ok()) return inodes;
  for (const absl::string_view line : absl::StrSplit(*table, '\n')) {
    const std::vector<absl::string_view> columns =
        absl::StrSplit(line, ' ', absl::SkipWhitespace());
    if (columns.size() > 3 && columns[1] == absl::StrCat(NETLINK_AUDIT) && columns[2] != "0") {
      inodes.insert(absl::StrCat("socket:[", columns.back(), "]"));
    }
  }
  return inodes;
}

bool Holds(const std::string& fd_dir, const std::set<std::string>& sockets) {
  const auto names = ListDirectory(fd_dir);
  if (!names.ok()) return false;
  for (const std::string& name : *names) {
    char target[64];
    const ssize_t n = ::readlink(absl::StrCat(fd_dir, "/", name).c_str(), target, sizeof(target));
    if (n > 0 && sockets.count(std::string(target, static_cast<size_t>(n))) != 0) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<audit_status> ReadAuditStatus() {
  const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT));
  if (!fd.valid()) return absl::UnavailableError("this kernel has no audit");
  const timeval patience = {.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  nlmsghdr request = {};
  request.nlmsg_len = NLMSG_LENGTH(0);
  request.nlmsg_type = AUDIT_GET;
  request.nlmsg_flags = NLM_F_REQUEST;
  if (::send(fd.get(), &request, request.nlmsg_len, 0) < 0) return ErrnoStatus(errno, "AUDIT_GET");
  for (;;) {
    alignas(nlmsghdr) char buffer[1024] = {};
    const ssize_t n = ::recv(fd.get(), buffer, sizeof(buffer), 0);
    if (n < static_cast<ssize_t>(NLMSG_LENGTH(0))) return ErrnoStatus(errno, "AUDIT_GET");
    nlmsghdr header;
    std::memcpy(&header, buffer, sizeof(header));
    const size_t body = static_cast<size_t>(n) - NLMSG_LENGTH(0);
    if (header.nlmsg_type == NLMSG_ERROR && body >= sizeof(int)) {
      int error = 0;
      std::memcpy(&error, buffer + NLMSG_LENGTH(0), sizeof(error));
      if (error != 0) return ErrnoStatus(-error, "AUDIT_GET");
    }
    if (header.nlmsg_type != AUDIT_GET) continue;
    audit_status status = {};  // an older kernel's is shorter
    std::memcpy(&status, buffer + NLMSG_LENGTH(0), std::min(body, sizeof(status)));
    return status;
  }
}

std::vector<std::string> AuditListeners() {
  std::vector<std::string> listeners;
  const std::set<std::string> sockets = AuditSockets();
  const auto processes = ListDirectory("/proc");
  if (!processes.ok()) return listeners;
  for (const std::string& pid : *processes) {
    int number = 0;
    if (!absl::SimpleAtoi(pid, &number) || !Holds(absl::StrCat("/proc/", pid, "/fd"), sockets)) {
      continue;
    }
    const auto name = ReadFile(absl::StrCat("/proc/", pid, "/comm"), 64);
    listeners.push_back(
        absl::StrCat(name.ok() ? absl::StripAsciiWhitespace(*name) : "?", " (", pid, ")"));
  }
  return listeners;
}

}  // namespace cairn::cli
