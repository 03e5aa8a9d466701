// The agent protects itself: what anybody but its manager does to it is refused, and recorded.
// BPF among the kernel's security modules is rare: mostly this runs in the VM.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/capture/capture.h"
#include "base/io.h"
#include "gtest/gtest.h"
#include "tests/paths.h"

namespace cairn::capture {
namespace {

// Runs `act` in a grandchild, which is neither the agent (this process) nor its manager;
// its result, or -errno.
int ByStranger(const std::function<long()>& act) {
  const pid_t child = fork();
  if (child == 0) {
    const long ret = act();
    _exit(ret < 0 ? errno : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

class ShieldTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
    char name[] = "/tmp/cairn-shield-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    for (const char* dir : {"/log", "/log/1", "/log/1/receipts", "/other"}) {
      ASSERT_EQ(mkdir((dir_ + dir).c_str(), 0700), 0);
    }
    for (const char* file : {"/log/1/seg", "/log/1/receipts/r", "/other/file"}) {
      close(open((dir_ + file).c_str(), O_CREAT | O_WRONLY, 0600));
    }
    CaptureOptions options;
    options.audit = AuditMode::kOff;
    options.shield = {.paths = {dir_ + "/log"}, .open_paths = {dir_ + "/log/1/receipts"}};
    auto started = Capture::Start(options);
    ASSERT_TRUE(started.ok()) << started.status();
    capture_ = *std::move(started);
    if (capture_->protection() != "on") {
      EXPECT_NE(capture_->protection(), "off");
      const std::string why = capture_->protection();
      capture_.reset();
      GTEST_SKIP() << "NOT TESTED: " << why;
    }
    policy::Wanted wanted;
    wanted.types.set();
    ASSERT_TRUE(capture_->SetWanted(wanted).ok());
  }
  void TearDown() override {
    capture_.reset();
    if (!dir_.empty()) (void)!system(("rm -rf " + dir_).c_str());
  }

  // What was refused since the last call: the notice's text.
  std::vector<std::string> Refusals() {
    std::vector<std::string> found;
    for (int i = 0; i < 20; ++i) {
      usleep(10'000);
      capture_->Drain([&](const Captured& captured) {
        if (captured.record->type() != AGENT_TAMPER_ATTEMPT) return;
        EXPECT_NE(captured.subject, nullptr);
        EXPECT_EQ(captured.record->ret(), -EPERM);
        found.push_back(captured.record->notice().what() + ": " +
                        captured.record->notice().detail());
      });
      capture_->Settle();
    }
    return found;
  }

  std::string Path(const std::string& name) const { return dir_ + name; }

  std::string dir_;
  std::unique_ptr<Capture> capture_;
};

TEST_F(ShieldTest, SignalsAndTracesAreRefusedAndRecorded) {
  const pid_t self = getpid();
  EXPECT_EQ(ByStranger([&] { return kill(self, SIGKILL); }), -EPERM);
  EXPECT_EQ(ByStranger([&] { return kill(self, SIGSTOP); }), -EPERM);
  EXPECT_EQ(ByStranger([&] { return kill(self, 0); }), 0) << "a question is no attack";
  EXPECT_EQ(ByStranger([&] { return ptrace(PTRACE_SEIZE, self, nullptr, nullptr); }), -EPERM);
  const auto refusals = Refusals();
  ASSERT_EQ(refusals.size(), 3u);
  EXPECT_EQ(refusals[0], "refused: signal 9 to the agent");
  EXPECT_EQ(refusals[1], "refused: signal 19 to the agent");
  EXPECT_EQ(refusals[2].substr(0, 23), "refused: ptrace of the ");
  EXPECT_EQ(kill(self, SIGCONT), 0) << "the agent may signal itself";
}

TEST_F(ShieldTest, DescriptorsOfOurBpfObjectsAreRefused) {
  std::map<std::string, int> ids;  // one of each kind that this process holds
  for (int fd = 3; fd < 1024; ++fd) {
    char target[64] = "";
    (void)!readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof(target) - 1);
    struct {
      uint32_t type, id;
      char rest[512];
    } info = {};
    uint32_t size = sizeof(info);
    if (std::string(target).find("bpf") == std::string::npos) continue;
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) ids[target] = static_cast<int>(info.id);
  }
  ASSERT_EQ(ids.size(), 3u);
  for (const auto& [kind, id] : ids) {
    const auto get = kind.find("map") != std::string::npos    ? bpf_map_get_fd_by_id
                     : kind.find("prog") != std::string::npos ? bpf_prog_get_fd_by_id
                                                              : bpf_link_get_fd_by_id;
    EXPECT_EQ(ByStranger([&] { return get(static_cast<uint32_t>(id)); }), -EPERM) << kind;
    EXPECT_GE(get(static_cast<uint32_t>(id)), 0) << "the agent itself may: " << kind;
  }
  EXPECT_EQ(Refusals().size(), 3u);
}

TEST_F(ShieldTest, FilesOfTheAgentCannotBeChanged) {
  const std::string seg = Path("/log/1/seg"), moved = Path("/other/moved");
  const std::pair<const char*, std::function<long()>> acts[] = {
      {"open", [&] { return open(seg.c_str(), O_WRONLY); }},
      {"create", [&] { return open(Path("/log/1/new").c_str(), O_WRONLY | O_CREAT, 0600); }},
      {"unlink", [&] { return unlink(seg.c_str()); }},
      {"rename out", [&] { return rename(seg.c_str(), moved.c_str()); }},
      {"rename in", [&] { return rename(Path("/other/file").c_str(), seg.c_str()); }},
      {"rename the directory", [&] { return rename(Path("/log").c_str(), moved.c_str()); }},
      {"rename the receipts",
       [&] { return rename(Path("/log/1/receipts").c_str(), moved.c_str()); }},
      {"link", [&] { return link(seg.c_str(), moved.c_str()); }},
      {"symlink", [&] { return symlink("x", Path("/log/1/sym").c_str()); }},
      {"mkdir", [&] { return mkdir(Path("/log/2").c_str(), 0700); }},
      {"truncate", [&] { return truncate(seg.c_str(), 0); }},
      {"chmod", [&] { return chmod(seg.c_str(), 0666); }},
      {"chown", [&] { return chown(seg.c_str(), 1, 1); }},
  };
  for (const auto& [name, act] : acts) EXPECT_EQ(ByStranger(act), -EPERM) << name;
  EXPECT_EQ(Refusals().size(), std::size(acts));
  EXPECT_EQ(access(seg.c_str(), F_OK), 0);
}

TEST_F(ShieldTest, ReadingReceiptsAndOtherFilesAreNobodysBusiness) {
  EXPECT_EQ(ByStranger([&] { return open(Path("/log/1/seg").c_str(), O_RDONLY); }), 0);
  EXPECT_EQ(ByStranger([&] {
              return open(Path("/log/1/receipts/new").c_str(), O_WRONLY | O_CREAT, 0600);
            }),
            0);
  EXPECT_EQ(ByStranger([&] { return unlink(Path("/log/1/receipts/r").c_str()); }), 0);
  EXPECT_EQ(ByStranger([&] { return unlink(Path("/other/file").c_str()); }), 0);
  EXPECT_EQ(close(open(Path("/log/1/seg").c_str(), O_WRONLY)), 0) << "the agent writes its log";
  EXPECT_TRUE(Refusals().empty());
}

// As after `cairn key rotate`: the log goes on in another directory.
TEST_F(ShieldTest, TheReceiptsOfALaterLogAreOpenOnceThatIsSaid) {
  const std::string receipts = Path("/log/2/receipts");
  ASSERT_EQ(mkdir(Path("/log/2").c_str(), 0700), 0);
  ASSERT_EQ(mkdir(receipts.c_str(), 0700), 0);
  const auto write = [&] { return open((receipts + "/r").c_str(), O_WRONLY | O_CREAT, 0600); };
  EXPECT_EQ(ByStranger(write), -EPERM);
  ASSERT_TRUE(capture_->LetOthersWrite(receipts).ok());
  EXPECT_EQ(ByStranger(write), 0);
}

}  // namespace
}  // namespace cairn::capture
