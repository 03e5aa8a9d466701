// Every event about files, done by a small program (acts_file*.cc) and compared with its record.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/capture/event_fixture.h"

namespace cairn::capture {
namespace {

using FileEvents = Events;

struct FileCase {
  const char* act;
  EventType type;
  const char* path;  // '@' is the test's directory
  const char* target = "";
  PathSource source = PATH_ARGUMENT;
  const char* base = "";
  uint32_t mode = 0;             // 0: not looked at
  const char* object = nullptr;  // seen by a security hook; null: `path` below `base`
};
constexpr PathSource kObject = PATH_OBJECT, kArgument = PATH_ARGUMENT;

const FileCase kFileCases[] = {
    {"open-absolute", FILE_OPEN, "/etc/passwd", "", kObject},
    {"open-missing", FILE_OPEN, "no-such-file", "", kArgument, "@"},
    {"open-relative", FILE_OPEN, "@/old", "", kObject},
    {"open-through-link", FILE_OPEN, "@/old", "", kObject},
    {"open-no-follow", FILE_OPEN, "link", "", kArgument, "@"},
    {"openat", FILE_OPEN, "@/dir/inner", "", kObject},
    {"openat-missing", FILE_OPEN, "none", "", kArgument, "@/dir"},
    {"openat2", FILE_OPEN, "@/old", "", kObject},
    {"openat2-dir", FILE_OPEN, "@/dir/inner", "", kObject},
    {"open-bad-bytes", FILE_CREATE, "@/b\xff\x01\n", "", kObject},
    {"open-chrooted", FILE_OPEN, "/inner", "", kObject},
    {"open-empty", FILE_OPEN, "", "", kArgument, "@"},
    {"open-in-namespaces", FILE_OPEN, "@/old", "", kObject},
    {"create-new", FILE_CREATE, "@/new", "", kObject, "", S_IFREG | 0640},
    {"create-at", FILE_CREATE, "@/dir/new", "", kObject, "", S_IFREG | 0640},
    {"create-absolute", FILE_CREATE, "@/new", "", kObject, "", S_IFREG | 0640},
    {"create-exists", FILE_CREATE, "old", "", kArgument, "@", 0640},
    {"creat", FILE_CREATE, "@/new", "", kObject, "", S_IFREG | 0600},
    {"mkdir", FILE_CREATE, "made", "", kArgument, "@", S_IFDIR | 0750},
    {"mkdirat", FILE_CREATE, "made", "", kArgument, "@/dir", S_IFDIR | 0750},
    {"mkdir-absolute", FILE_CREATE, "@/made", "", kArgument, "", S_IFDIR | 0750},
    {"mkdir-exists", FILE_CREATE, "dir", "", kArgument, "@", S_IFDIR | 0750},
    {"mknod", FILE_CREATE, "fifo", "", kArgument, "@", S_IFIFO | 0600},
    {"mknodat", FILE_CREATE, "fifo", "", kArgument, "@/dir", S_IFIFO | 0600},
    {"symlink", FILE_CREATE, "sym", "somewhere", kArgument, "@", S_IFLNK},
    {"symlinkat", FILE_CREATE, "sym", "somewhere", kArgument, "@/dir", S_IFLNK},
    {"write", FILE_WRITE, "@/old", "", kObject},
    {"writev", FILE_WRITE, "@/old", "", kObject},
    {"read", FILE_READ, "@/old", "", kObject},
    {"unlink", FILE_DELETE, "old", "", kArgument, "@"},
    {"unlink-absolute", FILE_DELETE, "@/old", "", kArgument},
    {"unlink-missing", FILE_DELETE, "no-such-file", "", kArgument, "@"},
    {"unlink-link", FILE_DELETE, "link", "", kArgument, "@"},
    {"unlink-bad-bytes", FILE_DELETE, "b\xff\x01\n", "", kArgument, "@"},
    {"unlink-chrooted", FILE_DELETE, "/inner", "", kArgument},
    {"unlinkat", FILE_DELETE, "inner", "", kArgument, "@/dir"},
    {"rmdir", FILE_DELETE, "empty", "", kArgument, "@", S_IFDIR},
    {"rmdir-at", FILE_DELETE, "empty", "", kArgument, "@", S_IFDIR},
    {"rename", FILE_RENAME, "old", "dir/moved", kArgument, "@"},
    {"renameat", FILE_RENAME, "inner", "moved", kArgument, "@/dir"},
    {"renameat2", FILE_RENAME, "old", "dir", kArgument, "@"},
    {"rename-absolute", FILE_RENAME, "@/old", "@/moved", kArgument},
    {"rename-bad-bytes", FILE_RENAME, "old", "b\xff\x01\n", kArgument, "@"},
    {"rename-missing", FILE_RENAME, "none", "other", kArgument, "@"},
    {"link", FILE_LINK, "old", "hard", kArgument, "@"},
    {"linkat", FILE_LINK, "inner", "hard", kArgument, "@/dir"},
    {"link-absolute", FILE_LINK, "@/old", "@/hard", kArgument},
    {"link-missing", FILE_LINK, "none", "other", kArgument, "@"},
    {"chmod", FILE_CHMOD, "old", "", kArgument, "@", 0604},
    {"chmod-absolute", FILE_CHMOD, "@/old", "", kArgument, "", 0604},
    {"chmod-through-link", FILE_CHMOD, "link", "", kArgument, "@", 0604, "@/old"},
    {"chmod-missing", FILE_CHMOD, "none", "", kArgument, "@", 0600},
    {"fchmod", FILE_CHMOD, "@/old", "", kObject, "", 0605},
    {"fchmodat", FILE_CHMOD, "inner", "", kArgument, "@/dir", 0611},
    {"fchmodat2", FILE_CHMOD, "old", "", kArgument, "@", 0606},
    {"fchmodat2-dir", FILE_CHMOD, "inner", "", kArgument, "@/dir", 0612},
    {"chown", FILE_CHOWN, "old", "", kArgument, "@"},
    {"chown-absolute", FILE_CHOWN, "@/old", "", kArgument},
    {"chown-missing", FILE_CHOWN, "none", "", kArgument, "@"},
    {"lchown-link", FILE_CHOWN, "link", "", kArgument, "@"},
    {"fchown", FILE_CHOWN, "@/old", "", kObject},
    {"fchownat", FILE_CHOWN, "inner", "", kArgument, "@/dir"},
    {"truncate", FILE_TRUNCATE, "old", "", kArgument, "@"},
    {"truncate-absolute", FILE_TRUNCATE, "@/old", "", kArgument},
    {"truncate-through-link", FILE_TRUNCATE, "link", "", kArgument, "@", 0, "@/old"},
    {"truncate-missing", FILE_TRUNCATE, "none", "", kArgument, "@"},
    {"ftruncate", FILE_TRUNCATE, "@/old", "", kObject},
    {"ftruncate-refused", FILE_TRUNCATE, "@/old", "", kObject},
    {"setxattr", FILE_XATTR, "old", "", kArgument, "@"},
    {"setxattr-missing", FILE_XATTR, "none", "", kArgument, "@"},
    {"fsetxattr", FILE_XATTR, "@/old", "", kObject},
    {"utimensat", FILE_UTIMES, "inner", "", kArgument, "@/dir"},
    {"utimes-missing", FILE_UTIMES, "none", "", kArgument, "@"},
    {"futimens", FILE_UTIMES, "@/old", "", kObject},
    {"dup", FILE_DUP, "@/old", "", kObject},
    {"dup2", FILE_DUP, "@/old", "", kObject},
    {"fcntl-dup", FILE_DUP, "@/old", "", kObject},
    {"mmap-shared", FILE_MMAP, "@/old", "", kObject},
    {"mount", FILE_MOUNT, "dir", "source", kArgument, "@"},
    {"mount-missing", FILE_MOUNT, "none", "source", kArgument, "@"},
    {"umount", FILE_UMOUNT, "dir", "", kArgument, "@"},
    {"umount-missing", FILE_UMOUNT, "none", "", kArgument, "@"},
    {"uring-open", FILE_OPEN, "@/old", "", kObject},
    {"uring-open-missing", FILE_OPEN, "no-such-file", "", kArgument, "@"},
    {"uring-write", FILE_WRITE, "@/old", "", kObject},
    {"uring-unlink", FILE_DELETE, "old", "", kArgument, "@"},
    {"uring-rename", FILE_RENAME, "old", "dir/moved", kArgument, "@"},
    {"uring-mkdir", FILE_CREATE, "made", "", kArgument, "@", S_IFDIR | 0700},
    {"compat-open", FILE_OPEN, "@/old", "", kObject},
    {"compat-openat", FILE_OPEN, "@/dir/inner", "", kObject},
    {"compat-unlink", FILE_DELETE, "old", "", kArgument, "@"},
    {"compat-rename", FILE_RENAME, "old", "moved", kArgument, "@"},
    {"compat-mkdir", FILE_CREATE, "made", "", kArgument, "@", S_IFDIR | 0750},
    {"compat-chmod", FILE_CHMOD, "old", "", kArgument, "@", 0604},
    {"sysctl", KERNEL_SYSCTL, "/proc/sys/kernel/core_uses_pid", "", kObject},
};

// What security hooks see the object of, where a system call only names it.
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

class FileTable : public Events, public ::testing::WithParamInterface<FileCase> {
 protected:
  std::string Expand(const char* text) const { return text[0] == '@' ? dir_ + (text + 1) : text; }
  std::string Below(const char* base, const char* path) const {
    if (path[0] == '@' || path[0] == '/') return Expand(path);
    return absl::StrCat(Expand(base), "/", path);
  }
};

TEST_P(FileTable, RecordSaysWhatTheActDid) {
  const FileCase want = GetParam();
  const Said said = Do(want.act);
  if (said.ret == -ENOSYS) GTEST_SKIP() << "NOT TESTED: this kernel has no such call";
  std::string path = Expand(want.path), target = Expand(want.target), base = Expand(want.base);
  PathSource source = want.source;
  if (capture_->backend() == "lsm" && said.ret == 0 && Hooked(want)) {
    path = want.object != nullptr ? Expand(want.object) : Below(want.base, want.path);
    if (want.type == FILE_RENAME || want.type == FILE_LINK) target = Below(want.base, want.target);
    source = PATH_OBJECT;
    base = "";
  }
  const Seen* seen =
      One(want.type, said.pid, [&](const Record& record) { return record.file().path() == path; });
  ASSERT_NE(seen, nullptr);
  const Record& record = seen->record;
  EXPECT_EQ(record.ret(), said.ret);
  EXPECT_EQ(record.via() == VIA_IO_URING, absl::StartsWith(want.act, "uring-"));
  EXPECT_EQ(record.compat(), absl::StartsWith(want.act, "compat-"));
  EXPECT_EQ(record.file().source(), source);
  EXPECT_EQ(record.file().base(), base);
  EXPECT_FALSE(record.file().partial());
  EXPECT_EQ(record.target().path(), target);
  if (want.mode != 0) {
    EXPECT_EQ(record.file().mode() & want.mode, want.mode);
  }
  if (want.source == PATH_OBJECT && std::string(want.act) != "open-chrooted") {
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

INSTANTIATE_TEST_SUITE_P(All, FileTable, ::testing::ValuesIn(kFileCases), [](const auto& one) {
  std::string name = one.param.act;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

TEST_F(FileEvents, AccessIsWhatWasAskedFor) {
  const Said said = Do("open-relative");  // O_RDWR | O_APPEND
  const Seen* seen =
      One(FILE_OPEN, said.pid, [&](const Record& r) { return r.file().path() == dir_ + "/old"; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.file().access(), 1u | 2u | 4u);
  EXPECT_EQ(seen->record.file().flags() & (O_RDWR | O_APPEND), uint32_t{O_RDWR | O_APPEND});
  EXPECT_EQ(seen->record.file().fd(), said.ret);
}

TEST_F(FileEvents, OwnersSizesAndNamesAskedForStandInTheRecord) {
  for (const auto& [act, uid, gid] :
       {std::tuple("fchown", 1234u, 2345u), std::tuple("fchownat", 7u, 8u)}) {
    const Said said = Do(act);
    const Seen* seen = One(FILE_CHOWN, said.pid);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.file().uid(), uid);
    EXPECT_EQ(seen->record.file().gid(), gid);
  }
  for (const auto& [act, size] : {std::pair("truncate", 17u), std::pair("ftruncate", 18u)}) {
    const Said said = Do(act);
    const Seen* seen = One(FILE_TRUNCATE, said.pid);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.file().size(), size);
  }
  for (const char* act : {"setxattr", "fsetxattr"}) {
    const Said said = Do(act);
    const Seen* seen = One(FILE_XATTR, said.pid);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.file().name(), "user.cairn");
  }
  const Said said = Do("removexattr");  // after a setxattr
  int records = 0;
  for (const Seen& seen : seen_) {
    records += seen.process.pid() == said.pid && seen.record.type() == FILE_XATTR;
  }
  EXPECT_EQ(records, 2) << All(said.pid);
}

TEST_F(FileEvents, ALongPathIsWholeUpToItsBound) {
  const Said said = Do("open-long");
  std::string path = dir_;
  for (int i = 0; i < 15; ++i) absl::StrAppend(&path, "/", std::string(200, 'd'));
  path += "/leaf";
  ASSERT_LT(path.size(), 4096u - 256u);
  EXPECT_NE(One(FILE_CREATE, said.pid,
                [&](const Record& record) { return record.file().path() == path; }),
            nullptr);
}

TEST_F(FileEvents, ADeepPathIsPartialAndSaysSo) {
  const Said said = Do("open-deep");
  const Seen* seen = One(FILE_CREATE, said.pid,
                         [](const Record& r) { return absl::EndsWith(r.file().path(), "/leaf"); });
  ASSERT_NE(seen, nullptr);
  EXPECT_TRUE(seen->record.file().partial());
  EXPECT_EQ(seen->record.file().source(), PATH_OBJECT);
  EXPECT_NE(seen->record.file().path()[0], '/');
}

TEST_F(FileEvents, ANameBeyondItsBoundIsCutAndSaysSo) {
  const Said said = Do("open-too-long");
  EXPECT_EQ(said.ret, -ENAMETOOLONG);
  const Seen* seen =
      One(FILE_OPEN, said.pid, [](const Record& r) { return r.ret() == -ENAMETOOLONG; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.file().path(), std::string(4095, 'n'));
  EXPECT_GT(seen->record.file().path_length(), 4095u);
}

TEST_F(FileEvents, ANameThatCannotBeReadIsMarked) {
  const Said said = Do("open-nowhere");
  EXPECT_EQ(said.ret, -EFAULT);
  const Seen* seen = One(FILE_OPEN, said.pid, [](const Record& r) { return r.ret() == -EFAULT; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.file().path(), "");
  EXPECT_TRUE(seen->record.file().partial());
}

TEST_F(FileEvents, WhatFailsOnADescriptorHasNoObject) {
  for (const auto& [act, type] : {std::pair("fchmod-bad", FILE_CHMOD), {"dup-bad", FILE_DUP}}) {
    const Said said = Do(act);
    EXPECT_EQ(said.ret, -EBADF) << act;
    const Seen* seen = One(type, said.pid, [](const Record& r) { return r.ret() == -EBADF; });
    ASSERT_NE(seen, nullptr) << act;
    EXPECT_EQ(seen->record.file().inode(), 0u) << act;
  }
}

TEST_F(FileEvents, AFailedWriteIsRecorded) {
  const Said said = Do("write-read-only");
  EXPECT_EQ(said.ret, -EBADF);
  const Seen* seen =
      One(FILE_WRITE, said.pid, [](const Record& record) { return record.ret() < 0; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), -EBADF);
}

TEST_F(FileEvents, APipeIsNamedByItsInode) {
  const Said said = Do("write-pipe");
  EXPECT_NE(One(FILE_WRITE, said.pid,
                [](const Record& record) {
                  return record.file().path() ==
                             absl::StrCat("pipe:[", record.file().inode(), "]") &&
                         record.ret() == 2;
                }),
            nullptr);
  const Said made = Do("pipe");
  const Seen* seen = One(FILE_PIPE, made.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), made.ret);
}

TEST_F(FileEvents, SendfileReadsAndWrites) {
  const Said said = Do("sendfile");
  for (const auto& [type, name] : {std::pair(FILE_READ, "/old"), {FILE_WRITE, "/copy"}}) {
    const std::string path = dir_ + name;
    bool found = false;
    for (const Seen& seen : seen_) {
      found |= seen.process.pid() == said.pid && seen.record.type() == type &&
               seen.record.file().path() == path;
    }
    EXPECT_TRUE(found) << path << "\n" << All(said.pid);
  }
}

TEST_F(FileEvents, AClosedFileHasAName) {
  const Said said = Do("close");
  const std::string path = dir_ + "/old";
  const Seen* seen =
      One(FILE_CLOSE, said.pid, [&](const Record& record) { return record.file().path() == path; });
  ASSERT_NE(seen, nullptr);
  EXPECT_FALSE(seen->record.has_ret());
}

TEST_F(FileEvents, APathCrossesMounts) {
  const Said said = Do("open-in-mount");
  EXPECT_NE(One(FILE_CREATE, said.pid,
                [&](const Record& record) { return record.file().path() == dir_ + "/dir/deep"; }),
            nullptr);
  const Seen* mount = One(FILE_MOUNT, said.pid,
                          [](const Record& record) { return record.target().path() == "source"; });
  ASSERT_NE(mount, nullptr);
  EXPECT_EQ(mount->record.file().name(), "tmpfs");
}

TEST_F(FileEvents, AMovedMountHasBothNames) {
  const Said said = Do("move-mount");
  const Seen* seen = One(FILE_MOUNT, said.pid,
                         [](const Record& record) { return record.target().path() == "empty"; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.file().path(), "dir");
  EXPECT_EQ(seen->record.ret(), said.ret);
}

TEST_F(FileEvents, OurOwnFilesAreNotCaptured) {
  Drain(nullptr);
  close(open((dir_ + "/old").c_str(), O_RDONLY));
  usleep(5000);
  seen_.clear();
  Drain(&seen_);
  for (const Seen& seen : seen_) {
    EXPECT_NE(seen.process.pid(), static_cast<uint32_t>(getpid()))
        << seen.record.ShortDebugString();
  }
}

TEST_F(FileEvents, WhatIsNotWantedIsNotCaptured) {
  policy::Wanted wanted;
  wanted.Add(FILE_DELETE);
  ASSERT_TRUE(capture_->SetWanted(wanted).ok());
  usleep(5000);  // what others did until now is in the rings
  const Said said = Do("unlink");
  EXPECT_NE(One(FILE_DELETE, said.pid), nullptr);
  for (const Seen& seen : seen_) EXPECT_NE(seen.record.type(), FILE_OPEN);
  WantAll();
}

// Where a machine must have a certain backend, it says so: CAIRN_BACKEND=lsm.
TEST_F(FileEvents, TheBackendIsTheOneThisMachineMustHave) {
  const char* must = getenv("CAIRN_BACKEND");
  if (must == nullptr) GTEST_SKIP() << "any backend will do here: CAIRN_BACKEND is not set";
  EXPECT_EQ(capture_->backend(), must) << capture_->backend_reason();
}

}  // namespace
}  // namespace cairn::capture
