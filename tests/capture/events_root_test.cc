// Every event, done by a small program (acts.cc) and compared with its record.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/bpf_source.h"
#include "agent/capture/capture.h"
#include "agent/capture/kernel_features.h"
#include "gtest/gtest.h"
#include "proto/names.h"
#include "tests/paths.h"

namespace cairn::capture {
namespace {

struct Seen {
  Record record;
  Process process;
  bool has_process = false;
};

// One Capture for all tests: loading takes a while.
class Kernel {
 public:
  static Capture* Get(std::string* why) {
    static Kernel* kernel = new Kernel;
    *why = kernel->why_;
    return kernel->capture_.get();
  }

 private:
  Kernel() {
    if (geteuid() != 0) {
      why_ = "needs root to load BPF programs";
      return;
    }
    auto started = Capture::Start({.audit = AuditMode::kOff});
    if (!started.ok()) {
      why_ = std::string(started.status().message());
      return;
    }
    if ((*started)->backend() == "audit-only") {
      why_ = (*started)->backend_reason();
      return;
    }
    capture_ = *std::move(started);
    policy::Wanted wanted;
    wanted.types.set();
    EXPECT_TRUE(capture_->SetWanted(wanted).ok());
    printf("backend %s: %s\n", capture_->backend().c_str(), capture_->backend_reason().c_str());
  }
  std::unique_ptr<Capture> capture_;
  std::string why_;
};

// What an act did, as it says itself.
struct Said {
  uint32_t pid = 0;
  long ret = 0;
  std::string dir;
};

class Events : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    capture_ = Kernel::Get(&why);
    if (capture_ == nullptr) GTEST_SKIP() << "NOT TESTED: no kernel events: " << why;
    char name[] = "/tmp/cairn-events-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    chmod(name, 0777);
    mkdir((dir_ + "/dir").c_str(), 0777);
    mkdir((dir_ + "/empty").c_str(), 0777);
    for (const char* file : {"/old", "/dir/inner"}) {
      close(open((dir_ + file).c_str(), O_CREAT | O_WRONLY, 0666));
    }
    (void)!symlink("old", (dir_ + "/link").c_str());
  }
  void TearDown() override {
    if (!dir_.empty()) (void)!system(absl::StrCat("rm -rf ", dir_).c_str());
  }

  // Runs the act and collects all its process did, and its children.
  Said Do(const std::string& act) {
    Drain(nullptr);
    const char* elsewhere = getenv("CAIRN_ACTS");  // in a virtual machine
    const std::string acts = elsewhere != nullptr ? elsewhere : ProgramPath("capture_acts");
    FILE* out = popen(absl::StrCat("cd ", dir_, " && exec ", acts, " ", act).c_str(), "r");
    Said said;
    said.dir = dir_;
    EXPECT_EQ(fscanf(out, "{\"pid\":%u,\"ret\":%ld}", &said.pid, &said.ret), 2);
    pclose(out);
    seen_.clear();
    for (int i = 0; i < 40; ++i) {
      usleep(5000);
      Drain(&seen_);
    }
    return said;
  }

  void Drain(std::vector<Seen>* to) {
    capture_->Drain([&](const Captured& captured) {
      if (to == nullptr) return;
      Seen seen;
      seen.record = *captured.record;
      if (captured.subject != nullptr) {
        seen.process = captured.subject->process;
        seen.has_process = true;
      }
      to->push_back(seen);
    });
  }

  // The one record of `type` by `pid` that `fits`.
  const Seen* One(EventType type, uint32_t pid, const std::function<bool(const Record&)>& fits) {
    const Seen* found = nullptr;
    int count = 0;
    for (const Seen& seen : seen_) {
      if (seen.record.type() != type || seen.process.pid() != pid) continue;
      if (fits && !fits(seen.record)) continue;
      found = &seen;
      ++count;
    }
    EXPECT_EQ(count, 1) << EventName(type) << " by " << pid << "\n" << All(pid);
    return count == 1 ? found : nullptr;
  }
  std::string All(uint32_t pid) {
    std::string text;
    for (const Seen& seen : seen_) {
      if (seen.process.pid() == pid) absl::StrAppend(&text, seen.record.ShortDebugString(), "\n");
    }
    return text;
  }

  Capture* capture_ = nullptr;
  std::string dir_;
  std::vector<Seen> seen_;
};

struct FileCase {
  const char* act;
  EventType type;
  const char* path;  // '@' is the test's directory
  const char* target = "";
  PathSource source = PATH_ARGUMENT;
  const char* base = "";
  uint32_t mode = 0;  // 0: not looked at
};

const FileCase kFileCases[] = {
    {"open-absolute", FILE_OPEN, "/etc/passwd", "", PATH_OBJECT},
    {"open-missing", FILE_OPEN, "no-such-file", "", PATH_ARGUMENT, "@"},
    {"open-relative", FILE_OPEN, "@/old", "", PATH_OBJECT},
    {"open-through-link", FILE_OPEN, "@/old", "", PATH_OBJECT},
    {"openat", FILE_OPEN, "@/dir/inner", "", PATH_OBJECT},
    {"openat2", FILE_OPEN, "@/old", "", PATH_OBJECT},
    {"open-bad-bytes", FILE_CREATE, "@/b\xff\x01\n", "", PATH_OBJECT},
    {"open-chrooted", FILE_OPEN, "/inner", "", PATH_OBJECT},
    {"create-new", FILE_CREATE, "@/new", "", PATH_OBJECT, "", S_IFREG | 0640},
    {"create-exists", FILE_CREATE, "old", "", PATH_ARGUMENT, "@", 0640},
    {"creat", FILE_CREATE, "@/new", "", PATH_OBJECT, "", S_IFREG | 0600},
    {"mkdir", FILE_CREATE, "made", "", PATH_ARGUMENT, "@", S_IFDIR | 0750},
    {"mkdir-exists", FILE_CREATE, "dir", "", PATH_ARGUMENT, "@", S_IFDIR | 0750},
    {"mknod", FILE_CREATE, "fifo", "", PATH_ARGUMENT, "@", S_IFIFO | 0600},
    {"symlink", FILE_CREATE, "sym", "somewhere", PATH_ARGUMENT, "@", S_IFLNK},
    {"write", FILE_WRITE, "@/old", "", PATH_OBJECT},
    {"writev", FILE_WRITE, "@/old", "", PATH_OBJECT},
    {"read", FILE_READ, "@/old", "", PATH_OBJECT},
    {"unlink", FILE_DELETE, "old", "", PATH_ARGUMENT, "@"},
    {"unlink-missing", FILE_DELETE, "no-such-file", "", PATH_ARGUMENT, "@"},
    {"unlinkat", FILE_DELETE, "inner", "", PATH_ARGUMENT, "@/dir"},
    {"rmdir", FILE_DELETE, "empty", "", PATH_ARGUMENT, "@", S_IFDIR},
    {"rename", FILE_RENAME, "old", "dir/moved", PATH_ARGUMENT, "@"},
    {"renameat2", FILE_RENAME, "old", "dir", PATH_ARGUMENT, "@"},
    {"link", FILE_LINK, "old", "hard", PATH_ARGUMENT, "@"},
    {"chmod", FILE_CHMOD, "old", "", PATH_ARGUMENT, "@", 0604},
    {"fchmod", FILE_CHMOD, "@/old", "", PATH_OBJECT, "", 0605},
    {"fchmodat2", FILE_CHMOD, "old", "", PATH_ARGUMENT, "@", 0606},
    {"chown", FILE_CHOWN, "old", "", PATH_ARGUMENT, "@"},
    {"fchown", FILE_CHOWN, "@/old", "", PATH_OBJECT},
    {"fchownat", FILE_CHOWN, "inner", "", PATH_ARGUMENT, "@/dir"},
    {"truncate", FILE_TRUNCATE, "old", "", PATH_ARGUMENT, "@"},
    {"ftruncate", FILE_TRUNCATE, "@/old", "", PATH_OBJECT},
    {"setxattr", FILE_XATTR, "old", "", PATH_ARGUMENT, "@"},
    {"fsetxattr", FILE_XATTR, "@/old", "", PATH_OBJECT},
    {"utimensat", FILE_UTIMES, "inner", "", PATH_ARGUMENT, "@/dir"},
    {"futimens", FILE_UTIMES, "@/old", "", PATH_OBJECT},
    {"dup", FILE_DUP, "@/old", "", PATH_OBJECT},
    {"dup2", FILE_DUP, "@/old", "", PATH_OBJECT},
    {"fcntl-dup", FILE_DUP, "@/old", "", PATH_OBJECT},
    {"mmap-shared", FILE_MMAP, "@/old", "", PATH_OBJECT},
    {"mount", FILE_MOUNT, "dir", "source", PATH_ARGUMENT, "@"},
    {"umount", FILE_UMOUNT, "dir", "", PATH_ARGUMENT, "@"},
    {"uring-open", FILE_OPEN, "@/old", "", PATH_OBJECT},
    {"uring-open-missing", FILE_OPEN, "no-such-file", "", PATH_ARGUMENT, "@"},
    {"uring-write", FILE_WRITE, "@/old", "", PATH_OBJECT},
    {"uring-unlink", FILE_DELETE, "old", "", PATH_ARGUMENT, "@"},
    {"uring-rename", FILE_RENAME, "old", "dir/moved", PATH_ARGUMENT, "@"},
    {"uring-mkdir", FILE_CREATE, "made", "", PATH_ARGUMENT, "@", S_IFDIR | 0700},
    {"sysctl", KERNEL_SYSCTL, "/proc/sys/kernel/core_uses_pid", "", PATH_OBJECT},
};

std::string Expand(const char* text, const std::string& dir) {
  return text[0] == '@' ? dir + (text + 1) : text;
}

bool Hooked(const FileCase& file) {
  switch (file.type) {
    case FILE_CREATE:
    case FILE_DELETE:
    case FILE_RENAME:
    case FILE_LINK:
    case FILE_CHMOD:
    case FILE_CHOWN:
    case FILE_TRUNCATE:
      return file.source == PATH_ARGUMENT && !absl::StartsWith(file.act, "uring-");
    default:
      return false;
  }
}

class FileEvents : public Events, public ::testing::WithParamInterface<FileCase> {};

TEST_P(FileEvents, RecordSaysWhatTheActDid) {
  const Said said = Do(GetParam().act);
  if (said.ret == -ENOSYS) GTEST_SKIP() << "NOT TESTED: this kernel has no such call";
  const FileCase given = GetParam();
  FileCase want = given;
  std::string path = Expand(want.path, dir_);
  std::string target = want.target;
  // Security hooks see the object of what a system call only names.
  if (capture_->backend() == "lsm" && said.ret == 0 && Hooked(want)) {
    path = absl::StrCat(Expand(want.base, dir_), "/", path);
    if (want.type == FILE_RENAME || want.type == FILE_LINK) {
      target = absl::StrCat(dir_, "/", target);
    }
    want.source = PATH_OBJECT;
    want.base = "";
  }
  const Seen* seen =
      One(want.type, said.pid, [&](const Record& record) { return record.file().path() == path; });
  ASSERT_NE(seen, nullptr);
  const Record& record = seen->record;
  EXPECT_EQ(record.ret(), said.ret);
  EXPECT_EQ(record.via() == VIA_IO_URING, absl::StartsWith(want.act, "uring-"));
  EXPECT_EQ(record.file().source(), want.source);
  EXPECT_EQ(record.file().base(), Expand(want.base, dir_));
  EXPECT_FALSE(record.file().partial());
  EXPECT_EQ(record.target().path(), target);
  if (want.mode != 0) {
    EXPECT_EQ(record.file().mode() & want.mode, want.mode);
  }
  if (given.source == PATH_OBJECT && std::string(want.act) != "open-chrooted") {
    struct stat status;
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(record.file().inode(), status.st_ino);
    EXPECT_EQ(record.file().device(), status.st_dev);
  }
  EXPECT_TRUE(absl::EndsWith(seen->process.exe(), "/capture_acts")) << seen->process.exe();
  ASSERT_EQ(seen->process.argv_size(), 2);
  EXPECT_EQ(seen->process.argv(1), want.act);
  EXPECT_EQ(seen->process.cwd(), dir_);
  EXPECT_EQ(seen->process.uid(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, FileEvents, ::testing::ValuesIn(kFileCases), [](const auto& one) {
  std::string name = one.param.act;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

// Where a machine must have a certain backend, it says so: CAIRN_BACKEND=lsm.
TEST_F(Events, TheBackendIsTheOneThisMachineMustHave) {
  const char* must = getenv("CAIRN_BACKEND");
  if (must == nullptr) GTEST_SKIP() << "any backend will do here: CAIRN_BACKEND is not set";
  EXPECT_EQ(capture_->backend(), must) << capture_->backend_reason();
}

TEST_F(Events, OwnersAskedForStandInTheRecord) {
  const Said said = Do("fchown");
  const Seen* seen = One(FILE_CHOWN, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.file().uid(), 1234u);
  EXPECT_EQ(seen->record.file().gid(), 2345u);
}

TEST_F(Events, ADeepPathIsWholeUpToItsBound) {
  const Said said = Do("open-long");
  std::string path = dir_;
  for (int i = 0; i < 15; ++i) absl::StrAppend(&path, "/", std::string(200, 'd'));
  path += "/leaf";
  ASSERT_LT(path.size(), 4096u - 256u);
  EXPECT_NE(One(FILE_CREATE, said.pid,
                [&](const Record& record) { return record.file().path() == path; }),
            nullptr);
}

TEST_F(Events, AFailedWriteIsRecorded) {
  const Said said = Do("write-read-only");
  EXPECT_EQ(said.ret, -EBADF);
  const Seen* seen =
      One(FILE_WRITE, said.pid, [](const Record& record) { return record.ret() < 0; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), -EBADF);
}

TEST_F(Events, APipeIsNamedByItsInode) {
  const Said said = Do("write-pipe");
  EXPECT_NE(One(FILE_WRITE, said.pid,
                [](const Record& record) {
                  return record.file().path() ==
                             absl::StrCat("pipe:[", record.file().inode(), "]") &&
                         record.ret() == 2;
                }),
            nullptr);
}

TEST_F(Events, SendfileReadsAndWrites) {
  const Said said = Do("sendfile");
  const std::string from = dir_ + "/old";
  EXPECT_NE(
      One(FILE_READ, said.pid, [&](const Record& record) { return record.file().path() == from; }),
      nullptr);
}

TEST_F(Events, ConnectTakesTheAddressFromTheSocket) {
  const Said said = Do("connect-tcp");
  const Seen* seen = One(NET_CONNECT, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  const Net& net = seen->record.net();
  EXPECT_EQ(seen->record.ret(), 0);
  EXPECT_EQ(net.source(), PATH_OBJECT);
  EXPECT_EQ(net.family(), 2u);
  EXPECT_EQ(net.dst_ip(), std::string("\x7f\0\0\1", 4));
  EXPECT_EQ(net.src_ip(), std::string("\x7f\0\0\1", 4));
  EXPECT_NE(net.dst_port(), 0u);
  EXPECT_NE(net.src_port(), 0u);
  EXPECT_EQ(net.protocol(), 6u);
}

TEST_F(Events, ARefusedConnectHasTheCallersAddress) {
  const Said said = Do("connect-refused");
  EXPECT_EQ(said.ret, -ECONNREFUSED);
  const Seen* seen = One(NET_CONNECT, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), -ECONNREFUSED);
  EXPECT_EQ(seen->record.net().source(), PATH_ARGUMENT);
  EXPECT_EQ(seen->record.net().dst_port(), 1u);
}

TEST_F(Events, ConnectOverIpv6) {
  const Said said = Do("connect-udp6");
  const Seen* seen = One(NET_CONNECT, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.net().dst_ip(), std::string(15, '\0') + "\1");
  EXPECT_EQ(seen->record.net().dst_port(), 4242u);
}

TEST_F(Events, BindTcp) {
  const Said said = Do("bind-tcp");
  const Seen* seen = One(NET_BIND, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.net().src_port(), 42731u);
}

TEST_F(Events, AbstractAndNamedUnixSockets) {
  const Said bound = Do("bind-abstract");
  const Seen* seen = One(NET_BIND, bound.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.net().path(), std::string("\0cairn-acts", 11));
  const Said connected = Do("connect-unix");
  seen = One(NET_CONNECT, connected.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.net().path(), "sock");
  EXPECT_EQ(seen->record.net().source(), PATH_OBJECT);
}

TEST_F(Events, CredentialsAfterTheActAndBeforeIt) {
  const Said said = Do("setresuid");
  const Seen* seen = One(CRED_SETUID, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), 0);
  EXPECT_EQ(seen->record.cred().uid(), 1001u);
  EXPECT_EQ(seen->record.cred().euid(), 1002u);
  EXPECT_EQ(seen->record.cred().suid(), 1003u);
  EXPECT_EQ(seen->process.uid(), 0u);
  const Seen* exit = One(PROCESS_EXIT, said.pid, nullptr);
  ASSERT_NE(exit, nullptr);
  EXPECT_EQ(exit->process.uid(), 1001u);
  EXPECT_EQ(exit->process.suid(), 1003u);
}

TEST_F(Events, ARefusedSetuidIsRecorded) {
  const Said said = Do("setresuid-refused");
  EXPECT_EQ(said.ret, -EPERM);
  EXPECT_NE(One(CRED_SETUID, said.pid, [](const Record& r) { return r.ret() == -EPERM; }), nullptr);
}

TEST_F(Events, Setgid) {
  const Said said = Do("setgid");
  const Seen* seen = One(CRED_SETGID, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.cred().gid(), 1007u);
}

TEST_F(Events, AModuleLoadNamesItsFile) {
  const Said said = Do("module-refused");
  const Seen* seen = One(KERNEL_MODULE_LOAD, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.file().path(), dir_ + "/old");
}

TEST_F(Events, BpfNamesItsCommand) {
  const Said said = Do("bpf-map");
  const Seen* seen = One(KERNEL_BPF, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.kernel().command(), 0u);
}

TEST_F(Events, ExecHasArgumentsAncestryAndImage) {
  const Said said = Do("exec");
  const auto child = static_cast<uint32_t>(said.ret);
  const Seen* fork = One(PROCESS_FORK, said.pid, nullptr);
  ASSERT_NE(fork, nullptr);
  EXPECT_EQ(fork->record.peer().pid(), child);
  const Seen* seen = One(PROCESS_EXEC, child, nullptr);
  ASSERT_NE(seen, nullptr);
  const Process& process = seen->process;
  char* real = realpath("/bin/true", nullptr);
  EXPECT_EQ(process.exe(), real);
  free(real);
  EXPECT_EQ(process.start_ns(), fork->record.peer().start_ns());
  EXPECT_EQ(process.ppid(), said.pid);
  EXPECT_EQ(process.comm(), "true");
  ASSERT_EQ(process.argv_size(), 4);
  EXPECT_EQ(process.argv(2), "two words");
  EXPECT_EQ(process.argv(3), "\xff\n");
  ASSERT_GT(process.ancestors_size(), 1);
  EXPECT_EQ(process.ancestors(0).pid(), said.pid);
  EXPECT_TRUE(absl::EndsWith(process.ancestors(0).exe(), "/capture_acts"));
  struct stat status;
  stat("/proc/self/ns/mnt", &status);
  EXPECT_EQ(process.namespaces().mount(), status.st_ino);
  const Seen* exit = One(PROCESS_EXIT, child, nullptr);
  ASSERT_NE(exit, nullptr);
  EXPECT_EQ(exit->record.exit_code(), 0);
}

TEST_F(Events, AnArgumentListBeyondItsBoundIsCutAndSaysSo) {
  const Said said = Do("exec-long-argv");
  const Seen* seen = One(PROCESS_EXEC, static_cast<uint32_t>(said.ret), nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->process.argv_length(), 100'006u);
  ASSERT_EQ(seen->process.argv_size(), 2);
  EXPECT_EQ(seen->process.argv(1).size(), 32768u - 5u);
}

TEST_F(Events, AScriptIsNamedBesideItsInterpreter) {
  const Said said = Do("exec-script");
  const Seen* seen = One(PROCESS_EXEC, static_cast<uint32_t>(said.ret), nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->process.script(), "./script");
  EXPECT_TRUE(absl::EndsWith(seen->process.exe(), "sh")) << seen->process.exe();
  const Seen* exit = One(PROCESS_EXIT, static_cast<uint32_t>(said.ret), nullptr);
  ASSERT_NE(exit, nullptr);
  EXPECT_EQ(exit->record.exit_code(), 3 << 8);
}

TEST_F(Events, AMemfdImageIsFlagged) {
  const Said said = Do("exec-memfd");
  const Seen* seen = One(PROCESS_EXEC, static_cast<uint32_t>(said.ret), nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_TRUE(seen->process.memfd());
  EXPECT_TRUE(seen->process.deleted());
  EXPECT_EQ(seen->process.exe(), "memfd:hidden");
}

TEST_F(Events, AFailedExecIsRecorded) {
  const Said said = Do("exec-missing");
  const Seen* seen =
      One(PROCESS_EXEC, said.pid, [](const Record& record) { return record.ret() < 0; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), -ENOENT);
  EXPECT_EQ(seen->record.file().path(), "./no-such-program");
  EXPECT_EQ(seen->record.file().source(), PATH_ARGUMENT);
}

TEST_F(Events, AnExitCodeIsAsWaitSaysIt) {
  const Said said = Do("exit-seven");
  const Seen* seen = One(PROCESS_EXIT, static_cast<uint32_t>(said.ret), nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.exit_code(), 7 << 8);
}

TEST_F(Events, ASysctlHasItsNameAndValue) {
  const Said said = Do("sysctl");
  const Seen* seen = One(KERNEL_SYSCTL, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.kernel().name(), "kernel.core_uses_pid");
  EXPECT_EQ(seen->record.kernel().value().size(), static_cast<size_t>(said.ret));
}

TEST_F(Events, AClosedFileHasAName) {
  const Said said = Do("close");
  const std::string path = dir_ + "/old";
  const Seen* seen =
      One(FILE_CLOSE, said.pid, [&](const Record& record) { return record.file().path() == path; });
  ASSERT_NE(seen, nullptr);
  EXPECT_FALSE(seen->record.has_ret());
}

TEST_F(Events, APathCrossesMounts) {
  const Said said = Do("open-in-mount");
  EXPECT_NE(One(FILE_CREATE, said.pid,
                [&](const Record& record) { return record.file().path() == dir_ + "/dir/deep"; }),
            nullptr);
  const Seen* mount = One(FILE_MOUNT, said.pid,
                          [](const Record& record) { return record.target().path() == "source"; });
  ASSERT_NE(mount, nullptr);
  EXPECT_EQ(mount->record.file().name(), "tmpfs");
}

TEST_F(Events, SocketsOfEveryKind) {
  struct Case {
    const char* act;
    EventType type;
    uint32_t family, socket_type;
  };
  for (const Case& want :
       {Case{"raw-socket", NET_RAW_SOCKET, 2, 3}, Case{"socket", NET_SOCKET, 10, 2},
        Case{"listen", NET_LISTEN, 2, 1}, Case{"accept", NET_ACCEPT, 2, 1}}) {
    const Said said = Do(want.act);
    const Seen* seen = One(want.type, said.pid, nullptr);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.ret(), said.ret);
    EXPECT_EQ(seen->record.net().family(), want.family);
    EXPECT_EQ(seen->record.net().socket_type(), want.socket_type);
    if (want.type == NET_ACCEPT) {
      EXPECT_EQ(seen->record.net().dst_ip(), std::string("\x7f\0\0\1", 4));
      EXPECT_NE(seen->record.net().dst_port(), 0u);
    }
    if (want.type == NET_LISTEN) {
      EXPECT_EQ(seen->record.net().backlog(), 5u);
    }
  }
}

TEST_F(Events, ANameAskedForIsSeenInThePacket) {
  if (!OpenRootCgroup().valid()) GTEST_SKIP() << "NOT TESTED: no unified control groups mounted";
  const Said said = Do("dns");
  const Seen* seen = One(NET_DNS, said.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  const Net& net = seen->record.net();
  EXPECT_EQ(net.dns_name(), "cairn.test");
  EXPECT_EQ(net.dns_type(), 1u);
  EXPECT_FALSE(net.dns_response());
  EXPECT_EQ(net.dst_port(), 53u);
  EXPECT_EQ(net.protocol(), 17u);
  EXPECT_EQ(net.dst_ip(), std::string("\x7f\0\0\1", 4));
  EXPECT_FALSE(seen->record.has_ret());
}

TEST_F(Events, SocketsThroughUring) {
  const Said sent = Do("uring-send");
  const Seen* seen =
      One(FILE_WRITE, sent.pid, [](const Record& record) { return record.via() == VIA_IO_URING; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), 4);
  const Said connected = Do("uring-connect");
  seen = One(NET_CONNECT, connected.pid, nullptr);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), connected.ret);
  EXPECT_EQ(seen->record.via(), VIA_IO_URING);
  EXPECT_EQ(seen->record.net().dst_port(), 4243u);
  EXPECT_EQ(seen->record.net().source(), PATH_OBJECT);
}

TEST_F(Events, CodeMadeInMemory) {
  for (const auto& [act, length] :
       {std::pair("mprotect", 4096u), std::pair("mmap-write-exec", 8192u)}) {
    const Said said = Do(act);
    const Seen* seen = One(PROCESS_MEMORY_EXEC, said.pid, nullptr);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.ret(), said.ret);
    EXPECT_EQ(seen->record.memory().length(), length);
    EXPECT_NE(seen->record.memory().protection() & 4u, 0u);
  }
}

TEST_F(Events, WhatIsOnlyNumbers) {
  const std::pair<const char*, EventType> cases[] = {
      {"unshare", NS_UNSHARE},
      {"setns", NS_SETNS},
      {"capset", CRED_CAPSET},
      {"clock-refused", KERNEL_CLOCK_SET},
      {"kexec-refused", KERNEL_KEXEC},
      {"delete-module", KERNEL_MODULE_UNLOAD},
      {"pipe", FILE_PIPE},
  };
  for (const auto& [act, type] : cases) {
    const Said said = Do(act);
    const Seen* seen = One(type, said.pid, nullptr);
    ASSERT_NE(seen, nullptr) << act;
    EXPECT_EQ(seen->record.ret(), said.ret) << act;
  }
}

TEST_F(Events, ASignalAndATraceNameTheOther) {
  for (const auto& [act, type] :
       {std::pair("kill", PROCESS_SIGNAL), std::pair("ptrace", PROCESS_PTRACE)}) {
    const Said said = Do(act);
    const Seen* seen = One(type, said.pid, nullptr);
    ASSERT_NE(seen, nullptr) << act;
    EXPECT_EQ(seen->record.peer().pid(), static_cast<uint32_t>(said.ret));
    EXPECT_TRUE(absl::EndsWith(seen->record.peer().exe(), "/capture_acts"));
    EXPECT_NE(seen->record.peer().start_ns(), 0u);
  }
}

TEST_F(Events, OurOwnFilesAreNotCaptured) {
  Drain(nullptr);
  close(open((dir_ + "/old").c_str(), O_RDONLY));
  usleep(5000);
  seen_.clear();
  Drain(&seen_);
  EXPECT_EQ(All(static_cast<uint32_t>(getpid())), "");
}

TEST_F(Events, WhatIsNotWantedIsNotCaptured) {
  policy::Wanted wanted;
  wanted.Add(FILE_DELETE);
  ASSERT_TRUE(capture_->SetWanted(wanted).ok());
  usleep(5000);  // what others did until now is in the rings
  const Said said = Do("unlink");
  EXPECT_NE(One(FILE_DELETE, said.pid, nullptr), nullptr);
  for (const Seen& seen : seen_) EXPECT_NE(seen.record.type(), FILE_OPEN);
  wanted.types.set();
  ASSERT_TRUE(capture_->SetWanted(wanted).ok());
}

}  // namespace
}  // namespace cairn::capture
