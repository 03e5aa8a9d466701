// A disk that fails when told to, and forgets at a crash what was not synced.
#ifndef CAIRN_TOOLS_SIMULATORS_FAULTY_DISK_H_
#define CAIRN_TOOLS_SIMULATORS_FAULTY_DISK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/io.h"

namespace cairn::simulators {

enum class DiskCall {
  kAny,
  kOpen,
  kRead,
  kWrite,
  kFdatasync,
  kFsync,
  kTruncate,
  kRename,
  kUnlink,
  kMkdir
};

// What goes wrong: the `at`th call of its kind (from 1), and every later one when `stuck`.
struct DiskFault {
  DiskCall call = DiskCall::kAny;
  uint64_t at = 1;
  int error = 5;  // errno; 0: a write takes only half of its bytes, and succeeds
  bool stuck = false;
  bool power_cut = false;  // instead: this call and every later one do nothing, as after Die
};

// Nothing is really synced: what was is known. Any thread; a fault's place and a seed replay
// exactly where one thread makes the calls.
class FaultyDisk : public Io {
 public:
  explicit FaultyDisk(std::mt19937_64* random) : random_(random) {}

  // Chance in a thousand that a call fails (EIO from fdatasync, ENOSPC from write, after a
  // short write).
  void set_errors(int per_mille);
  void set_fault(const DiskFault& fault);
  void Mend();  // no more errors and faults
  // fdatasync says yes and does nothing.
  void set_lying(bool lying);
  // From now on every call fails: the machine is gone.
  void Die();
  // Loses what was not synced: each such file is cut, or cut and filled up with zeros, or loses
  // some of its sectors; of each directory the newest creations, renames and removals since its
  // last fsync are undone, as many as chance wills (new directories stay). Works again after it.
  void Crash();

  uint64_t faults() const;
  uint64_t calls(DiskCall call) const;  // since the last set_fault

  int Open(const char* path, int flags, mode_t mode) override;
  ssize_t Write(int fd, const void* data, size_t size) override;
  ssize_t Read(int fd, void* data, size_t size) override;
  int Fdatasync(int fd) override;
  int Fsync(int fd) override;
  int Ftruncate(int fd, off_t size) override;
  int Rename(const char* from, const char* to) override;
  int Unlink(const char* path) override;
  int Mkdir(const char* path, mode_t mode) override;

 private:
  // A change of a directory that a crash may undo. `from` is empty but for a rename; `before`:
  // the bytes of the file that was at `path`, if there was one.
  struct NameChange {
    std::string from;
    std::string path;
    std::optional<std::string> before;
  };

  void UndoNames() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Undo(const NameChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets errno when true.
  bool Fails(DiskCall call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Hit(DiskCall call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Lose(int fd, uint64_t safe) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::mt19937_64* const random_ ABSL_PT_GUARDED_BY(mutex_);
  int errors_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<DiskFault> fault_ ABSL_GUARDED_BY(mutex_);
  std::map<DiskCall, uint64_t> calls_ ABSL_GUARDED_BY(mutex_);
  bool lying_ ABSL_GUARDED_BY(mutex_) = false;
  bool dead_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t faults_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int, std::string> paths_ ABSL_GUARDED_BY(mutex_);  // of open files
  // path -> bytes that are safe, where some are not
  std::map<std::string, uint64_t> unsynced_ ABSL_GUARDED_BY(mutex_);
  // directory -> what was changed in it since its last fsync, oldest first
  std::map<std::string, std::vector<NameChange>> names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::simulators

#endif  // CAIRN_TOOLS_SIMULATORS_FAULTY_DISK_H_
