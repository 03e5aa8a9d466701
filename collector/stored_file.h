// A segment file that is being written: its log appends, any thread makes it durable.
#ifndef CAIRN_COLLECTOR_STORED_FILE_H_
#define CAIRN_COLLECTOR_STORED_FILE_H_

#include <cerrno>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/status.h"

namespace cairn::collector {

// Shared by a log and the syncs under way.
class StoredFile {
 public:
  StoredFile(Io* io, std::string path, Fd fd)
      : io_(io), path_(std::move(path)), fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  // fdatasync, of all that was written before the call. After an error the page cache lies, and
  // the kernel tells it once only: every later call fails too, and none runs beside another, which
  // might be told and this one not. Any thread.
  absl::Status Sync() {
    const absl::MutexLock lock(&mutex_);
    if (error_ == 0 && io_->Fdatasync(fd_.get()) != 0) error_ = errno;
    return error_ == 0 ? absl::OkStatus() : ErrnoStatus(error_, absl::StrCat("fdatasync ", path_));
  }

 private:
  Io* const io_;
  const std::string path_;
  const Fd fd_;
  absl::Mutex mutex_;
  int error_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_STORED_FILE_H_
