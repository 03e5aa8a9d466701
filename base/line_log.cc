#include "base/line_log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/io.h"
#include "base/status.h"

namespace cairn {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<LineLog>> LineLog::Open(const std::string& path) {
  auto log = absl::WrapUnique(new LineLog(path));
  const absl::MutexLock lock(&log->mutex_);
  RETURN_IF_ERROR(log->Reopen());
  return log;
}

absl::Status LineLog::Reopen() {
  ASSIGN_OR_RETURN(file_,
                   OpenFile(Io::Real(), path_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
  looked_ = absl::Now();
  return absl::OkStatus();
}

bool LineLog::IsMoved() const {
  struct stat there;
  struct stat ours;
  if (::lstat(path_.c_str(), &there) != 0) return true;
  return ::fstat(file_.get(), &ours) != 0 || there.st_ino != ours.st_ino ||
         there.st_dev != ours.st_dev;
}

absl::Status LineLog::Append(absl::string_view line) {
  const absl::MutexLock lock(&mutex_);
  if (absl::Now() - looked_ >= kLookEvery) {
    looked_ = absl::Now();
    if (IsMoved()) RETURN_IF_ERROR(Reopen());
  }
  return WriteAll(Io::Real(), file_.get(), absl::StrCat(line, "\n"), path_);
}

}  // namespace cairn
