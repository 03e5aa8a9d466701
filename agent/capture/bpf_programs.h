// The BPF programs of bpf/: loaded at the best level the kernel takes, wired, attached, watched.
#ifndef CAIRN_AGENT_CAPTURE_BPF_PROGRAMS_H_
#define CAIRN_AGENT_CAPTURE_BPF_PROGRAMS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/fd.h"
#include "proto/record.pb.h"

struct bpf_link;
struct bpf_map;
struct bpf_program;
struct cairn_bpf;

namespace cairn::capture {

struct KernelFeatures;
class Pins;

// One thread; one at a time in a process, since libbpf's messages are the process's.
class BpfPrograms {
 public:
  BpfPrograms() = default;
  BpfPrograms(const BpfPrograms&) = delete;
  BpfPrograms& operator=(const BpfPrograms&) = delete;
  ~BpfPrograms();  // detaches and unloads

  // Loads and wires for `cpus` cpus and rings of `ring_bytes`. PermissionDenied, Unavailable,
  // Internal: the kernel refuses; the message has libbpf's first complaint. With `pins` (may be
  // null; outlives this), maps that are pinned there are taken and others pinned, as are links;
  // `generation` is written to the filter by the caller after Attach.
  absl::Status Load(uint32_t cpus, uint32_t ring_bytes, const Pins* pins, uint32_t generation);
  // Touches all pages of new rings. Of ring buffers by records that the reader is to skip: they are
  // full then.
  void WarmRings() const;
  // What is always attached; call when the maps are filled.
  absl::Status Attach();
  // What costs every call, or every packet, is attached only while it is wanted.
  absl::Status AttachWanted(bool close, bool dns);
  // Pinned links stay.
  void Detach();

  // Calls `sink` for each entry of the tables of programs that somebody changed, each link that
  // was closed or detached and each of both that was unpinned, and puts it back.
  void Repair(absl::FunctionRef<void(const std::string&)> sink);
  // Program names with their tags, and a digest over them, those tables and `filter`.
  void FillHeartbeat(const std::string& filter, Heartbeat* heartbeat) const;

  // Of one of our maps, by its name in bpf/maps.h.
  int map_fd(const char* name) const;
  const std::string& name() const { return name_; }      // "tracepoint" or "lsm"
  const std::string& reason() const { return reason_; }  // why that one

 private:
  using Hooks = std::vector<std::pair<bpf_program*, bpf_link**>>;

  absl::Status LoadBest();
  absl::Status PinMaps();
  std::vector<bpf_map*> PinnedMaps() const;
  absl::Status PinLink(const bpf_program* program, bpf_link* link) const;
  std::string LinkName(const bpf_program* program) const;
  absl::Status LoadWith(const KernelFeatures& kernel, bool hooks, bool extras);
  void SizeMaps(bool hooks);
  absl::Status FreezeMaps();
  uint32_t RunOn(const bpf_program* program, uint32_t index) const;
  void Unload();
  Hooks SecurityHooks();
  Hooks AlwaysHooks();
  Hooks AllHooks();
  absl::Status AttachAll(const Hooks& hooks);
  // Attached while `wanted`; to the root of the unified hierarchy if `to_cgroup`.
  absl::Status AttachWhile(bool wanted, bpf_program* program, bool to_cgroup, bpf_link** link);
  void RepairLinks(absl::FunctionRef<void(const std::string&)> sink);
  absl::Status WireHandlers();
  absl::Status SetHandler(uint32_t first, uint32_t last, const bpf_program* program);
  absl::Status Wire(bpf_map* table, uint32_t entry, const bpf_program* program);

  cairn_bpf* object_ = nullptr;
  const Pins* pins_ = nullptr;
  uint32_t generation_ = 1;
  uint32_t cpus_ = 0;
  uint32_t ring_bytes_ = 0;
  std::string name_ = "tracepoint";
  std::string reason_;
  Fd cgroup_;  // the root of the unified hierarchy
  // By table and entry: enum event_call, or 0 of uring_handlers.
  std::map<std::pair<bpf_map*, uint32_t>, const bpf_program*> wired_;
  std::map<const bpf_program*, uint32_t> link_ids_;  // of those attached
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_BPF_PROGRAMS_H_
