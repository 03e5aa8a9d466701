#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/capture/acts.h"

namespace cairn::acts {
namespace {

int Make(const char* name, const char* text = "x") {
  const int fd = open(name, O_CREAT | O_RDWR, 0644);
  (void)!write(fd, text, 1);
  return fd;
}

long OpenAbsolute() { return Result(open("/etc/passwd", O_RDONLY)); }
long OpenMissing() { return Result(open("no-such-file", O_RDONLY)); }
long OpenRelative() { return Result(open("old", O_RDWR | O_APPEND)); }
long OpenThroughLink() { return Result(open("link", O_RDONLY)); }
long OpenAt() {
  const int dir = open("dir", O_PATH | O_DIRECTORY);
  return Result(openat(dir, "inner", O_RDONLY));
}
long OpenAt2() {
  open_how how = {};
  how.flags = O_RDONLY;
  how.resolve = RESOLVE_BENEATH;
  return Result(syscall(SYS_openat2, AT_FDCWD, "old", &how, sizeof(how)));
}
long OpenBadBytes() { return Result(open("b\xff\x01\n", O_RDONLY | O_CREAT, 0600)); }
long OpenChrooted() {
  if (chroot("dir") != 0) return Result(-1);
  return Result(open("/inner", O_RDONLY));
}
long OpenLong() {
  const std::string name(200, 'd');
  for (int i = 0; i < 15; ++i) {
    if (mkdir(name.c_str(), 0700) != 0 || chdir(name.c_str()) != 0) return Result(-1);
  }
  return Result(open("leaf", O_CREAT | O_WRONLY, 0600));
}
long CreateNew() { return Result(open("new", O_CREAT | O_WRONLY, 0640)); }
long CreateExists() { return Result(open("old", O_CREAT | O_EXCL | O_WRONLY, 0640)); }
long Creat() { return Result(creat("new", 0600)); }
long Mkdir() { return Result(mkdir("made", 0750)); }
long MkdirExists() { return Result(mkdir("dir", 0750)); }
long Mknod() { return Result(mknod("fifo", S_IFIFO | 0600, 0)); }
long Symlink() { return Result(symlink("somewhere", "sym")); }
long Write() {
  const int fd = open("old", O_WRONLY);
  const long ret = Result(write(fd, "abc", 3));
  (void)!write(fd, "second", 6);
  return ret;
}
long Writev() {
  const int fd = open("old", O_WRONLY);
  iovec part = {const_cast<char*>("abcd"), 4};
  return Result(writev(fd, &part, 1));
}
long WriteReadOnly() { return Result(write(open("old", O_RDONLY), "abc", 3)); }
long Read() {
  char text[4];
  return Result(read(open("old", O_RDONLY), text, sizeof(text)));
}
long Sendfile() { return Result(sendfile(Make("copy"), open("old", O_RDONLY), nullptr, 1)); }
long WritePipe() {
  int ends[2];
  (void)!pipe(ends);
  return Result(write(ends[1], "ab", 2));
}
long Unlink() { return Result(unlink("old")); }
long UnlinkMissing() { return Result(unlink("no-such-file")); }
long UnlinkAt() { return Result(unlinkat(open("dir", O_PATH), "inner", 0)); }
long Rmdir() { return Result(rmdir("empty")); }
long Rename() { return Result(rename("old", "dir/moved")); }
long RenameAt2() {
  return Result(syscall(SYS_renameat2, AT_FDCWD, "old", AT_FDCWD, "dir", 1 /* NOREPLACE */));
}
long Link() { return Result(link("old", "hard")); }
long Chmod() { return Result(chmod("old", 0604)); }
long Fchmod() { return Result(fchmod(open("old", O_RDONLY), 0605)); }
long Fchmodat2() { return Result(syscall(452, AT_FDCWD, "old", 0606, 0)); }
long Chown() { return Result(chown("old", 1234, 2345)); }
long Fchown() { return Result(fchown(open("old", O_RDONLY), 1234, 2345)); }
long Fchownat() { return Result(fchownat(open("dir", O_PATH), "inner", 7, 8, 0)); }
long Truncate() { return Result(truncate("old", 17)); }
long Ftruncate() { return Result(ftruncate(open("old", O_RDWR), 18)); }

long Setxattr() { return Result(setxattr("old", "user.cairn", "v", 1, 0)); }
long Fsetxattr() { return Result(fsetxattr(open("old", O_RDONLY), "user.cairn", "v", 1, 0)); }
long Utimensat() {
  const timespec times[2] = {};
  return Result(utimensat(open("dir", O_PATH), "inner", times, 0));
}
long Futimens() {
  const timespec times[2] = {};
  return Result(futimens(open("old", O_RDWR), times));
}
long Dup() { return Result(dup(open("old", O_RDONLY))); }
long Dup2() { return Result(dup2(open("old", O_RDONLY), 99)); }
long FcntlDup() { return Result(fcntl(open("old", O_RDONLY), F_DUPFD, 50)); }
long Pipe() {
  int ends[2];
  return Result(pipe(ends));
}
long MmapShared() {
  const int fd = open("old", O_RDWR);
  (void)!ftruncate(fd, 4096);
  void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? Result(-1) : reinterpret_cast<long>(at);
}
long Close() { return Result(close(open("old", O_RDONLY))); }
long MountTmpfs() {
  if (unshare(CLONE_NEWNS) != 0) return Result(-1);
  (void)!mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  return Result(mount("source", "dir", "tmpfs", MS_NOSUID, nullptr));
}
long Umount() {
  if (MountTmpfs() != 0) return Result(-1);
  return Result(umount2("dir", MNT_DETACH));
}
long OpenInMount() {
  if (MountTmpfs() != 0) return Result(-1);
  return Result(open("dir/deep", O_CREAT | O_WRONLY, 0600));
}
long WriteBack(const char* path) {
  const int fd = open(path, O_RDWR);
  char value[8] = {};
  const ssize_t size = read(fd, value, sizeof(value) - 1);
  (void)lseek(fd, 0, SEEK_SET);
  return Result(write(fd, value, static_cast<size_t>(size)));
}
long Sysctl() { return WriteBack("/proc/sys/kernel/core_uses_pid"); }
long WriteOwnProc() { return WriteBack("/proc/self/oom_score_adj"); }

}  // namespace

void AddFileActs(std::map<std::string, Act>* acts) {
  const std::map<std::string, Act> more = {
      {"open-absolute", OpenAbsolute},
      {"open-missing", OpenMissing},
      {"open-relative", OpenRelative},
      {"open-through-link", OpenThroughLink},
      {"openat", OpenAt},
      {"openat2", OpenAt2},
      {"open-bad-bytes", OpenBadBytes},
      {"open-chrooted", OpenChrooted},
      {"open-long", OpenLong},
      {"create-new", CreateNew},
      {"create-exists", CreateExists},
      {"creat", Creat},
      {"mkdir", Mkdir},
      {"mkdir-exists", MkdirExists},
      {"mknod", Mknod},
      {"symlink", Symlink},
      {"write", Write},
      {"writev", Writev},
      {"write-read-only", WriteReadOnly},
      {"read", Read},
      {"sendfile", Sendfile},
      {"write-pipe", WritePipe},
      {"unlink", Unlink},
      {"unlink-missing", UnlinkMissing},
      {"unlinkat", UnlinkAt},
      {"rmdir", Rmdir},
      {"rename", Rename},
      {"renameat2", RenameAt2},
      {"link", Link},
      {"chmod", Chmod},
      {"fchmod", Fchmod},
      {"fchmodat2", Fchmodat2},
      {"chown", Chown},
      {"fchown", Fchown},
      {"fchownat", Fchownat},
      {"truncate", Truncate},
      {"ftruncate", Ftruncate},
      {"setxattr", Setxattr},
      {"fsetxattr", Fsetxattr},
      {"utimensat", Utimensat},
      {"futimens", Futimens},
      {"dup", Dup},
      {"dup2", Dup2},
      {"fcntl-dup", FcntlDup},
      {"pipe", Pipe},
      {"mmap-shared", MmapShared},
      {"close", Close},
      {"mount", MountTmpfs},
      {"umount", Umount},
      {"open-in-mount", OpenInMount},
      {"sysctl", Sysctl},
      {"write-own-proc", WriteOwnProc},
  };
  acts->insert(more.begin(), more.end());
}

}  // namespace cairn::acts
