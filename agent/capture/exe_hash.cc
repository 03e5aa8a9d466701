#include "agent/capture/exe_hash.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

std::string TargetOf(int fd) {
  char target[4096];
  const ssize_t size =
      ::readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), target, sizeof(target));
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : "";
}

// File systems on which the kernel's own device and inode are not what stat(2) says.
bool RenumbersFiles(int fd) {
  struct statfs status;
  return ::fstatfs(fd, &status) == 0 &&
         (status.f_type == OVERLAYFS_SUPER_MAGIC || status.f_type == BTRFS_SUPER_MAGIC);
}

// Never waits for a file system's server: attributes as the kernel has them.
bool Attributes(int fd, struct statx* out) {
  return ::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, out) == 0;
}

bool IsInode(const struct statx& status, uint64_t inode, uint64_t device) {
  return inode != 0 && status.stx_ino == inode &&
         makedev(status.stx_dev_major, status.stx_dev_minor) == device;
}

// What a process runs, as the kernel says it of one that is still there.
bool IsRunning(int fd, uint64_t inode, uint64_t device, const std::string& exe) {
  struct statx status;
  if (!Attributes(fd, &status) || !S_ISREG(status.stx_mode)) return false;
  return IsInode(status, inode, device) ||
         ((inode == 0 || RenumbersFiles(fd)) && TargetOf(fd) == exe);
}

// The file that is found by the name of what ran at `time_ns`: that inode, or, where inodes do not
// tell, a file that has not changed since, its name included.
bool IsStill(int fd, uint64_t inode, uint64_t device, const std::string& exe, uint64_t time_ns) {
  struct statx status;
  if (!Attributes(fd, &status) || !S_ISREG(status.stx_mode)) return false;
  if (IsInode(status, inode, device)) return true;
  const absl::Duration ago = absl::Nanoseconds(static_cast<int64_t>(BootNs() - time_ns));
  const absl::Time changed =
      absl::FromUnixSeconds(status.stx_ctime.tv_sec) + absl::Nanoseconds(status.stx_ctime.tv_nsec);
  return RenumbersFiles(fd) && TargetOf(fd) == exe && changed <= absl::Now() - ago;
}

// By name, below the root of a process that is still there, and only out of the kernel's memory.
Fd OpenBelow(const std::string& root, const std::string& exe) {
  const Fd dir(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_CACHED;
  return Fd(static_cast<int>(::syscall(SYS_openat2, dir.get(), exe.c_str(), &how, sizeof(how))));
}

// The executable of `process`, which may be gone already: then its parent's root has it.
Fd OpenExe(const Process& process, uint64_t inode, uint64_t device, uint64_t time_ns) {
  Fd fd(::open(absl::StrCat("/proc/", process.pid(), "/exe").c_str(), O_PATH | O_CLOEXEC));
  if (fd.valid() && IsRunning(fd.get(), inode, device, process.exe())) return fd;
  if (inode == 0 || process.exe().empty() || process.exe()[0] != '/') return Fd();
  for (const std::string& root :
       {std::string("/"), absl::StrCat("/proc/", process.ppid(), "/root")}) {
    fd = OpenBelow(root, process.exe());
    if (fd.valid() && IsStill(fd.get(), inode, device, process.exe(), time_ns)) return fd;
  }
  return Fd();
}

}  // namespace

ExeHash::~ExeHash() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  asked_.notify_all();
  thread_.join();
}

std::optional<ExeHash::Key> ExeHash::KeyOf(int fd) {
  struct statx status;
  if (!Attributes(fd, &status)) return std::nullopt;
  return Key{makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino,
             status.stx_ctime.tv_sec, status.stx_ctime.tv_nsec, status.stx_size};
}

void ExeHash::Fill(uint64_t inode, uint64_t device, uint64_t time_ns, Process* process) {
  Fd fd = OpenExe(*process, inode, device, time_ns);
  if (!fd.valid()) return;
  const auto key = KeyOf(fd.get());
  if (!key || std::get<4>(*key) > limits_.file_bytes) return;
  std::unique_lock<std::mutex> lock(mutex_);
  auto known = known_.find(*key);
  if (known == known_.end()) {
    if (jobs_.size() >= limits_.queue) return;
    jobs_.push_back({std::move(fd), *key});
    if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
    asked_.notify_one();
    *process->mutable_exe_hash() = Wait(&lock, *key, time_ns);
    return;
  }
  process->set_exe_hash(known->second);
}

std::string ExeHash::Wait(std::unique_lock<std::mutex>* lock, const Key& key, uint64_t now_ns) {
  if (std::exchange(second_, now_ns / kSecondNs) != now_ns / kSecondNs) waited_ns_ = 0;
  if (waited_ns_ >= limits_.wait_per_second_ns) return "";
  const auto from = std::chrono::steady_clock::now();
  answered_.wait_for(*lock, std::chrono::nanoseconds(limits_.wait_ns),
                     [&] { return known_.count(key) != 0; });
  waited_ns_ += static_cast<uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now() - from).count());
  const auto known = known_.find(key);
  return known != known_.end() ? known->second : "";
}

void ExeHash::Work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    asked_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    if (known_.count(job.key) != 0) continue;
    lock.unlock();
    std::string hash = Read(job);
    lock.lock();
    Keep(job.key, std::move(hash));
    answered_.notify_all();
  }
}

void ExeHash::Keep(const Key& key, std::string hash) {
  if (!known_.insert({key, std::move(hash)}).second) return;
  oldest_.push_back(key);
  if (oldest_.size() <= limits_.files) return;
  known_.erase(oldest_.front());
  oldest_.pop_front();
}

// "" when it cannot be read, or changed meanwhile.
std::string ExeHash::Read(const Job& job) const {
  const Fd fd(::open(absl::StrCat("/proc/self/fd/", job.file.get()).c_str(),
                     O_RDONLY | O_CLOEXEC | O_NOCTTY));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  if (!fd.valid() || context == nullptr ||
      EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return "";
  }
  char buffer[1 << 16];
  ssize_t got;
  for (uint64_t size = 0; (got = ::read(fd.get(), buffer, sizeof(buffer))) > 0;) {
    size += static_cast<uint64_t>(got);
    if (size > limits_.file_bytes) return "";
    EVP_DigestUpdate(context.get(), buffer, static_cast<size_t>(got));
  }
  std::string digest(32, '\0');
  if (got < 0 || KeyOf(job.file.get()) != job.key ||
      EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) !=
          1) {
    return "";
  }
  return digest;
}

}  // namespace cairn::capture
