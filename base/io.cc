#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace cairn {

int Io::Open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
ssize_t Io::Write(int fd, const void* data, size_t size) { return ::write(fd, data, size); }
ssize_t Io::Read(int fd, void* data, size_t size) { return ::read(fd, data, size); }
int Io::Fdatasync(int fd) { return ::fdatasync(fd); }
int Io::Fsync(int fd) { return ::fsync(fd); }
int Io::Ftruncate(int fd, off_t size) { return ::ftruncate(fd, size); }
int Io::Rename(const char* from, const char* to) { return ::rename(from, to); }
int Io::Unlink(const char* path) { return ::unlink(path); }
int Io::Mkdir(const char* path, mode_t mode) { return ::mkdir(path, mode); }

Io* Io::Real() {
  static Io* real = new Io;
  return real;
}

absl::StatusOr<Fd> OpenFile(Io* io, const std::string& path, int flags, mode_t mode) {
  for (;;) {
    const int fd = io->Open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return ErrnoStatus(errno, absl::StrCat("open ", path));
  }
}

absl::Status WriteAll(Io* io, int fd, absl::string_view data, absl::string_view path) {
  while (!data.empty()) {
    const ssize_t n = io->Write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("write ", path));
    if (n == 0) return ErrnoStatus(ENOSPC, absl::StrCat("write ", path));
    data.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

namespace {

// All of an open file, or of what a pipe gives.
absl::StatusOr<std::string> ReadOpened(Io* io, int fd, const std::string& path, size_t max_bytes) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if (S_ISDIR(st.st_mode)) return ErrnoStatus(EISDIR, absl::StrCat("read ", path));
  std::string data;
  constexpr size_t kStep = 64 << 10;
  for (;;) {
    const size_t used = data.size();
    const size_t expected = static_cast<size_t>(std::max<off_t>(st.st_size, 0));
    data.resize(used + (expected > used ? std::min(expected - used, max_bytes - used) + 1 : kStep));
    const ssize_t n = io->Read(fd, data.data() + used, data.size() - used);
    if (n < 0 && errno != EINTR) return ErrnoStatus(errno, absl::StrCat("read ", path));
    data.resize(used + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n == 0) return data;
    if (data.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": longer than ", max_bytes, " bytes, the most this file may have"));
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes, Io* io) {
  if (io == nullptr) io = Io::Real();
  ASSIGN_OR_RETURN(const Fd fd, OpenFile(io, path, O_RDONLY));
  return ReadOpened(io, fd.get(), path, max_bytes);
}

absl::StatusOr<std::string> ReadRegularFile(const std::string& path, size_t max_bytes) {
  ASSIGN_OR_RETURN(const Fd fd, OpenFile(Io::Real(), path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if (!S_ISREG(st.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, ": not a file"));
  return ReadOpened(Io::Real(), fd.get(), path, max_bytes);
}

absl::Status SyncDirectory(Io* io, const std::string& path) {
  ASSIGN_OR_RETURN(const Fd fd, OpenFile(io, path, O_RDONLY | O_DIRECTORY));
  if (io->Fsync(fd.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

absl::Status WriteFileDurably(Io* io, const std::string& dir, const std::string& name,
                              absl::string_view data, mode_t mode) {
  const std::string temporary = absl::StrCat(dir, "/.", name, ".tmp");
  const std::string final_path = absl::StrCat(dir, "/", name);
  {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
    absl::StatusOr<Fd> fd = OpenFile(io, temporary, flags, mode);
    // One that a kill left may be read-only, for root without CAP_DAC_OVERRIDE, too.
    if (absl::IsPermissionDenied(fd.status()) && io->Unlink(temporary.c_str()) == 0) {
      fd = OpenFile(io, temporary, flags, mode);
    }
    if (!fd.ok()) return fd.status();
    RETURN_IF_ERROR(WriteAll(io, fd->get(), data, temporary));
    if (io->Fdatasync(fd->get()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("fdatasync ", temporary));
    }
  }
  if (io->Rename(temporary.c_str(), final_path.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rename ", temporary, " to ", final_path));
  }
  return SyncDirectory(io, dir);
}

absl::Status MakeDirectories(Io* io, const std::string& path, mode_t mode) {
  if (path.empty() || path == "/" || path == ".") return absl::OkStatus();
  if (io->Mkdir(path.c_str(), mode) == 0) {
    const size_t slash = path.find_last_of('/');
    return SyncDirectory(io, slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash));
  }
  if (errno == EEXIST) return absl::OkStatus();
  if (errno != ENOENT) return ErrnoStatus(errno, absl::StrCat("mkdir ", path));
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ErrnoStatus(ENOENT, absl::StrCat("mkdir ", path));
  RETURN_IF_ERROR(MakeDirectories(io, path.substr(0, slash), mode));
  return MakeDirectories(io, path, mode);
}

absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (dir == nullptr) return ErrnoStatus(errno, absl::StrCat("open directory ", path));
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return ErrnoStatus(errno, absl::StrCat("read directory ", path));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace cairn
