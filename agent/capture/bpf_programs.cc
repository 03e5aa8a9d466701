#include "agent/capture/bpf_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <openssl/sha.h>

#include <bit>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/bpf_error.h"
#include "agent/capture/kernel_features.h"
#include "agent/capture/mapped.h"
#include "agent/capture/open_skeleton.h"
#include "agent/capture/pins.h"
#include "agent/capture/rings.h"
#include "base/status.h"
#include "bpf/cairn.skel.h"
#include "bpf/cairn_helper_reads.skel.h"
#include "bpf/event.h"

namespace cairn::capture {
namespace {

// The kernel's id of a loaded program, and its tag; 0: not loaded.
uint32_t ProgramId(const bpf_program* program, std::string* tag) {
  bpf_prog_info info = {};
  uint32_t size = sizeof(info);
  const int fd = bpf_program__fd(program);
  if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return 0;
  if (tag != nullptr) tag->assign(reinterpret_cast<const char*>(info.tag), sizeof(info.tag));
  return info.id;
}

cairn_bpf* OpenFor(const KernelFeatures& kernel) {
  if (kernel.typed_reads) return cairn_bpf__open();
  size_t size = 0;
  const void* const bytes = cairn_helper_reads_bpf__elf_bytes(&size);
  return OpenSkeleton(cairn_bpf__create_skeleton, cairn_bpf__destroy, bytes, size);
}

}  // namespace

BpfPrograms::~BpfPrograms() { cairn_bpf__destroy(object_); }

int BpfPrograms::map_fd(const char* name) const {
  return bpf_object__find_map_fd_by_name(object_->obj, name);
}

// With security hooks where the kernel allows it, else without; what only some kernels take
// must not cost us the rest.
absl::Status BpfPrograms::Load(uint32_t cpus, uint32_t ring_bytes, const Pins* pins,
                               uint32_t generation) {
  pins_ = pins;
  generation_ = generation;
  cpus_ = cpus;
  ring_bytes_ = ring_bytes;
  Unload();
  RETURN_IF_ERROR(LoadBest());
  RETURN_IF_ERROR(FreezeMaps());
  return WireHandlers();
}

absl::Status BpfPrograms::LoadBest() {
  const KernelFeatures kernel = ReadKernelFeatures();
  if (!kernel.security_hooks) {
    const absl::Status why = ErrnoStatus(kernel.security_hooks_error, "no security hooks");
    reason_ = std::string(why.message());
  } else if (LoadWith(kernel, true, true).ok() && AttachAll(SecurityHooks()).ok()) {
    name_ = "lsm";
    reason_ = "security hooks are traced";
    return absl::OkStatus();
  } else {
    reason_ = absl::StrCat("no security hooks: ", LibbpfSaid());
    Unload();
  }
  if (LoadWith(kernel, false, true).ok()) return absl::OkStatus();
  absl::StrAppend(&reason_, "; no io_uring, no DNS: ", LibbpfSaid());
  Unload();
  return LoadWith(kernel, false, false);
}

void BpfPrograms::Unload() {
  ListenToLibbpf();
  wired_.clear();
  link_ids_.clear();
  cairn_bpf__destroy(std::exchange(object_, nullptr));
}

absl::Status BpfPrograms::LoadWith(const KernelFeatures& kernel, bool hooks, bool extras) {
  object_ = OpenFor(kernel);
  if (object_ == nullptr) return BpfError(errno, "open the BPF object");
  object_->rodata->generation = generation_;
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
  SizeMaps(hooks);
  RETURN_IF_ERROR(PinMaps());
  const int error = cairn_bpf__load(object_);
  return error == 0 ? absl::OkStatus() : BpfError(error, "load the BPF programs");
}

void BpfPrograms::SizeMaps(bool hooks) {
  const auto& maps = object_->maps;
  const LaneShape shape(ring_bytes_);
  object_->rodata->lane_chunk_bits = static_cast<uint32_t>(std::countr_zero(shape.chunk_bytes));
  object_->rodata->lane_chunks = shape.chunks;
  bpf_map__set_value_size(maps.lanes, shape.chunk_bytes + LANE_SLACK);
  bpf_map__set_max_entries(maps.lanes, cpus_ * LANES * shape.chunks);
  bpf_map__set_max_entries(maps.slots, hooks ? 128 : 1);
  bpf_map__set_max_entries(maps.rings, cpus_ * RING_BUFFERS);
  bpf_map__set_max_entries(maps.scratches, cpus_);
  bpf_map__set_max_entries(maps.counters, cpus_);
  bpf_map__set_max_entries(maps.marks, cpus_);
}

// From now on no process can write to them, as to the records of a ring buffer.
absl::Status BpfPrograms::FreezeMaps() {
  for (bpf_map* map : {object_->maps.lanes, object_->maps.counters}) {
    const int fd = bpf_map__fd(map);
    const bool taken_over = generation_ > 1;  // frozen by the run that made it, or not ours
    if (!taken_over && bpf_map_freeze(fd) != 0) {
      return BpfError(errno, absl::StrCat("freeze ", bpf_map__name(map)));
    }
    Mapped<char> writable;
    if (!absl::IsPermissionDenied(writable.Map(fd, 1))) {
      return absl::FailedPreconditionError(
          absl::StrCat(bpf_map__name(map), " can be written to by processes"));
    }
  }
  return absl::OkStatus();
}

// Slots and the scratches of packets and requests only matter while one call is under way.
std::vector<bpf_map*> BpfPrograms::PinnedMaps() const {
  const auto& maps = object_->maps;
  return {maps.rings,   maps.lanes,    maps.scratches,     maps.counters, maps.marks,
          maps.filters, maps.guards,   maps.verdicts,      maps.buckets,  maps.handlers,
          maps.seen,    maps.requests, maps.uring_handlers};
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

uint32_t BpfPrograms::RunOn(const bpf_program* program, uint32_t index) const {
  const uint64_t arguments[] = {index};
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments, .ctx_size_in = sizeof(arguments));
  return bpf_prog_test_run_opts(bpf_program__fd(program), &options) == 0 ? options.retval : 0;
}

void BpfPrograms::WarmRings() const {
  for (uint32_t i = 0; i < cpus_ * RING_BUFFERS; ++i) {
    while (RunOn(object_->progs.warm_ring, i) == 1) {
    }
  }
  uint32_t chunk = 0;
  while (RunOn(object_->progs.warm_chunk, chunk) == 1) ++chunk;
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
