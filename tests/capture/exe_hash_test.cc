#include "agent/capture/exe_hash.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/clock.h"
#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kMinuteNs = 60'000'000'000;
constexpr char kProgram[] = "/bin/sleep";

std::string HashOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

// A copy of a program, in a directory of its own.
class ExeHashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("CAIRN_EMULATED") != nullptr) {
      GTEST_SKIP() << "NOT TESTED: emulated, a hash takes longer than capture waits";
    }
    char name[] = "/tmp/cairn-hash-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    exe_ = dir_ + "/program";
    Copy(kProgram, exe_);
  }
  void TearDown() override {
    Stop();
    unlink(exe_.c_str());
    rmdir(dir_.c_str());
  }
  static void Copy(const std::string& from, const std::string& to) {
    std::ofstream(to, std::ios::binary) << std::ifstream(from, std::ios::binary).rdbuf();
    chmod(to.c_str(), 0755);
  }

  // Starts it and waits until it is that image.
  void Start(int fd) {
    usleep(40'000);  // a file's change time is as coarse as the kernel's tick
    pid_ = fork();
    if (pid_ == 0) {
      char* const args[] = {const_cast<char*>("program"), const_cast<char*>("1000"), nullptr};
      syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH);
      _exit(127);
    }
    struct stat want, now;
    ASSERT_EQ(fstat(fd, &want), 0);
    const std::string link = "/proc/" + std::to_string(pid_) + "/exe";
    for (int i = 0; i < 2000; ++i) {
      if (stat(link.c_str(), &now) == 0 && now.st_ino == want.st_ino) break;
      usleep(1000);
    }
    inode_ = want.st_ino;
    device_ = want.st_dev;
    started_ns_ = BootNs();
    close(fd);
  }
  void Stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  Process Described() const {
    Process process;
    process.set_pid(static_cast<uint32_t>(pid_));
    process.set_ppid(static_cast<uint32_t>(getpid()));
    process.set_exe(exe_);
    return process;
  }

  // What Fill makes of it, with a patience no machine exhausts.
  std::string Fill(ExeHash* hash, Process process) {
    hash->Fill(inode_, device_, started_ns_, &process);
    return process.exe_hash();
  }
  static ExeHashLimits Patient() { return {.wait_ns = kMinuteNs, .wait_per_second_ns = kMinuteNs}; }

  std::string dir_, exe_;
  pid_t pid_ = 0;
  uint64_t inode_ = 0, device_ = 0, started_ns_ = 0;
};

TEST_F(ExeHashTest, OfALiveProcessOneThatIsGoneAndOneWhoseFileIs) {
  ExeHash hash(Patient());
  const std::string want = HashOf(kProgram);
  Start(open(exe_.c_str(), O_PATH));
  EXPECT_EQ(Fill(&hash, Described()), want);
  Stop();
  pid_ = 0x3ffffffe;  // nobody
  EXPECT_EQ(Fill(&hash, Described()), want) << "by name, below its parent's root";
  pid_ = 0;
  Start(open(exe_.c_str(), O_PATH));
  unlink(exe_.c_str());
  EXPECT_EQ(Fill(&hash, Described()), want) << "a deleted file is read all the same";
}

TEST_F(ExeHashTest, OfAFileThatWasNeverOnADisk) {
  const int out = memfd_create("hidden", MFD_CLOEXEC);
  const std::string program = [] {
    std::ifstream file(kProgram, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(file)), {});
  }();
  ASSERT_EQ(write(out, program.data(), program.size()), static_cast<ssize_t>(program.size()));
  Start(out);
  ExeHash hash(Patient());
  Process process = Described();
  process.set_exe("memfd:hidden");
  EXPECT_EQ(Fill(&hash, process), HashOf(kProgram));
}

TEST_F(ExeHashTest, AnotherFileOfThatNameHasNone) {
  Start(open(exe_.c_str(), O_PATH));
  Stop();
  usleep(40'000);
  unlink(exe_.c_str());
  const int keep = open(dir_.c_str(), O_TMPFILE | O_RDWR, 0600);  // takes the inode number
  Copy(kProgram, exe_);
  ExeHash hash(Patient());
  pid_ = 0x3ffffffe;
  EXPECT_EQ(Fill(&hash, Described()), "");
  pid_ = 0;
  if (keep >= 0) close(keep);
}

TEST_F(ExeHashTest, ChangedContentHasAnotherHash) {
  ExeHash hash(Patient());
  Start(open(exe_.c_str(), O_PATH));
  const std::string before = Fill(&hash, Described());
  Stop();
  std::ofstream(exe_, std::ios::binary | std::ios::app) << "more";
  Start(open(exe_.c_str(), O_PATH));
  const std::string after = Fill(&hash, Described());
  EXPECT_NE(before, after);
  EXPECT_EQ(after, HashOf(exe_));
}

TEST_F(ExeHashTest, WhatIsTooLongOrTakesTooLongHasNone) {
  Start(open(exe_.c_str(), O_PATH));
  ExeHash small({.file_bytes = 100, .wait_ns = kMinuteNs, .wait_per_second_ns = kMinuteNs});
  EXPECT_EQ(Fill(&small, Described()), "");
  ExeHash hasty({.wait_ns = 0, .wait_per_second_ns = 0});
  std::string later = Fill(&hasty, Described());
  for (int i = 0; i < 10'000 && later.empty(); ++i) {
    usleep(1000);
    later = Fill(&hasty, Described());
  }
  EXPECT_EQ(later, HashOf(kProgram)) << "known from the next time on";
}

// Of a process that is older than the wish only the name is known.
TEST_F(ExeHashTest, ByNameAlone) {
  Start(open(exe_.c_str(), O_PATH));
  ExeHash hash(Patient());
  Process process = Described();
  hash.Fill(0, 0, kMinuteNs, &process);
  EXPECT_EQ(process.exe_hash(), HashOf(kProgram));
  Process other = Described();
  other.set_exe("/usr/bin/other");
  hash.Fill(0, 0, kMinuteNs, &other);
  EXPECT_EQ(other.exe_hash(), "") << "it is another image by now";
}

}  // namespace
}  // namespace cairn::capture
