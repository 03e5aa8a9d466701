#include "tools/simulators/faulty_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/fd.h"

namespace cairn::simulators {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr size_t kMaxKeptBytes = 64 << 20;

std::string ParentOf(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::optional<std::string> BytesAt(const std::string& path) {
  auto bytes = ReadFile(path, kMaxKeptBytes);
  return bytes.ok() ? std::optional<std::string>(*std::move(bytes)) : std::nullopt;
}

uint64_t SizeOf(int fd) {
  struct stat st;
  return ::fstat(fd, &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

}  // namespace

void FaultyDisk::set_errors(int per_mille) {
  const absl::MutexLock lock(&mutex_);
  errors_ = per_mille;
}

void FaultyDisk::set_fault(const DiskFault& fault) {
  const absl::MutexLock lock(&mutex_);
  fault_ = fault;
  calls_.clear();
}

void FaultyDisk::Mend() {
  const absl::MutexLock lock(&mutex_);
  fault_.reset();
  errors_ = 0;
}

void FaultyDisk::set_lying(bool lying) {
  const absl::MutexLock lock(&mutex_);
  lying_ = lying;
}

void FaultyDisk::Die() {
  const absl::MutexLock lock(&mutex_);
  dead_ = true;
}

uint64_t FaultyDisk::faults() const {
  const absl::MutexLock lock(&mutex_);
  return faults_;
}

uint64_t FaultyDisk::calls(DiskCall call) const {
  const absl::MutexLock lock(&mutex_);
  const auto known = calls_.find(call);
  return known == calls_.end() ? 0 : known->second;
}

bool FaultyDisk::Hit(DiskCall call) {
  const uint64_t of_kind = ++calls_[call];
  const uint64_t of_any = ++calls_[DiskCall::kAny];
  if (!fault_.has_value()) return false;
  if (fault_->call != DiskCall::kAny && fault_->call != call) return false;
  const uint64_t count = fault_->call == DiskCall::kAny ? of_any : of_kind;
  return fault_->stuck ? count >= fault_->at : count == fault_->at;
}

bool FaultyDisk::Fails(DiskCall call) {
  const bool hit = Hit(call);
  if (hit && fault_->power_cut) dead_ = true;
  if (dead_) {
    errno = EIO;
    return true;
  }
  if (hit && fault_->error != 0) {
    ++faults_;
    errno = fault_->error;
    return true;
  }
  if (errors_ == 0 || static_cast<int>((*random_)() % 1000) >= errors_) return false;
  ++faults_;
  errno = call == DiskCall::kWrite ? ENOSPC : EIO;
  return true;
}

int FaultyDisk::Open(const char* path, int flags, mode_t mode) {
  const absl::MutexLock lock(&mutex_);
  if (Fails(DiskCall::kOpen)) return -1;
  const bool creates = (flags & O_CREAT) != 0 && ::access(path, F_OK) != 0;
  const int fd = Io::Open(path, flags, mode);
  if (fd >= 0) paths_[fd] = path;
  if (fd >= 0 && creates) names_[ParentOf(path)].push_back({"", path, std::nullopt});
  return fd;
}

ssize_t FaultyDisk::Write(int fd, const void* data, size_t size) {
  const absl::MutexLock lock(&mutex_);
  const auto path = paths_.find(fd);
  if (path != paths_.end() && !dead_) unsynced_.try_emplace(path->second, SizeOf(fd));
  const uint64_t faults = faults_;
  if (Fails(DiskCall::kWrite)) {
    const int error = errno;
    // The part that got through before the disk said no.
    if (faults_ > faults && error != EINTR) Io::Write(fd, data, (*random_)() % (size + 1));
    errno = error;
    return -1;
  }
  const bool half = fault_.has_value() && fault_->error == 0 && size > 1 &&
                    (fault_->stuck ? calls_[DiskCall::kWrite] >= fault_->at
                                   : calls_[DiskCall::kWrite] == fault_->at);
  return Io::Write(fd, data, half ? size / 2 : size);
}

ssize_t FaultyDisk::Read(int fd, void* data, size_t size) {
  const absl::MutexLock lock(&mutex_);
  return Fails(DiskCall::kRead) ? -1 : Io::Read(fd, data, size);
}

int FaultyDisk::Fdatasync(int fd) {
  const absl::MutexLock lock(&mutex_);
  if (Fails(DiskCall::kFdatasync)) return -1;
  const auto path = paths_.find(fd);
  if (path != paths_.end() && !lying_) unsynced_.erase(path->second);
  return 0;
}

int FaultyDisk::Fsync(int fd) {
  const absl::MutexLock lock(&mutex_);
  if (Fails(DiskCall::kFsync)) return -1;
  const auto path = paths_.find(fd);
  if (path != paths_.end() && !lying_) unsynced_.erase(path->second);
  if (path != paths_.end()) names_.erase(WithoutSlash(path->second));
  return 0;
}

int FaultyDisk::Ftruncate(int fd, off_t size) {
  const absl::MutexLock lock(&mutex_);
  if (Fails(DiskCall::kTruncate)) return -1;
  const auto path = paths_.find(fd);
  const auto safe = path == paths_.end() ? unsynced_.end() : unsynced_.find(path->second);
  if (safe != unsynced_.end()) safe->second = std::min(safe->second, static_cast<uint64_t>(size));
  return Io::Ftruncate(fd, size);
}

// A rename carries what was not yet synced to the new name.
int FaultyDisk::Rename(const char* from, const char* to) {
  const absl::MutexLock lock(&mutex_);
  if (Fails(DiskCall::kRename)) return -1;
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
  NameChange change = {from, to, BytesAt(to)};
  const int renamed = Io::Rename(from, to);
  if (renamed == 0) names_[ParentOf(to)].push_back(std::move(change));
  return renamed;
}

int FaultyDisk::Unlink(const char* path) {
  const absl::MutexLock lock(&mutex_);
  if (Fails(DiskCall::kUnlink)) return -1;
  unsynced_.erase(path);
  NameChange change = {"", path, BytesAt(path)};
  const int removed = Io::Unlink(path);
  if (removed == 0) names_[ParentOf(path)].push_back(std::move(change));
  return removed;
}

int FaultyDisk::Mkdir(const char* path, mode_t mode) {
  const absl::MutexLock lock(&mutex_);
  return Fails(DiskCall::kMkdir) ? -1 : Io::Mkdir(path, mode);
}

// Of bytes [safe, end) of a file: a first part, perhaps with zeros behind it (the length was on
// disk, the bytes were not), or some sectors and not others (they reach the disk in any order).
void FaultyDisk::Lose(int fd, uint64_t safe) {
  const uint64_t size = SizeOf(fd);
  if (size <= safe) return;
  const uint64_t how = (*random_)() % 4;
  if (how < 3) {
    const uint64_t kept = safe + (*random_)() % (size - safe + 1);
    if (::ftruncate(fd, static_cast<off_t>(kept)) != 0) return;
    if (how == 2 && ::ftruncate(fd, static_cast<off_t>(size)) != 0) return;
    return;
  }
  const char zeros[kSectorBytes] = {};
  for (uint64_t at = safe; at < size;) {
    const uint64_t end = std::min(size, (at / kSectorBytes + 1) * kSectorBytes);
    const bool lost = (*random_)() % 3 == 0;
    if (lost && ::pwrite(fd, zeros, end - at, static_cast<off_t>(at)) < 0) return;
    at = end;
  }
}

void FaultyDisk::Undo(const NameChange& change) {
  if (!change.from.empty()) {
    ::rename(change.path.c_str(), change.from.c_str());
  } else if (!change.before.has_value()) {
    ::unlink(change.path.c_str());
  }
  if (!change.before.has_value()) return;
  const Fd fd(::open(change.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (fd.valid()) Io::Write(fd.get(), change.before->data(), change.before->size());
}

void FaultyDisk::UndoNames() {
  for (auto& [dir, changes] : names_) {
    for (size_t lost = (*random_)() % (changes.size() + 1); lost > 0; --lost) {
      Undo(changes.back());
      changes.pop_back();
    }
  }
  names_.clear();
}

void FaultyDisk::Crash() {
  const absl::MutexLock lock(&mutex_);
  dead_ = lying_ = false;
  errors_ = 0;
  fault_.reset();
  paths_.clear();
  UndoNames();
  for (const auto& [path, safe] : unsynced_) {
    ::chmod(path.c_str(), 0640);
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd.valid()) Lose(fd.get(), safe);
  }
  unsynced_.clear();
}

}  // namespace cairn::simulators
