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

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/io.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

// A file's change time is as coarse as the kernel's tick.
constexpr absl::Duration kTick = absl::Milliseconds(20);
// Where inodes do not tell, a file that was put there this long before the exec began is the one.
constexpr absl::Duration kSettled = absl::Seconds(1);
constexpr size_t kMaxMounts = 4 << 20;

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

// Is `device` the kernel's of the mount `id`? Of a line of PROC/mountinfo the first three words are
// "<id> <parent> <major>:<minor>".
bool IsMountOf(uint64_t id, uint64_t device, const std::string& proc) {
  const absl::StatusOr<std::string> mounts = ReadFile(proc + "/mountinfo", kMaxMounts);
  if (!mounts.ok()) return false;
  const std::string begins = absl::StrCat(id, " ");
  const std::string names = absl::StrCat(" ", major(device), ":", minor(device), " ");
  for (const absl::string_view line : absl::StrSplit(*mounts, '\n')) {
    if (!absl::StartsWith(line, begins)) continue;
    const size_t parent_ends = line.find(' ', begins.size());
    return parent_ends != line.npos && absl::StartsWith(line.substr(parent_ends), names);
  }
  return false;
}

// Somebody's file system: what is open for whom, whose mounts it is among.
struct Candidate {
  Fd fd;
  std::string proc;      // of the process whose view it is of
  bool running = false;  // the kernel says that process runs it
};

// kIfMount: where numbers do not tell, yes if its mount is of the exec's device.
enum class IsIt { kNo, kYes, kIfMount };

// Is it what ran at `ran`? Never waits for a file system's server: attributes as the kernel has
// them, which are `status` then.
IsIt Compare(const Candidate& file, uint64_t inode, uint64_t device, const std::string& exe,
             absl::Time ran, struct statx* status) {
  if (!file.fd.valid() ||
      ::statx(file.fd.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
              STATX_BASIC_STATS | STATX_MNT_ID, status) != 0 ||
      !S_ISREG(status->stx_mode)) {
    return IsIt::kNo;
  }
  const auto yes_if = [](bool yes) { return yes ? IsIt::kYes : IsIt::kNo; };
  if (inode == 0) return yes_if(file.running && TargetOf(file.fd.get()) == exe);
  const absl::Time changed = absl::FromUnixSeconds(status->stx_ctime.tv_sec) +
                             absl::Nanoseconds(status->stx_ctime.tv_nsec);
  if (status->stx_ino == inode && makedev(status->stx_dev_major, status->stx_dev_minor) == device) {
    // Nobody writes to what runs; afterwards, or into its inode used again, anybody.
    return yes_if(file.running || changed + kTick <= ran);
  }
  const bool likely = RenumbersFiles(file.fd.get()) && (status->stx_mask & STATX_MNT_ID) != 0 &&
                      TargetOf(file.fd.get()) == exe && changed + kSettled <= ran;
  return likely ? IsIt::kIfMount : IsIt::kNo;
}

// By name, below the root of a process that is still there, and only out of the kernel's memory.
Fd OpenBelow(const std::string& root, const std::string& exe) {
  const Fd dir(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_CACHED;
  return Fd(static_cast<int>(::syscall(SYS_openat2, dir.get(), exe.c_str(), &how, sizeof(how))));
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

ExeHash::Key ExeHash::KeyOf(const struct ::statx& status) {
  return {makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino,
          status.stx_ctime.tv_sec, status.stx_ctime.tv_nsec, status.stx_size};
}

// The executable of `process`, which may be gone already: then its parent's root has it.
Fd ExeHash::Open(const Process& process, uint64_t inode, uint64_t device, uint64_t time_ns,
                 struct ::statx* status) {
  const absl::Time ran = absl::Now() - absl::Nanoseconds(static_cast<int64_t>(BootNs() - time_ns));
  const auto is_that = [&](const Candidate& file) {
    const IsIt is = Compare(file, inode, device, process.exe(), ran, status);
    return is == IsIt::kYes || (is == IsIt::kIfMount && IsSame(inode, device, *status, file.proc));
  };
  const std::string own = absl::StrCat("/proc/", process.pid());
  Candidate file{Fd(::open((own + "/exe").c_str(), O_PATH | O_CLOEXEC)), own, true};
  if (is_that(file)) return std::move(file.fd);
  if (inode == 0 || process.exe().empty() || process.exe()[0] != '/') return Fd();
  for (const std::string& proc :
       {std::string("/proc/self"), absl::StrCat("/proc/", process.ppid())}) {
    file = {OpenBelow(proc + "/root", process.exe()), proc};
    if (is_that(file)) return std::move(file.fd);
  }
  return Fd();
}

// A list of mounts may be long: asked once for each file and what the kernel calls it.
bool ExeHash::IsSame(uint64_t inode, uint64_t device, const struct ::statx& status,
                     const std::string& proc) {
  const std::tuple same(inode, device, KeyOf(status));
  if (same_.count(same) != 0) return true;
  if (!IsMountOf(status.stx_mnt_id, device, proc)) return false;
  if (same_.size() >= limits_.files) same_.clear();
  same_.insert(same);
  return true;
}

void ExeHash::Fill(uint64_t inode, uint64_t device, uint64_t time_ns, Process* process) {
  struct statx status;
  Fd fd = Open(*process, inode, device, time_ns, &status);
  if (!fd.valid() || status.stx_size > limits_.file_bytes) return;
  const Key key = KeyOf(status);
  std::unique_lock<std::mutex> lock(mutex_);
  auto known = known_.find(key);
  if (known == known_.end()) {
    if (jobs_.size() >= limits_.queue) return;
    jobs_.push_back({std::move(fd), key});
    if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
    asked_.notify_one();
    *process->mutable_exe_hash() = Wait(&lock, key, time_ns);
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
  struct statx status;
  if (got < 0 ||
      ::statx(job.file.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &status) !=
          0 ||
      KeyOf(status) != job.key ||
      EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) !=
          1) {
    return "";
  }
  return digest;
}

}  // namespace cairn::capture
