// A file of lines that grows: alarms, accesses, receipts. Whoever moves it away (logrotate(8))
// finds a new one begun within a second.
#ifndef CAIRN_BASE_LINE_LOG_H_
#define CAIRN_BASE_LINE_LOG_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/fd.h"

namespace cairn {

// Any thread.
class LineLog {
 public:
  // Opens `path` to append, made (0640) when missing; never through a symbolic link.
  static absl::StatusOr<std::unique_ptr<LineLog>> Open(const std::string& path);

  // Appends `line` and a newline with one write, so lines of several processes stay whole. The
  // error names the file.
  absl::Status Append(absl::string_view line);

 private:
  explicit LineLog(std::string path) : path_(std::move(path)) {}
  absl::Status Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsMoved() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  absl::Mutex mutex_;
  Fd file_ ABSL_GUARDED_BY(mutex_);
  absl::Time looked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn

#endif  // CAIRN_BASE_LINE_LOG_H_
