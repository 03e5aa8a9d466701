#include "tools/simulators/faulty_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"

namespace cairn::simulators {

bool FaultyDisk::Fails() {
  if (dead_) {
    errno = EIO;
    return true;
  }
  if (errors_ == 0 || static_cast<int>((*random_)() % 1000) >= errors_) return false;
  ++faults_;
  errno = EIO;
  return true;
}

uint64_t FaultyDisk::SizeOf(int fd) {
  struct stat st;
  return ::fstat(fd, &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

int FaultyDisk::Open(const char* path, int flags, mode_t mode) {
  if (Fails()) return -1;
  const int fd = Io::Open(path, flags, mode);
  if (fd >= 0) paths_[fd] = path;
  return fd;
}

ssize_t FaultyDisk::Write(int fd, const void* data, size_t size) {
  const auto path = paths_.find(fd);
  if (path != paths_.end()) unsynced_.try_emplace(path->second, SizeOf(fd));
  if (Fails()) {
    if (!dead_) Io::Write(fd, data, (*random_)() % (size + 1));  // the part that got through
    errno = ENOSPC;
    return -1;
  }
  return Io::Write(fd, data, size);
}

int FaultyDisk::Fdatasync(int fd) {
  if (Fails()) return -1;
  const auto path = paths_.find(fd);
  if (path != paths_.end()) unsynced_.erase(path->second);
  return 0;
}

int FaultyDisk::Fsync(int) { return Fails() ? -1 : 0; }

int FaultyDisk::Ftruncate(int fd, off_t size) {
  if (Fails()) return -1;
  const auto path = paths_.find(fd);
  const auto safe = path == paths_.end() ? unsynced_.end() : unsynced_.find(path->second);
  if (safe != unsynced_.end()) safe->second = std::min(safe->second, static_cast<uint64_t>(size));
  return Io::Ftruncate(fd, size);
}

// A rename carries what was not yet synced to the new name.
int FaultyDisk::Rename(const char* from, const char* to) {
  if (Fails()) return -1;
  const auto safe = unsynced_.find(from);
  if (safe != unsynced_.end()) {
    unsynced_[to] = safe->second;
    unsynced_.erase(from);
  } else {
    unsynced_.erase(to);
  }
  for (auto& [fd, path] : paths_) {
    if (path == from) path = to;
  }
  return Io::Rename(from, to);
}

int FaultyDisk::Unlink(const char* path) {
  if (Fails()) return -1;
  unsynced_.erase(path);
  return Io::Unlink(path);
}

void FaultyDisk::Crash() {
  dead_ = false;
  errors_ = 0;
  paths_.clear();
  for (const auto& [path, safe] : unsynced_) {
    ::chmod(path.c_str(), 0640);
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid()) continue;
    const uint64_t size = SizeOf(fd.get());
    if (size <= safe) continue;
    const uint64_t kept = safe + (*random_)() % (size - safe + 1);
    if (::ftruncate(fd.get(), static_cast<off_t>(kept)) != 0) continue;
    const bool zeros = (*random_)() % 3 == 0;  // the length was on disk, the bytes were not
    if (zeros && ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) continue;
  }
  unsynced_.clear();
}

}  // namespace cairn::simulators
