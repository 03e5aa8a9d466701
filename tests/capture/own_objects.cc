#include "tests/capture/own_objects.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

namespace cairn::capture {
namespace {

// The last descriptor of that kind that `fits`.
int Find(const std::string& kind, const std::function<bool(int)>& fits) {
  DIR* dir = opendir("/proc/self/fd");
  int found = -1;
  while (const dirent* entry = readdir(dir)) {
    char target[64] = "";
    (void)!readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
    const int fd = atoi(entry->d_name);
    if (std::string(target).find(kind) != std::string::npos && fits(fd)) found = fd;
  }
  closedir(dir);
  return found;
}

}  // namespace

int OwnMap(const std::string& name) {
  return Find("bpf-map", [&](int fd) {
    bpf_map_info info = {};
    uint32_t size = sizeof(info);
    return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && name == info.name;
  });
}

int OwnLink(const std::string& name) {
  return Find("link", [&](int fd) {
    bpf_link_info link = {};
    uint32_t size = sizeof(link);
    if (bpf_obj_get_info_by_fd(fd, &link, &size) != 0) return false;
    const int program = bpf_prog_get_fd_by_id(link.prog_id);
    bpf_prog_info info = {};
    size = sizeof(info);
    const bool same = bpf_obj_get_info_by_fd(program, &info, &size) == 0 &&
                      name.substr(0, BPF_OBJ_NAME_LEN - 1) == info.name;
    close(program);
    return same;
  });
}

}  // namespace cairn::capture
