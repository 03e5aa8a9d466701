#include "agent/capture/bpf_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <openssl/sha.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/capture/kernel_features.h"
#include "agent/capture/pins.h"
#include "base/log.h"
#include "base/status.h"
#include "bpf/cairn.skel.h"
#include "bpf/event.h"

namespace cairn::capture {
namespace {

std::string* LastWords() {
  static auto* words = new std::string;
  return words;
}

// Keeps libbpf's last warning, which says why the kernel refused.
int KeepWarning(libbpf_print_level level, const char* format, va_list args) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  const int length = vsnprintf(line, sizeof(line), format, args);
  if (length > 0 && LastWords()->empty()) {
    *LastWords() = std::string(absl::StripSuffix(line, "\n"));
  }
  return 0;
}

absl::Status BpfError(int error, absl::string_view what) {
  absl::Status status = ErrnoStatus(error < 0 ? -error : error, what);
  if (LastWords()->empty()) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), " (", *LastWords(), ")"));
}

enum class LinkState { kAttached, kDetached, kClosed };

// `id` 0: not known yet, and then set.
LinkState StateOf(const bpf_link* link, uint32_t* id) {
  bpf_link_info info = {};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &size) != 0) return LinkState::kClosed;
  if (*id == 0) *id = info.id;
  if (info.id != *id) return LinkState::kClosed;
  const bool detached = info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == 0;
  return detached ? LinkState::kDetached : LinkState::kAttached;
}

// The kernel's id of a loaded program, and its tag; 0: not loaded.
uint32_t ProgramId(const bpf_program* program, std::string* tag) {
  bpf_prog_info info = {};
  uint32_t size = sizeof(info);
  const int fd = bpf_program__fd(program);
  if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return 0;
  if (tag != nullptr) tag->assign(reinterpret_cast<const char*>(info.tag), sizeof(info.tag));
  return info.id;
}

}  // namespace

BpfPrograms::~BpfPrograms() { cairn_bpf__destroy(object_); }

int BpfPrograms::map_fd(const char* name) const {
  return bpf_object__find_map_fd_by_name(object_->obj, name);
}

void BpfPrograms::Detach() { cairn_bpf__detach(object_); }

// With security hooks where the kernel allows it, else without; what only some kernels take
// must not cost us the rest.
absl::Status BpfPrograms::Load(uint32_t cpus, const Pins* pins, uint32_t generation) {
  pins_ = pins;
  generation_ = generation;
  LastWords()->clear();
  libbpf_set_print(KeepWarning);
  RETURN_IF_ERROR(LoadBest(cpus));
  return WireHandlers();
}

absl::Status BpfPrograms::LoadBest(uint32_t cpus) {
  const KernelFeatures kernel = ReadKernelFeatures();
  if (!kernel.security_hooks) {
    const absl::Status why = ErrnoStatus(kernel.security_hooks_error, "no security hooks");
    reason_ = std::string(why.message());
  } else if (LoadWith(cpus, kernel, true, true).ok() && AttachAll(SecurityHooks()).ok()) {
    name_ = "lsm";
    reason_ = "security hooks are traced";
    return absl::OkStatus();
  } else {
    reason_ = absl::StrCat("no security hooks: ", *LastWords());
    Unload();
  }
  if (LoadWith(cpus, kernel, false, true).ok()) return absl::OkStatus();
  absl::StrAppend(&reason_, "; no io_uring, no DNS: ", *LastWords());
  Unload();
  return LoadWith(cpus, kernel, false, false);
}

void BpfPrograms::Unload() {
  LastWords()->clear();
  wired_.clear();
  link_ids_.clear();
  cairn_bpf__destroy(std::exchange(object_, nullptr));
}

BpfPrograms::Hooks BpfPrograms::SecurityHooks() {
  const auto& progs = object_->progs;
  auto& links = object_->links;
  return {{progs.see_unlink, &links.see_unlink},   {progs.see_rmdir, &links.see_rmdir},
          {progs.see_mkdir, &links.see_mkdir},     {progs.see_mknod, &links.see_mknod},
          {progs.see_symlink, &links.see_symlink}, {progs.see_chmod, &links.see_chmod},
          {progs.see_chown, &links.see_chown},     {progs.see_truncate, &links.see_truncate},
          {progs.see_link, &links.see_link},       {progs.see_rename, &links.see_rename}};
}

absl::Status BpfPrograms::LoadWith(uint32_t cpus, const KernelFeatures& kernel, bool hooks,
                                   bool extras) {
  object_ = cairn_bpf__open();
  if (object_ == nullptr) return BpfError(errno, "open the BPF object");
  object_->rodata->generation = generation_;
  object_->rodata->typed_reads = kernel.typed_reads;
  object_->rodata->complete_has_cqe = kernel.complete_has_cqe;
  const auto& progs = object_->progs;
  // Before 6.4 the request is this tracepoint's first argument from 5.19 on; older: no io_uring.
  bpf_program__set_autoload(progs.uring_submit_sqe, extras && kernel.uring_submit_sqe);
  bpf_program__set_autoload(progs.uring_submit_req, extras && kernel.uring_submit_req);
  bpf_program__set_autoload(progs.uring_complete, extras && kernel.uring_complete);
  bpf_program__set_autoload(progs.uring_connect, extras && kernel.uring_complete);
  bpf_program__set_autoload(progs.dns_out, extras);
  bpf_program__set_autoload(progs.dns_in, extras);
  object_->rodata->has_hooks = hooks;
  for (const auto& [program, link] : SecurityHooks()) bpf_program__set_autoload(program, hooks);
  auto& maps = object_->maps;
  bpf_map__set_max_entries(maps.slots, hooks ? 128 : 1);
  bpf_map__set_max_entries(maps.rings, cpus * RINGS);
  bpf_map__set_max_entries(maps.scratches, cpus);
  bpf_map__set_max_entries(maps.counters, cpus);
  RETURN_IF_ERROR(PinMaps());
  const int error = cairn_bpf__load(object_);
  return error == 0 ? absl::OkStatus() : BpfError(error, "load the BPF programs");
}

// Slots and the scratches of packets and requests only matter while one call is under way.
std::vector<bpf_map*> BpfPrograms::PinnedMaps() const {
  const auto& maps = object_->maps;
  return {maps.rings,  maps.scratches,      maps.counters, maps.filters,
          maps.guards, maps.verdicts,       maps.buckets,  maps.handlers,
          maps.seen,   maps.uring_handlers, maps.requests};
}

// libbpf takes what is pinned at a map's path, or pins the map there.
absl::Status BpfPrograms::PinMaps() {
  if (pins_ == nullptr) return absl::OkStatus();
  for (bpf_map* map : PinnedMaps()) {
    const int error = bpf_map__set_pin_path(map, pins_->Path(bpf_map__name(map)).c_str());
    if (error != 0) return BpfError(error, "pin a map");
  }
  return absl::OkStatus();
}

std::string BpfPrograms::LinkName(const bpf_program* program) const {
  return absl::StrCat("link_", bpf_program__name(program), "_", generation_);
}

absl::Status BpfPrograms::PinLink(const bpf_program* program, bpf_link* link) const {
  if (pins_ == nullptr) return absl::OkStatus();
  const std::string path = pins_->Path(LinkName(program));
  const int error = bpf_link__pin(link, path.c_str());
  return error == 0 ? absl::OkStatus() : BpfError(error, absl::StrCat("pin ", path));
}

absl::Status BpfPrograms::SetHandler(uint32_t first, uint32_t last, const bpf_program* program) {
  for (uint32_t call = first; call <= last; ++call) {
    RETURN_IF_ERROR(Wire(object_->maps.handlers, call, program));
  }
  return absl::OkStatus();
}

absl::Status BpfPrograms::Wire(bpf_map* table, uint32_t entry, const bpf_program* program) {
  wired_[{table, entry}] = program;
  const int fd = bpf_program__fd(program);
  if (bpf_map_update_elem(bpf_map__fd(table), &entry, &fd, BPF_ANY) == 0) return absl::OkStatus();
  return BpfError(errno, absl::StrCat("wire ", bpf_program__name(program)));
}

absl::Status BpfPrograms::WireHandlers() {
  const auto& progs = object_->progs;
  RETURN_IF_ERROR(SetHandler(CALL_OPEN, CALL_OPEN_HANDLE, progs.call_open));
  RETURN_IF_ERROR(SetHandler(CALL_WRITE, CALL_WRITE, progs.call_write));
  RETURN_IF_ERROR(SetHandler(CALL_READ, CALL_READ, progs.call_read));
  RETURN_IF_ERROR(SetHandler(CALL_SENDFILE, CALL_COPY, progs.call_copy));
  RETURN_IF_ERROR(SetHandler(CALL_MKDIR, CALL_RMDIR, progs.call_path));
  RETURN_IF_ERROR(SetHandler(CALL_RENAME, CALL_LINKAT, progs.call_two_paths));
  RETURN_IF_ERROR(SetHandler(CALL_CHMOD, CALL_TRUNCATE, progs.call_path));
  for (const uint32_t call : {CALL_FCHMOD, CALL_FCHOWN, CALL_FTRUNCATE}) {
    RETURN_IF_ERROR(SetHandler(call, call, progs.call_fd));
  }
  RETURN_IF_ERROR(SetHandler(CALL_CONNECT, CALL_BIND, progs.call_address));
  RETURN_IF_ERROR(SetHandler(CALL_BPF, CALL_BPF, progs.call_bpf));
  RETURN_IF_ERROR(SetHandler(CALL_EXECVE, CALL_EXECVEAT, progs.call_exec));
  RETURN_IF_ERROR(SetHandler(CALL_SETUID, CALL_CAPSET, progs.call_cred));
  RETURN_IF_ERROR(SetHandler(CALL_SETXATTR, CALL_UTIMENSAT, progs.call_path));
  RETURN_IF_ERROR(SetHandler(CALL_FSETXATTR, CALL_FSETXATTR, progs.call_fd));
  RETURN_IF_ERROR(SetHandler(CALL_DUP, CALL_PIPE, progs.call_made));
  RETURN_IF_ERROR(SetHandler(CALL_MMAP, CALL_MPROTECT, progs.call_plain));
  RETURN_IF_ERROR(SetHandler(CALL_SOCKET, CALL_ACCEPT, progs.call_socket));
  RETURN_IF_ERROR(SetHandler(CALL_KILL, CALL_PIDFD_SIGNAL, progs.call_plain));
  RETURN_IF_ERROR(SetHandler(CALL_MOUNT, CALL_UMOUNT, progs.call_mount));
  RETURN_IF_ERROR(SetHandler(CALL_MOVE_MOUNT, CALL_MOVE_MOUNT, progs.call_two_paths));
  RETURN_IF_ERROR(SetHandler(CALL_PTRACE, CALL_SETNS, progs.call_plain));
  if (bpf_program__autoload(progs.uring_connect)) {
    RETURN_IF_ERROR(Wire(object_->maps.uring_handlers, 0, progs.uring_connect));
  }
  return SetHandler(CALL_INIT_MODULE, CALL_DELETE_MODULE, progs.call_module);
}

BpfPrograms::Hooks BpfPrograms::AlwaysHooks() {
  const auto& progs = object_->progs;
  auto& links = object_->links;
  return {
      {progs.process_exec, &links.process_exec},
      {progs.process_fork, &links.process_fork},
      {progs.process_exit, &links.process_exit},
      {progs.uring_submit_sqe, &links.uring_submit_sqe},
      {progs.uring_submit_req, &links.uring_submit_req},
      {progs.uring_complete, &links.uring_complete},
      {progs.sys_exit, &links.sys_exit},
  };
}

BpfPrograms::Hooks BpfPrograms::AllHooks() {
  Hooks hooks = AlwaysHooks();
  for (const auto& hook : SecurityHooks()) hooks.push_back(hook);
  const auto& progs = object_->progs;
  auto& links = object_->links;
  hooks.push_back({progs.enter_close, &links.enter_close});
  hooks.push_back({progs.dns_out, &links.dns_out});
  hooks.push_back({progs.dns_in, &links.dns_in});
  return hooks;
}

absl::Status BpfPrograms::Attach() { return AttachAll(AlwaysHooks()); }

absl::Status BpfPrograms::AttachAll(const Hooks& hooks) {
  for (const auto& [program, link] : hooks) {
    if (!bpf_program__autoload(program)) continue;
    RETURN_IF_ERROR(AttachWhile(true, program, false, link));
  }
  return absl::OkStatus();
}

absl::Status BpfPrograms::AttachWhile(bool wanted, bpf_program* program, bool to_cgroup,
                                      bpf_link** link) {
  if (wanted == (*link != nullptr)) return absl::OkStatus();
  uint32_t& id = link_ids_[program] = 0;
  if (!wanted) {
    if (pins_ != nullptr) unlink(pins_->Path(LinkName(program)).c_str());
    bpf_link__destroy(std::exchange(*link, nullptr));
    return absl::OkStatus();
  }
  *link =
      to_cgroup ? bpf_program__attach_cgroup(program, cgroup_.get()) : bpf_program__attach(program);
  if (*link == nullptr) {
    return BpfError(errno, absl::StrCat("attach ", bpf_program__name(program)));
  }
  (void)StateOf(*link, &id);
  return PinLink(program, *link);
}

absl::Status BpfPrograms::AttachWanted(bool close, bool dns) {
  const auto& progs = object_->progs;
  auto& links = object_->links;
  RETURN_IF_ERROR(AttachWhile(close, progs.enter_close, false, &links.enter_close));
  if (!bpf_program__autoload(progs.dns_out)) return absl::OkStatus();
  if (dns && !cgroup_.valid()) cgroup_ = OpenRootCgroup();
  if (dns && !cgroup_.valid()) {
    LogWarning("no unified control group hierarchy is mounted: no net.dns events");
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(AttachWhile(dns, progs.dns_out, true, &links.dns_out));
  return AttachWhile(dns, progs.dns_in, true, &links.dns_in);
}

void BpfPrograms::Repair(absl::FunctionRef<void(const std::string&)> sink) {
  for (const auto& [at, program] : wired_) {
    const int map = bpf_map__fd(at.first);
    uint32_t id = 0;
    const int found = bpf_map_lookup_elem(map, &at.second, &id);  // gives the program's id
    if (found == 0 && id == ProgramId(program, nullptr)) continue;
    const bool restored = Wire(at.first, at.second, program).ok();
    sink(absl::StrCat("entry ", at.second, " of ", bpf_map__name(at.first), " (",
                      bpf_program__name(program), ") was ", found == 0 ? "replaced" : "deleted",
                      restored ? "; put back" : ""));
  }
  for (bpf_map* map : PinnedMaps()) {
    if (pins_ != nullptr) pins_->Repair(bpf_map__name(map), bpf_map__fd(map), sink);
  }
  RepairLinks(sink);
}

void BpfPrograms::RepairLinks(absl::FunctionRef<void(const std::string&)> sink) {
  const auto& progs = object_->progs;
  for (const auto& [program, link] : AllHooks()) {
    if (*link == nullptr) continue;
    const LinkState state = StateOf(*link, &link_ids_[program]);
    if (state == LinkState::kAttached) {
      if (pins_ != nullptr) pins_->Repair(LinkName(program), bpf_link__fd(*link), sink);
      continue;
    }
    // The number of a descriptor that was closed may be somebody else's by now: left alone.
    bpf_link* gone = std::exchange(*link, nullptr);
    if (pins_ != nullptr) unlink(pins_->Path(LinkName(program)).c_str());
    if (state == LinkState::kDetached) bpf_link__destroy(gone);
    const bool to_cgroup = program == progs.dns_out || program == progs.dns_in;
    const bool again = AttachWhile(true, program, to_cgroup, link).ok();
    sink(absl::StrCat("the link of ", bpf_program__name(program), " was ",
                      state == LinkState::kClosed ? "closed" : "detached",
                      again ? "; attached again" : ""));
  }
}

void BpfPrograms::FillHeartbeat(const std::string& filter, Heartbeat* heartbeat) const {
  std::string digested = filter;
  bpf_program* program;
  bpf_object__for_each_program(program, object_->obj) {
    std::string tag;
    if (ProgramId(program, &tag) == 0) continue;
    heartbeat->add_programs(
        absl::StrCat(bpf_program__name(program), ":", absl::BytesToHexString(tag)));
    digested += tag;
  }
  for (const auto& [at, handler] : wired_) {
    uint32_t id = 0;
    const bool there = bpf_map_lookup_elem(bpf_map__fd(at.first), &at.second, &id) == 0;
    const bool ours = there && id == ProgramId(handler, nullptr);
    absl::StrAppend(&digested, bpf_map__name(at.first), at.second, ":",
                    ours ? bpf_program__name(handler) : "none", ";");
  }
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(digested.data()), digested.size(), digest);
  heartbeat->set_maps_digest(digest, sizeof(digest));
}

}  // namespace cairn::capture
