// SHA-256 of executables, for policies that ask for it.
#ifndef CAIRN_AGENT_CAPTURE_EXE_HASH_H_
#define CAIRN_AGENT_CAPTURE_EXE_HASH_H_

#include <sys/stat.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>

#include "base/fd.h"
#include "proto/record.pb.h"

namespace cairn::capture {

struct ExeHashLimits {
  uint64_t file_bytes = 512 << 20;            // longer ones have no hash
  uint64_t wait_ns = 20'000'000;              // for one file
  uint64_t wait_per_second_ns = 100'000'000;  // in all
  size_t files = 4096;                        // known hashes
  size_t queue = 64;                          // files that wait to be read
};

// A thread reads the files; whoever asks waits for it, but never long: a file that takes longer,
// or lies on a file system that hangs, has its hash from the next exec on, or never. Known hashes
// are kept by device, inode, change time and size. Fill: one thread.
class ExeHash {
 public:
  explicit ExeHash(ExeHashLimits limits = {}) : limits_(limits) {}
  ~ExeHash();

  // Sets process->exe_hash, where it is to be had. `inode`, `device`: of the executable, as
  // stat(2) says; 0: not known, and the path has to do. `time_ns`: when it ran, boot-time clock.
  void Fill(uint64_t inode, uint64_t device, uint64_t time_ns, Process* process);

 private:
  using Key = std::tuple<uint64_t, uint64_t, int64_t, uint32_t, uint64_t>;
  struct Job {
    Fd file;  // O_PATH
    Key key;
  };

  static Key KeyOf(const struct ::statx& status);
  Fd Open(const Process& process, uint64_t inode, uint64_t device, uint64_t time_ns,
          struct ::statx* status);
  bool IsSame(uint64_t inode, uint64_t device, const struct ::statx& status,
              const std::string& proc);
  std::string Wait(std::unique_lock<std::mutex>* lock, const Key& key, uint64_t now_ns);
  void Work();
  std::string Read(const Job& job) const;
  void Keep(const Key& key, std::string hash);

  const ExeHashLimits limits_;
  std::mutex mutex_;
  std::condition_variable asked_, answered_;
  std::deque<Job> jobs_;              // guarded by mutex_
  std::map<Key, std::string> known_;  // guarded by mutex_; "": cannot be read
  std::deque<Key> oldest_;            // guarded by mutex_; order of known_
  bool stopping_ = false;             // guarded by mutex_
  std::thread thread_;
  // Fill's: the kernel's inode and device, and the file that is known to be it.
  std::set<std::tuple<uint64_t, uint64_t, Key>> same_;
  uint64_t second_ = 0, waited_ns_ = 0;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_EXE_HASH_H_
