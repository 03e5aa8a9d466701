#include "agent/capture/proc_reader.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/capture/strings.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr size_t kMaxArgv = 32 << 10;

// Up to `limit` bytes of a /proc file, which has no size; empty when it cannot be read.
std::string Slurp(const std::string& path, size_t limit) {
  std::string text(limit, '\0');
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  size_t size = 0;
  while (fd.valid() && size < limit) {
    const ssize_t got = read(fd.get(), text.data() + size, limit - size);
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

std::string Link(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t size = readlink(path.c_str(), target, sizeof(target));
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

uint64_t NamespaceInode(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

uint32_t Number(absl::string_view text) {
  uint32_t value = 0;
  return absl::SimpleAtoi(text, &value) ? value : 0;
}

void ReadNamespaces(const std::string& base, Namespaces* out) {
  out->set_mount(NamespaceInode(base + "/ns/mnt"));
  out->set_pid(NamespaceInode(base + "/ns/pid"));
  out->set_net(NamespaceInode(base + "/ns/net"));
  out->set_user(NamespaceInode(base + "/ns/user"));
  out->set_uts(NamespaceInode(base + "/ns/uts"));
  out->set_ipc(NamespaceInode(base + "/ns/ipc"));
  out->set_cgroup(NamespaceInode(base + "/ns/cgroup"));
}

}  // namespace

bool ParseProcStat(absl::string_view text, Process* process) {
  const size_t open = text.find('(');
  const size_t close = text.rfind(')');
  if (open == absl::string_view::npos || close == absl::string_view::npos || close < open) {
    return false;
  }
  SetBytes(text.substr(open + 1, close - open - 1), process->mutable_comm());
  const std::vector<absl::string_view> fields =
      absl::StrSplit(text.substr(close + 1), ' ', absl::SkipEmpty());
  uint64_t ticks;  // field 22; the first after comm is 3
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[19], &ticks)) return false;
  static const uint64_t tick_ns = 1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  process->set_start_ns(ticks * tick_ns);
  process->set_ppid(Number(fields[1]));
  return true;
}

bool ParseProcStatus(absl::string_view text, Process* process) {
  int found = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, "Uid:")) {
      const std::vector<absl::string_view> ids =
          absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
      if (ids.size() != 4) return false;
      process->set_uid(Number(ids[0]));
      process->set_euid(Number(ids[1]));
      process->set_suid(Number(ids[2]));
      process->set_fsuid(Number(ids[3]));
      ++found;
    } else if (absl::ConsumePrefix(&line, "Gid:")) {
      const std::vector<absl::string_view> ids =
          absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
      if (ids.size() != 4) return false;
      process->set_gid(Number(ids[0]));
      process->set_egid(Number(ids[1]));
      process->set_sgid(Number(ids[2]));
      process->set_fsgid(Number(ids[3]));
      ++found;
    } else if (absl::ConsumePrefix(&line, "CapEff:")) {
      uint64_t bits;
      if (absl::SimpleHexAtoi(absl::StripAsciiWhitespace(line), &bits)) {
        process->set_capabilities(bits);
      }
    }
  }
  return found == 2;
}

absl::string_view ParseProcCgroup(absl::string_view text) {
  absl::string_view best;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3 || fields[2].empty()) continue;
    if (fields[0] == "0" && fields[2] != "/") return fields[2];
    if (fields[1] == "pids" || fields[1] == "name=systemd") best = std::max(best, fields[2]);
  }
  return best;
}

absl::Status ReadProcess(const std::string& dir, uint32_t pid, Process* process,
                         std::string* cgroup) {
  const std::string base = absl::StrCat(dir, "/", pid);
  if (!ParseProcStat(Slurp(base + "/stat", 4096), process) ||
      !ParseProcStatus(Slurp(base + "/status", 8192), process)) {
    return absl::NotFoundError(absl::StrCat(base, ": no such process"));
  }
  process->set_pid(pid);
  process->set_snapshot(true);
  process->set_exe(Link(base + "/exe"));
  absl::string_view exe = process->exe();
  if (absl::ConsumeSuffix(&exe, " (deleted)")) {
    process->set_deleted(true);
    process->set_exe(std::string(exe.data(), exe.size()));
  }
  process->set_cwd(Link(base + "/cwd"));
  SetArguments(Slurp(base + "/cmdline", kMaxArgv), process->mutable_argv());
  process->set_auid(~0u);
  process->set_session(~0u);
  uint32_t value;
  if (absl::SimpleAtoi(Slurp(base + "/loginuid", 16), &value)) process->set_auid(value);
  if (absl::SimpleAtoi(Slurp(base + "/sessionid", 16), &value)) process->set_session(value);
  ReadNamespaces(base, process->mutable_namespaces());
  const std::string text = Slurp(base + "/cgroup", 16384);
  SetBytes(ParseProcCgroup(text), cgroup);
  return absl::OkStatus();
}

std::vector<uint32_t> ListProcesses(const std::string& dir) {
  std::vector<uint32_t> pids;
  const auto names = ListDirectory(dir);
  if (!names.ok()) return pids;
  for (const std::string& name : *names) {
    uint32_t pid;
    if (absl::SimpleAtoi(name, &pid)) pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace cairn::capture
