// SYSCALL and URINGOP records with their companions (PATH, CWD, SOCKADDR, EXECVE, ...).
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "agent/capture/audit_calls.h"
#include "agent/capture/audit_decode_parts.h"
#include "agent/capture/audit_names.h"

namespace cairn::capture::audit {
namespace {

// The numbers of a SYSCALL record.
struct Call {
  const AuditCall* known = nullptr;
  absl::string_view text;
  absl::string_view name;
  uint64_t arg[4] = {};
  bool has_args = false;
  bool compat = false;

  // Argument `index`; 0 where the table says there is none.
  uint64_t Arg(int index) const { return index < 0 || index > 3 ? 0 : arg[index]; }
};

Call ReadCall(Decoding* d, absl::string_view text, bool uring) {
  static constexpr absl::string_view kArgs[] = {"a0", "a1", "a2", "a3"};
  Call call;
  call.text = text;
  const uint32_t arch = static_cast<uint32_t>(Number(text, "arch", 16).value_or(0));
  const int number = static_cast<int>(
      Number(text, uring ? absl::string_view("uring_op") : absl::string_view("syscall"))
          .value_or(-1));
  call.name = uring ? AuditUringName(number) : AuditSyscallName(arch, number);
  call.known = FindAuditCall(call.name);
  call.compat = arch != 0 && (arch & kArch64Bit) == 0;
  for (size_t i = 0; i < 4; ++i) {
    const auto value = Number(text, kArgs[i], 16);
    if (value) call.arg[i] = static_cast<uint64_t>(*value);
    call.has_args |= value.has_value();
  }
  d->audit()->set_arch(arch);
  d->audit()->set_syscall(number);
  d->record->set_compat(call.compat);
  if (uring) d->record->set_via(VIA_IO_URING);
  return call;
}

void TakeResult(Decoding* d, absl::string_view text) {
  if (const auto ret = Number(text, "exit")) d->record->set_ret(*ret);
  const absl::string_view success = FindAuditField(text, "success").value;
  if (d->record->has_ret() && !success.empty()) return;
  if (success == "yes") d->record->set_outcome(OUTCOME_SUCCESS);
  if (success == "no") d->record->set_outcome(OUTCOME_FAILURE);
}

// The first PATH record of that nametype (any when empty) and not a parent directory.
std::optional<absl::string_view> FindPath(const Decoding& d, absl::string_view nametype) {
  for (const AuditEvent::Line& line : d.event.lines()) {
    if (line.type != kPath) continue;
    const absl::string_view text = d.event.text(line);
    const absl::string_view type = FindAuditField(text, "nametype").value;
    if (nametype.empty() ? type != "PARENT" : type == nametype) return text;
  }
  return std::nullopt;
}

// A PATH record; a relative name starts at the working directory unless a dirfd was given.
void TakePath(Decoding* d, absl::string_view text, bool at_cwd, File* file) {
  SetPath(AuditFieldBytes(FindAuditField(text, "name")), file);
  if (const auto inode = Number(text, "inode")) file->set_inode(static_cast<uint64_t>(*inode));
  file->set_device(ParseDevice(FindAuditField(text, "dev").value));
  if (const auto mode = Number(text, "mode", 8)) file->set_mode(static_cast<uint32_t>(*mode));
  const auto cwd = d->Find(kCwd);
  if (!cwd || !at_cwd || (!file->path().empty() && file->path()[0] == '/')) return;
  const std::string base = AuditFieldBytes(FindAuditField(*cwd, "cwd"));
  file->set_base(base.substr(0, AuditBounds::kPath));
}

bool StartsAtCwd(const Call& call, int dirfd) {
  return dirfd < 0 || static_cast<int32_t>(call.Arg(dirfd)) == AT_FDCWD;
}

uint32_t AccessOf(uint64_t flags) {
  const uint64_t mode = flags & O_ACCMODE;
  uint32_t access = mode == O_WRONLY ? 2 : mode == O_RDWR ? 3 : 1;
  if (flags & O_APPEND) access |= 4;
  if (flags & O_TRUNC) access |= 8;
  if (flags & O_CREAT) access |= 16;
  if (flags & O_EXCL) access |= 32;
  return access;
}

void TakeOpen(Decoding* d, const Call& call, File* file) {
  uint64_t flags = call.Arg(call.known->args.flags);
  bool has_flags = call.known->args.flags >= 0 && call.has_args;
  if (call.name == "creat") {
    flags = O_CREAT | O_WRONLY | O_TRUNC;
    has_flags = true;
  }
  if (const auto how = d->Find(kOpenat2)) {
    flags = static_cast<uint64_t>(Number(*how, "oflag", 8).value_or(0));
    has_flags = true;
  }
  if (has_flags) {
    file->set_flags(static_cast<uint32_t>(flags));
    file->set_access(AccessOf(flags));
  }
  if (d->record->ret() >= 0 && d->record->has_ret()) {
    file->set_fd(static_cast<int32_t>(d->record->ret()));
  }
}

void TakeFile(Decoding* d, const Call& call) {
  const AuditCall& known = *call.known;
  File* file = d->record->mutable_file();
  const bool two = known.shape == AuditShape::kTwoPaths;
  auto path = two ? FindPath(*d, "DELETE") : std::nullopt;
  for (absl::string_view type : {"CREATE", "DELETE", "NORMAL", ""}) {
    if (!path && !(two && type == "CREATE")) path = FindPath(*d, type);
  }
  if (path) TakePath(d, *path, StartsAtCwd(call, known.args.dirfd), file);
  if (two) {
    if (const auto target = FindPath(*d, "CREATE")) {
      TakePath(d, *target, StartsAtCwd(call, known.args.dirfd2), d->record->mutable_target());
    }
  }
  if (known.args.fd >= 0) file->set_fd(static_cast<int32_t>(call.Arg(known.args.fd)));
  if (known.args.mode >= 0)
    file->set_mode(static_cast<uint32_t>(call.Arg(known.args.mode)) & 07777);
  if (known.shape == AuditShape::kOwner) {
    file->set_uid(static_cast<uint32_t>(call.Arg(known.args.uid)));
    file->set_gid(static_cast<uint32_t>(call.Arg(known.args.uid + 1)));
  }
  if (known.shape == AuditShape::kSize) file->set_size(call.Arg(1));
  if (known.shape == AuditShape::kOpen) {
    TakeOpen(d, call, file);
    if (FindPath(*d, "CREATE")) d->record->set_type(FILE_CREATE);
  }
  if (known.shape == AuditShape::kFlags) d->record->set_flags(call.Arg(known.args.flags));
}

void TakeExec(Decoding* d, const Call& call) {
  TakeArguments(d);
  File* file = d->record->mutable_file();
  if (const auto path = FindPath(*d, "NORMAL")) {
    TakePath(d, *path, StartsAtCwd(call, call.known->args.dirfd), file);
  }
  if (const auto cwd = d->Find(kCwd)) {
    const std::string path = AuditFieldBytes(FindAuditField(*cwd, "cwd"));
    d->actor->process.set_cwd(path.substr(0, AuditBounds::kPath));
  }
}

void TakeSocket(Decoding* d, const Call& call) {
  Net* net = d->record->mutable_net();
  if (call.known->shape == AuditShape::kSocket && call.has_args) {
    net->set_family(static_cast<uint32_t>(call.Arg(0)));
    net->set_socket_type(static_cast<uint32_t>(call.Arg(1)) & 0xf);
    net->set_protocol(static_cast<uint32_t>(call.Arg(2)));
    if (net->socket_type() == SOCK_RAW || net->family() == AF_PACKET) {
      d->record->set_type(NET_RAW_SOCKET);
    }
    return;
  }
  if (call.has_args) net->set_fd(static_cast<int32_t>(call.Arg(0)));
  if (call.name == "listen") net->set_backlog(static_cast<uint32_t>(call.Arg(1)));
  if (const auto address = d->Find(kSockaddr)) {
    TakeSocketAddress(FindAuditField(*address, "saddr").value, call.name == "bind", net);
  }
}

void TakeTarget(Decoding* d, const Call& call) {
  Target* peer = d->record->mutable_peer();
  if (const auto object = d->Find(kObjPid)) {
    peer->set_pid(static_cast<uint32_t>(Number(*object, "opid").value_or(0)));
    peer->set_uid(static_cast<uint32_t>(Number(*object, "ouid").value_or(0)));
    const std::string comm = AuditFieldBytes(FindAuditField(*object, "ocomm"));
    peer->set_comm(comm.substr(0, 15));
  } else if (call.known->args.fd >= 0) {
    peer->set_pid(static_cast<uint32_t>(call.Arg(call.known->args.fd)));
  }
  if (call.known->type == PROCESS_PTRACE) {
    const absl::string_view name = call.known->name;  // docs/events.md, process.ptrace
    peer->set_request(name == "process_vm_readv"    ? uint32_t{PTRACE_PEEKDATA}
                      : name == "process_vm_writev" ? uint32_t{PTRACE_POKEDATA}
                                                    : static_cast<uint32_t>(call.Arg(0)));
  } else {
    peer->set_signal(static_cast<uint32_t>(call.Arg(call.known->args.flags)));
  }
}

void TakeCredentials(Decoding* d) {
  const Process& process = d->actor->process;
  Cred* cred = d->record->mutable_cred();
  if (const auto capset = d->Find(kCapset)) {
    cred->set_inheritable(static_cast<uint64_t>(Number(*capset, "cap_pi", 16).value_or(0)));
    cred->set_permitted(static_cast<uint64_t>(Number(*capset, "cap_pp", 16).value_or(0)));
    cred->set_effective(static_cast<uint64_t>(Number(*capset, "cap_pe", 16).value_or(0)));
  }
  cred->set_uid(process.uid());
  cred->set_euid(process.euid());
  cred->set_suid(process.suid());
  cred->set_fsuid(process.fsuid());
  cred->set_gid(process.gid());
  cred->set_egid(process.egid());
  cred->set_sgid(process.sgid());
  cred->set_fsgid(process.fsgid());
}

void TakeKernel(Decoding* d, const Call& call) {
  Kernel* kernel = d->record->mutable_kernel();
  if (call.name == "bpf") kernel->set_command(static_cast<uint32_t>(call.Arg(0)));
  if (const auto module = d->Find(kKernModule)) kernel->set_name(Bytes(*module, "name"));
  if (const auto step = d->Find(kTimeInjoffset)) {
    const __int128 nanoseconds =
        static_cast<__int128>(Number(*step, "sec").value_or(0)) * 1'000'000'000 +
        Number(*step, "nsec").value_or(0);
    if (nanoseconds > INT64_MIN && nanoseconds < INT64_MAX) {
      kernel->set_clock_step_ns(static_cast<int64_t>(nanoseconds));
    }
  }
}

void TakeMemory(Decoding* d, const Call& call) {
  Memory* memory = d->record->mutable_memory();
  memory->set_address(call.name == "mmap" && d->record->has_ret()
                          ? static_cast<uint64_t>(d->record->ret())
                          : call.Arg(0));
  memory->set_length(call.Arg(1));
  memory->set_protection(static_cast<uint32_t>(call.Arg(2)));
  memory->set_flags(static_cast<uint32_t>(call.Arg(3)));
  if (const auto map = d->Find(kMmap)) {
    d->record->mutable_file()->set_fd(static_cast<int32_t>(Number(*map, "fd").value_or(-1)));
  }
}

// False where this call is not, this time, the event its name stands for.
bool MeansIt(const Decoding& d, const Call& call) {
  if (absl::StrContains(call.name, "adjtime")) {
    return d.Find(kTimeAdjntpval) || d.Find(kTimeInjoffset);  // else it only read
  }
  if (call.name == "clone") return (call.Arg(0) & CLONE_THREAD) == 0;
  if (call.name == "mprotect" || call.name == "pkey_mprotect") {
    return (call.Arg(2) & PROT_EXEC) != 0;
  }
  return true;
}

void TakeShape(Decoding* d, const Call& call) {
  switch (call.known->shape) {
    case AuditShape::kExec:
      return TakeExec(d, call);
    case AuditShape::kSocket:
    case AuditShape::kAddress:
      return TakeSocket(d, call);
    case AuditShape::kTarget:
      return TakeTarget(d, call);
    case AuditShape::kCredentials:
      return TakeCredentials(d);
    case AuditShape::kKernel:
      return TakeKernel(d, call);
    case AuditShape::kMemory:
      return TakeMemory(d, call);
    case AuditShape::kFork:
      if (d->record->ret() > 0) {
        d->record->mutable_peer()->set_pid(static_cast<uint32_t>(d->record->ret()));
      }
      if (call.known->args.flags >= 0) d->record->set_flags(call.Arg(call.known->args.flags));
      return;
    case AuditShape::kExit:
      d->record->set_exit_code(static_cast<int32_t>(call.Arg(0) & 0xff) << 8);
      return;
    case AuditShape::kNamespace:
      return d->record->set_flags(call.Arg(call.known->args.flags));
    default:
      return TakeFile(d, call);
  }
}

}  // namespace

bool DecodeSyscall(Decoding* d) {
  auto text = d->Find(kSyscall);
  const bool uring = !text;
  if (uring) text = d->Find(kUringop);
  if (!text) return false;
  const Call call = ReadCall(d, *text, uring);
  TakeActor(d, *text);
  TakeResult(d, *text);
  if (call.known == nullptr || !MeansIt(*d, call)) return true;
  d->record->set_type(call.known->type);
  TakeShape(d, call);
  return true;
}

void TakeSocketAddress(absl::string_view hex, bool local, Net* net) {
  std::string bytes;
  if (!DecodeHex(hex.substr(0, 2 * sizeof(sockaddr_storage)), &bytes) || bytes.size() < 2) return;
  // The family has the byte order of the machine; none is above 255, so either end names it.
  const uint8_t low = static_cast<uint8_t>(bytes[0]), high = static_cast<uint8_t>(bytes[1]);
  const bool big = low == 0;
  const uint32_t family = big ? high : low;
  net->set_family(family);
  net->set_source(PATH_ARGUMENT);
  const auto port = [&bytes] {
    return static_cast<uint32_t>(static_cast<uint8_t>(bytes[2]) << 8 |
                                 static_cast<uint8_t>(bytes[3]));
  };
  std::string ip;
  if (family == AF_INET && bytes.size() >= 8) ip = bytes.substr(4, 4);
  if (family == AF_INET6 && bytes.size() >= 24) ip = bytes.substr(8, 16);
  if (!ip.empty()) {
    local ? net->set_src_ip(ip) : net->set_dst_ip(ip);
    local ? net->set_src_port(port()) : net->set_dst_port(port());
  } else if (family == AF_UNIX && bytes.size() > 2) {
    const std::string path = bytes.substr(2, sizeof(sockaddr_un::sun_path));
    net->set_path(path[0] == '\0' ? path : path.substr(0, path.find('\0')));
  }
}

}  // namespace cairn::capture::audit
