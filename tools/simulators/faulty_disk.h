// A collector's disk that fails when told to, and forgets at a crash what was not synced.
#ifndef CAIRN_TOOLS_SIMULATORS_FAULTY_DISK_H_
#define CAIRN_TOOLS_SIMULATORS_FAULTY_DISK_H_

#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "base/io.h"

namespace cairn::simulators {

// One thread.
class FaultyDisk : public Io {
 public:
  explicit FaultyDisk(std::mt19937_64* random) : random_(random) {}

  // Chance in a thousand that a call fails (EIO from fdatasync, ENOSPC from write, after a
  // short write).
  void set_errors(int per_mille) { errors_ = per_mille; }
  // From now on every call fails: the machine is gone.
  void Die() { dead_ = true; }
  // Cuts each file somewhere behind what was synced, sometimes with zeros in its place, and
  // works again.
  void Crash();
  uint64_t faults() const { return faults_; }

  int Open(const char* path, int flags, mode_t mode) override;
  ssize_t Write(int fd, const void* data, size_t size) override;
  int Fdatasync(int fd) override;
  int Fsync(int fd) override;
  int Ftruncate(int fd, off_t size) override;
  int Rename(const char* from, const char* to) override;
  int Unlink(const char* path) override;

 private:
  bool Fails();
  static uint64_t SizeOf(int fd);

  std::mt19937_64* const random_;
  int errors_ = 0;
  bool dead_ = false;
  uint64_t faults_ = 0;
  std::map<int, std::string> paths_;          // of open files
  std::map<std::string, uint64_t> unsynced_;  // path -> bytes that are safe, where some are not
};

}  // namespace cairn::simulators

#endif  // CAIRN_TOOLS_SIMULATORS_FAULTY_DISK_H_
