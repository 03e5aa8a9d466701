#include "agent/capture/shield.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/capture/kernel_features.h"
#include "agent/capture/open_skeleton.h"
#include "agent/capture/proc_reader.h"
#include "base/io.h"
#include "base/status.h"
#include "bpf/event_maps.h"
#include "bpf/shield.skel.h"
#include "bpf/shield_helper_reads.skel.h"

namespace cairn::capture {
namespace {

constexpr char kModules[] = "/sys/kernel/security/lsm";

absl::Status CheckModules() {
  const auto text = ReadFile(kModules, 4096);
  if (!text.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(kModules, " cannot be read: is securityfs mounted?"));
  }
  for (const absl::string_view name : absl::StrSplit(absl::StripSuffix(*text, "\n"), ',')) {
    if (name == "bpf") return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("bpf is not among the kernel's security modules (", *text,
                   "): add it to lsm= on the kernel's command line"));
}

// When this process began, rounded down to a tick as /proc does.
uint64_t OwnStart() {
  Process self;
  std::string cgroup;
  const auto pid = static_cast<uint32_t>(::getpid());
  return ReadProcess("/proc", pid, &self, &cgroup).ok() ? self.start_ns() : 0;
}

uint32_t KindOf(absl::string_view link) {
  if (absl::StrContains(link, "bpf-map")) return OBJECT_MAP;
  if (absl::StrContains(link, "bpf-prog")) return OBJECT_PROGRAM;
  if (absl::StrContains(link, "bpf_link") || absl::StrContains(link, "bpf-link")) {
    return OBJECT_LINK;
  }
  return 0;
}

// The kernel's id of the object behind `fd`; 0: none. All three begin with type and id.
uint32_t IdOf(int fd) {
  union {
    bpf_map_info map;
    bpf_prog_info program;
    bpf_link_info link;
  } info = {};
  uint32_t size = sizeof(info);
  return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.map.id : 0;
}

absl::Status Failed(absl::string_view what) { return ErrnoStatus(errno, what); }

}  // namespace

Shield::~Shield() { shield_bpf__destroy(object_); }

absl::Status Shield::Protect(const ShieldOptions& options, const ShieldMaps& maps) {
  RETURN_IF_ERROR(CheckModules());
  absl::Status status = Load(maps);
  if (status.ok()) status = Fill(options);
  if (status.ok()) status = ProtectObjects();
  if (status.ok() && shield_bpf__attach(object_) != 0) status = Failed("attach the shield");
  if (status.ok()) status = ProtectObjects();  // its own links too
  if (!status.ok()) shield_bpf__destroy(std::exchange(object_, nullptr));
  return status;
}

absl::Status Shield::Load(const ShieldMaps& maps) {
  size_t size = 0;
  const void* const bytes = shield_helper_reads_bpf__elf_bytes(&size);
  object_ = ReadKernelFeatures().typed_reads
                ? shield_bpf__open()
                : OpenSkeleton(shield_bpf__create_skeleton, shield_bpf__destroy, bytes, size);
  if (object_ == nullptr) return Failed("open the shield");
  if (bpf_map__reuse_fd(object_->maps.rings, maps.rings) != 0 ||
      bpf_map__reuse_fd(object_->maps.counters, maps.counters) != 0 ||
      bpf_map__reuse_fd(object_->maps.filters, maps.filters) != 0) {
    return Failed("share maps with the shield");
  }
  return shield_bpf__load(object_) == 0 ? absl::OkStatus() : Failed("load the shield");
}

absl::Status Shield::Fill(const ShieldOptions& options) {
  const uint32_t zero = 0;
  const event_shield shield = {.agent_start_ns = OwnStart(),
                               .agent = static_cast<uint32_t>(::getpid()),
                               .manager = static_cast<uint32_t>(::getppid())};
  if (bpf_map_update_elem(bpf_map__fd(object_->maps.shields), &zero, &shield, BPF_ANY) != 0) {
    return Failed("tell the shield whom to protect");
  }
  for (const std::string& path : options.paths) RETURN_IF_ERROR(AddFile(path, SHIELDED));
  for (const std::string& path : options.open_paths) RETURN_IF_ERROR(AddFile(path, SHIELD_OPEN));
  return absl::OkStatus();
}

absl::Status Shield::AddFile(const std::string& path, uint32_t kind) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return absl::OkStatus();
  const event_shielded_file key = {.inode = status.st_ino,
                                   .device = major(status.st_dev) << 20 | minor(status.st_dev)};
  const int map = bpf_map__fd(object_->maps.shielded_files);
  return bpf_map_update_elem(map, &key, &kind, BPF_ANY) == 0
             ? absl::OkStatus()
             : Failed(absl::StrCat(path, ": tell the shield of it"));
}

absl::Status Shield::LetOthersWrite(const std::string& path) {
  return object_ == nullptr ? absl::OkStatus() : AddFile(path, SHIELD_OPEN);
}

absl::Status Shield::ProtectObjects() {
  if (object_ == nullptr) return absl::OkStatus();
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir("/proc/self/fd"), ::closedir);
  if (dir == nullptr) return Failed("/proc/self/fd: open");
  while (const dirent* entry = ::readdir(dir.get())) {
    char target[64];
    const ssize_t size = ::readlinkat(::dirfd(dir.get()), entry->d_name, target, sizeof(target));
    const uint32_t kind =
        size > 0 ? KindOf(absl::string_view(target, static_cast<size_t>(size))) : 0;
    int fd = -1;
    const uint32_t id = kind != 0 && absl::SimpleAtoi(entry->d_name, &fd) ? IdOf(fd) : 0;
    if (id == 0) continue;
    const event_shielded_object key = {.kind = kind, .id = id};
    if (bpf_map_update_elem(bpf_map__fd(object_->maps.shielded_objects), &key, &kind, BPF_ANY)) {
      return Failed("tell the shield of a BPF object");
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::capture
