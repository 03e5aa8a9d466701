// What is marked `object` is what the kernel acted on, whatever another thread writes into the
// caller's memory meanwhile.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "agent/capture/bpf_source.h"
#include "agent/capture/event_view.h"
#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

constexpr int kTries = 100'000;

// Shared with the child.
struct Ledger {
  std::atomic<bool> go;
  int fooled;               // times the name read after the call was not the file's
  uint64_t inodes[kTries];  // of the file each call opened
};

// Opens one of two files by a name that a second thread keeps rewriting.
void Race(const std::string& dir, Ledger* truth) {
  static char name[256];
  const std::string a = dir + "/aaaa", b = dir + "/bbbb";
  struct stat status;
  stat(a.c_str(), &status);
  const uint64_t inode_a = status.st_ino;
  strcpy(name, a.c_str());
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    volatile char* tail = name + dir.size() + 1;
    while (!stop) {
      for (const char letter : {'b', 'a'}) {
        for (int i = 0; i < 4; ++i) tail[i] = letter;
      }
    }
  });
  while (!truth->go) usleep(100);
  for (int i = 0; i < kTries;) {
    const int fd = open(name, O_RDONLY);
    char after[256];
    memcpy(after, name, sizeof(after));  // as a reader of arguments would at the call's exit
    if (fd < 0) continue;                // a torn name: neither file
    fstat(fd, &status);
    close(fd);
    truth->inodes[i++] = status.st_ino;
    truth->fooled += (status.st_ino == inode_a ? a : b) != after;
  }
  stop = true;
  writer.join();
}

struct Opened {
  uint64_t time_ns, inode;
  bool same;  // the path is that of the inode
};

// What `child` opened in `dir`, by kernel time, until it ends; counts losses told in `lost`.
// `inode_a` is that of aaaa.
std::vector<Opened> OpensOf(BpfSource* source, pid_t child, const std::string& dir,
                            uint64_t inode_a, int* lost) {
  std::vector<Opened> seen;
  std::string path;
  const auto drain = [&] {
    source->Drain([&](absl::string_view event) {
      EventView view;
      ASSERT_TRUE(ParseEvent(event, &view));
      const auto body = view.Body<event_file>();
      if (view.header.pid != static_cast<uint32_t>(child) || body.ret < 0) return;
      JoinComponents(view.strings[STRING_PATH], &path);
      if (path.rfind(dir, 0) != 0) return;
      const std::string true_path = dir + (body.inode == inode_a ? "/aaaa" : "/bbbb");
      seen.push_back({view.header.time_ns, body.inode, path == true_path});
    });
    source->DrainLoss([&](const RingLoss&) { ++*lost; });
    source->Settle();
  };
  while (waitpid(child, nullptr, WNOHANG) == 0) {
    usleep(10'000);
    drain();
  }
  for (int i = 0; i < 30 || source->more(); ++i) {
    drain();
    usleep(10'000);
  }
  // A processor that stood still for longer than the watermark hands its record in late.
  std::sort(seen.begin(), seen.end(),
            [](const Opened& x, const Opened& y) { return x.time_ns < y.time_ns; });
  return seen;
}

TEST(Race, AnObjectIsNeverWhatARacingThreadWrote) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  char dir[] = "/tmp/cairn-race-XXXXXX";
  ASSERT_NE(mkdtemp(dir), nullptr);
  const std::string a = std::string(dir) + "/aaaa", b = std::string(dir) + "/bbbb";
  close(open(a.c_str(), O_CREAT | O_WRONLY, 0600));
  close(open(b.c_str(), O_CREAT | O_WRONLY, 0600));
  struct stat status;
  stat(a.c_str(), &status);
  const uint64_t inode_a = status.st_ino;
  auto* truth = static_cast<Ledger*>(
      mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = fork();
  if (child == 0) {
    Race(dir, truth);
    _exit(0);
  }
  policy::Wanted wanted;
  wanted.Add(FILE_OPEN);
  auto source = BpfSource::Open({.ring_bytes = 16 << 20, .process_rate = 0});
  ASSERT_TRUE(source.ok()) << source.status();
  ASSERT_TRUE((*source)->SetWanted(wanted).ok());
  truth->go = true;

  int wrong = 0, lost = 0;
  const std::vector<Opened> seen = OpensOf(source->get(), child, dir, inode_a, &lost);
  EXPECT_EQ(lost, 0);
  ASSERT_EQ(seen.size(), static_cast<size_t>(kTries));
  for (int i = 0; i < kTries; ++i) wrong += !seen[i].same || seen[i].inode != truth->inodes[i];
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(truth->fooled, 0) << "the control was never fooled: the race did not happen";
  RecordProperty("fooled", truth->fooled);
  munmap(truth, sizeof(Ledger));
  unlink(a.c_str());
  unlink(b.c_str());
  rmdir(dir);
}

}  // namespace
}  // namespace cairn::capture
