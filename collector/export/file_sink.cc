#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/status.h"
#include "collector/export/sink.h"

namespace cairn::collector {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

class FileSink : public Sink {
 public:
  FileSink(std::string path, Fd owned)
      : path_(std::move(path)),
        owned_(std::move(owned)),
        fd_(owned_.valid() ? owned_.get() : STDOUT_FILENO) {}

  absl::Status Write(absl::string_view, absl::string_view, absl::string_view,
                     absl::string_view json) override {
    absl::StrAppend(&buffer_, json, "\n");
    return buffer_.size() < kBufferBytes ? absl::OkStatus() : Drain();
  }

  absl::Status Flush() override {
    RETURN_IF_ERROR(Drain());
    // EINVAL: a pipe or device, which cannot be synced.
    if (owned_.valid() && ::fdatasync(fd_) != 0 && errno != EINVAL) {
      return ErrnoStatus(errno, absl::StrCat("fdatasync ", path_));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Drain() {
    const absl::Status written = WriteAll(Io::Real(), fd_, buffer_, path_);
    buffer_.clear();
    return written;
  }

  const std::string path_;
  const Fd owned_;
  const int fd_;
  std::string buffer_;
};

// A crash may have left half a line: it is cut off, since its record comes again.
absl::Status CutHalfLine(const std::string& path, int fd) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  off_t end = size;
  char last = '\n';
  while (end > 0 && ::pread(fd, &last, 1, end - 1) == 1 && last != '\n') --end;
  if (end == size || ::ftruncate(fd, end) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("truncate ", path));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Sink>> OpenFileSink(const std::string& path) {
  if (path == "-") return std::make_unique<FileSink>("stdout", Fd());
  ASSIGN_OR_RETURN(Fd fd,
                   OpenFile(Io::Real(), path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
  RETURN_IF_ERROR(CutHalfLine(path, fd.get()));
  return std::make_unique<FileSink>(path, std::move(fd));
}

}  // namespace cairn::collector
