#include "agent/capture/pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/rings.h"
#include "base/io.h"
#include "base/status.h"
#include "bpf/event_maps.h"

namespace cairn::capture {
namespace {

bool OnBpfFs(const std::string& path) {
  struct statfs about = {};
  return statfs(path.c_str(), &about) == 0 && about.f_type == BPF_FS_MAGIC;
}

absl::Status MountAbove(const std::string& dir) {
  const std::string parent = dir.substr(0, dir.find_last_of('/'));
  if (OnBpfFs(parent)) return absl::OkStatus();
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), parent, 0700));
  if (mount("bpf", parent.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    return ErrnoStatus(errno, absl::StrCat("mount a BPF file system at ", parent));
  }
  return absl::OkStatus();
}

// Does the only value of the pinned `filters` fit this program?
bool Fits(const event_filter& filter, uint32_t ring_bytes) {
  return filter.format == EVENT_FORMAT && filter.ring_bytes == ring_bytes && filter.generation != 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Pins>> Pins::Claim(const std::string& dir) {
  auto pins = absl::WrapUnique(new Pins(dir));
  RETURN_IF_ERROR(MountAbove(dir));
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make ", dir));
  }
  if (!OnBpfFs(dir)) {
    return absl::FailedPreconditionError(absl::StrCat(dir, ": not on a BPF file system"));
  }
  pins->lock_.Reset(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!pins->lock_.valid()) return ErrnoStatus(errno, absl::StrCat("open ", dir));
  if (flock(pins->lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::AlreadyExistsError(absl::StrCat(dir, ": another cairnd has it"));
  }
  return pins;
}

std::string Pins::Path(absl::string_view name) const { return absl::StrCat(dir_, "/", name); }

uint32_t Pins::Left(const std::string& dir, uint32_t asked_ring_bytes) {
  const auto cpus = static_cast<uint32_t>(libbpf_num_possible_cpus());
  const uint32_t ring_bytes = FittingRingBytes(asked_ring_bytes, cpus);
  const auto open = [&dir](absl::string_view name) {
    return Fd(bpf_obj_get(absl::StrCat(dir, "/", name).c_str()));
  };
  const Fd filters = open("filters");
  const Fd rings = open("rings");
  bpf_map_info of_filters = {}, of_rings = {};
  uint32_t size = sizeof(of_filters);
  event_filter filter = {};
  const uint32_t zero = 0;
  bool fits = filters.valid() && rings.valid() &&
              bpf_obj_get_info_by_fd(filters.get(), &of_filters, &size) == 0 &&
              bpf_obj_get_info_by_fd(rings.get(), &of_rings, &size) == 0 &&
              of_filters.value_size == sizeof(filter) &&
              of_rings.max_entries == cpus * RING_BUFFERS &&
              bpf_map_lookup_elem(filters.get(), &zero, &filter) == 0 && Fits(filter, ring_bytes);
  for (uint32_t i = 0; fits && i < cpus * RING_BUFFERS; ++i)
    fits = open(absl::StrCat("ring_", i)).valid();
  return fits ? filter.generation : 0;
}

uint32_t Pins::Inspect(uint32_t asked_ring_bytes) {
  const uint32_t left = Left(dir_, asked_ring_bytes);
  if (left == 0) Clear();
  return left;
}

void Pins::Repair(absl::string_view name, int fd,
                  absl::FunctionRef<void(const std::string&)> sink) const {
  const std::string path = Path(name);
  if (access(path.c_str(), F_OK) == 0 || errno != ENOENT) return;
  const bool restored = bpf_obj_pin(fd, path.c_str()) == 0;
  sink(absl::StrCat(path, " was unpinned", restored ? "; pinned again" : ""));
}

template <typename Wanted>
void Pins::Unlink(Wanted wanted) {
  std::vector<std::string> names;
  DIR* dir = opendir(dir_.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.' && wanted(absl::string_view(entry->d_name))) {
      names.emplace_back(entry->d_name);
    }
  }
  closedir(dir);
  for (const std::string& name : names) unlink(Path(name).c_str());
}

// Links first: without them nothing writes to the rest.
void Pins::Clear() {
  Unlink([](absl::string_view name) { return absl::StartsWith(name, "link_"); });
  Unlink([](absl::string_view) { return true; });
}

void Pins::ClearOldLinks(absl::string_view suffix) {
  Unlink([&](absl::string_view name) {
    return absl::StartsWith(name, "link_") && !absl::EndsWith(name, suffix);
  });
}

}  // namespace cairn::capture
