// The system calls that durable state depends on, behind one table so that the fault
// suite (tests/fault) can make each of them fail.
#ifndef CAIRN_BASE_IO_H_
#define CAIRN_BASE_IO_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"

namespace cairn {

// Each member is the system call of its name: result, errno and all. Any thread.
class Io {
 public:
  virtual ~Io() = default;
  virtual int Open(const char* path, int flags, mode_t mode);
  virtual ssize_t Write(int fd, const void* data, size_t size);
  virtual ssize_t Read(int fd, void* data, size_t size);
  virtual int Fdatasync(int fd);
  virtual int Fsync(int fd);
  virtual int Ftruncate(int fd, off_t size);
  virtual int Rename(const char* from, const char* to);
  virtual int Unlink(const char* path);
  virtual int Mkdir(const char* path, mode_t mode);

  static Io* Real();  // lives for ever
};

// Opens `path`; O_CLOEXEC is added. The error names the path.
absl::StatusOr<Fd> OpenFile(Io* io, const std::string& path, int flags, mode_t mode = 0);

// Writes all of `data`, through short writes and EINTR. `path` is for the error. After an
// error an unknown part may have been written.
absl::Status WriteAll(Io* io, int fd, absl::string_view data, absl::string_view path);

// The whole file. ResourceExhausted when longer than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes, Io* io = nullptr);

// The same where others may have put what they like in its place: never through a link, and a pipe
// blocks nobody. InvalidArgument: no regular file.
absl::StatusOr<std::string> ReadRegularFile(const std::string& path, size_t max_bytes);

// Replaces DIR/NAME so that after a crash it holds either the old bytes or the new:
//   open(DIR/.NAME.tmp) write fdatasync rename fsync(DIR)
absl::Status WriteFileDurably(Io* io, const std::string& dir, const std::string& name,
                              absl::string_view data, mode_t mode);

// mkdir(path) and its missing parents, fsyncing each directory that changed. Existing is OK.
absl::Status MakeDirectories(Io* io, const std::string& path, mode_t mode);

// fsync(path), a directory: makes creations, renames and removals in it durable.
absl::Status SyncDirectory(Io* io, const std::string& path);

// Names in `path`, sorted, without "." and "..".
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);

}  // namespace cairn

#endif  // CAIRN_BASE_IO_H_
