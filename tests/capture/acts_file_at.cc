#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>

#include "tests/capture/acts.h"

namespace cairn::acts {
namespace {

constexpr char kBad[] = "b\xff\x01\n";

int Dir() { return open("dir", O_PATH | O_DIRECTORY); }
std::string Here(const char* name) {
  char dir[4096];
  return std::string(getcwd(dir, sizeof(dir))) + "/" + name;
}

// With the directory as a descriptor.
long OpenAt2Dir() {
  open_how how = {};
  how.flags = O_RDONLY;
  return Result(syscall(SYS_openat2, Dir(), "inner", &how, sizeof(how)));
}
long OpenAtMissing() { return Result(openat(Dir(), "none", O_RDONLY)); }
long CreateAt() { return Result(openat(Dir(), "new", O_CREAT | O_WRONLY, 0640)); }
long MkdirAt() { return Result(mkdirat(Dir(), "made", 0750)); }
long MknodAt() { return Result(mknodat(Dir(), "fifo", S_IFIFO | 0600, 0)); }
long SymlinkAt() { return Result(symlinkat("somewhere", Dir(), "sym")); }
long RmdirAt() { return Result(unlinkat(AT_FDCWD, "empty", AT_REMOVEDIR)); }
long RenameAt() {
  const int dir = Dir();
  return Result(syscall(SYS_renameat, dir, "inner", dir, "moved"));
}
long LinkAt() {
  const int dir = Dir();
  return Result(linkat(dir, "inner", dir, "hard", 0));
}
long FchmodAt() { return Result(fchmodat(Dir(), "inner", 0611, 0)); }
long Fchmodat2Dir() { return Result(syscall(452, Dir(), "inner", 0612, 0)); }

// By a whole name.
long CreateAbsolute() { return Result(open(Here("new").c_str(), O_CREAT | O_WRONLY, 0640)); }
long MkdirAbsolute() { return Result(mkdir(Here("made").c_str(), 0750)); }
long UnlinkAbsolute() { return Result(unlink(Here("old").c_str())); }
long RenameAbsolute() { return Result(rename(Here("old").c_str(), Here("moved").c_str())); }
long LinkAbsolute() { return Result(link(Here("old").c_str(), Here("hard").c_str())); }
long ChmodAbsolute() { return Result(chmod(Here("old").c_str(), 0604)); }
long ChownAbsolute() { return Result(chown(Here("old").c_str(), 1, 2)); }
long TruncateAbsolute() { return Result(truncate(Here("old").c_str(), 3)); }

// Through a symbolic link, and the link itself.
long ChmodThroughLink() { return Result(chmod("link", 0604)); }
long LchownLink() { return Result(lchown("link", 1, 2)); }
long UnlinkLink() { return Result(unlink("link")); }
long TruncateThroughLink() { return Result(truncate("link", 3)); }
long OpenNoFollow() { return Result(open("link", O_RDONLY | O_NOFOLLOW)); }

// Odd names.
long UnlinkBadBytes() {
  close(open(kBad, O_CREAT | O_WRONLY, 0600));
  return Result(unlink(kBad));
}
long RenameBadBytes() { return Result(rename("old", kBad)); }
long OpenTooLong() { return Result(open(std::string(6000, 'n').c_str(), O_RDONLY)); }
long OpenNowhere() { return Result(open(reinterpret_cast<const char*>(8), O_RDONLY)); }
long OpenEmpty() { return Result(open("", O_RDONLY)); }
long OpenDeep() {  // deeper than a path is followed
  for (int i = 0; i < 80; ++i) {
    if (mkdir("d", 0700) != 0 || chdir("d") != 0) return Result(-1);
  }
  return Result(open("leaf", O_CREAT | O_WRONLY, 0600));
}
long UnlinkChrooted() {
  if (chroot("dir") != 0) return Result(-1);
  return Result(unlink("/inner"));
}

// What fails.
long RenameMissing() { return Result(rename("none", "other")); }
long LinkMissing() { return Result(link("none", "other")); }
long ChmodMissing() { return Result(chmod("none", 0600)); }
long FchmodBad() { return Result(fchmod(77, 0600)); }
long ChownMissing() { return Result(chown("none", 1, 2)); }
long TruncateMissing() { return Result(truncate("none", 3)); }
long FtruncateRefused() { return Result(ftruncate(open("old", O_RDONLY), 3)); }
long XattrMissing() { return Result(setxattr("none", "user.cairn", "v", 1, 0)); }
long RemoveXattr() {
  (void)!setxattr("old", "user.cairn", "v", 1, 0);
  return Result(removexattr("old", "user.cairn"));
}
long UtimesMissing() {
  const timespec times[2] = {};
  return Result(utimensat(AT_FDCWD, "none", times, 0));
}
long MountMissing() { return Result(mount("source", "none", "tmpfs", 0, nullptr)); }
long UmountMissing() { return Result(umount2("none", 0)); }
long DupBad() { return Result(dup(77)); }
long MoveMount() {
  if (unshare(CLONE_NEWNS) != 0) return Result(-1);
  (void)!mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (mount("source", "dir", "tmpfs", 0, nullptr) != 0) return Result(-1);
  return Result(syscall(SYS_move_mount, AT_FDCWD, "dir", AT_FDCWD, "empty", 0));
}

}  // namespace

void AddFileAtActs(std::map<std::string, Act>* acts) {
  const std::map<std::string, Act> more = {
      {"openat2-dir", OpenAt2Dir},
      {"openat-missing", OpenAtMissing},
      {"create-at", CreateAt},
      {"mkdirat", MkdirAt},
      {"mknodat", MknodAt},
      {"symlinkat", SymlinkAt},
      {"rmdir-at", RmdirAt},
      {"renameat", RenameAt},
      {"linkat", LinkAt},
      {"fchmodat", FchmodAt},
      {"fchmodat2-dir", Fchmodat2Dir},
      {"create-absolute", CreateAbsolute},
      {"mkdir-absolute", MkdirAbsolute},
      {"unlink-absolute", UnlinkAbsolute},
      {"rename-absolute", RenameAbsolute},
      {"link-absolute", LinkAbsolute},
      {"chmod-absolute", ChmodAbsolute},
      {"chown-absolute", ChownAbsolute},
      {"truncate-absolute", TruncateAbsolute},
      {"chmod-through-link", ChmodThroughLink},
      {"lchown-link", LchownLink},
      {"unlink-link", UnlinkLink},
      {"truncate-through-link", TruncateThroughLink},
      {"open-no-follow", OpenNoFollow},
      {"unlink-bad-bytes", UnlinkBadBytes},
      {"rename-bad-bytes", RenameBadBytes},
      {"open-too-long", OpenTooLong},
      {"open-nowhere", OpenNowhere},
      {"open-empty", OpenEmpty},
      {"open-deep", OpenDeep},
      {"unlink-chrooted", UnlinkChrooted},
      {"rename-missing", RenameMissing},
      {"link-missing", LinkMissing},
      {"chmod-missing", ChmodMissing},
      {"fchmod-bad", FchmodBad},
      {"chown-missing", ChownMissing},
      {"truncate-missing", TruncateMissing},
      {"ftruncate-refused", FtruncateRefused},
      {"setxattr-missing", XattrMissing},
      {"removexattr", RemoveXattr},
      {"utimes-missing", UtimesMissing},
      {"mount-missing", MountMissing},
      {"umount-missing", UmountMissing},
      {"dup-bad", DupBad},
      {"move-mount", MoveMount},
  };
  acts->insert(more.begin(), more.end());
}

}  // namespace cairn::acts
