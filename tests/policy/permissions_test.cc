// Who may have written what is loaded; and races with those who try.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "policy/load.h"
#include "tests/policy/test_policy.h"

namespace cairn::policy {
namespace {

using ::testing::HasSubstr;

TEST(Permissions, WhatOthersMayWriteIsRefused) {
  PolicyDir dir;
  dir.Write("a.yaml", std::string(kHead) + kRule);
  const std::string file = dir.path() + "/a.yaml";
  const auto error = [&] {
    const LoadResult result = LoadPolicy(dir.path(), "", nullptr);
    return result.change.errors_size() == 0 ? std::string("none") : result.change.errors(0);
  };
  EXPECT_EQ(error(), "none");
  ::chmod(file.c_str(), 0666);
  EXPECT_THAT(error(), HasSubstr("others may write it"));
  ::chmod(file.c_str(), 0644);
  ::chmod(dir.path().c_str(), 0777);
  EXPECT_THAT(error(), HasSubstr("others may write it"));
  ::chmod(dir.path().c_str(), 0700);
  ASSERT_EQ(::symlink(file.c_str(), (dir.path() + "/b.yaml").c_str()), 0);
  EXPECT_THAT(error(), HasSubstr("symbolic link"));
  ::unlink((dir.path() + "/b.yaml").c_str());
  const std::string link = dir.path() + "-link";
  ASSERT_EQ(::symlink(dir.path().c_str(), link.c_str()), 0);
  EXPECT_THAT(LoadPolicy(link, "", nullptr).change.errors(0), HasSubstr("symbolic link"));
  ::unlink(link.c_str());
  ASSERT_EQ(::mkfifo((dir.path() + "/f.yaml").c_str(), 0600), 0);
  EXPECT_THAT(error(), HasSubstr("not a regular file"));
  ::unlink((dir.path() + "/f.yaml").c_str());
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(file.c_str(), 1000, 1000), 0);
    EXPECT_THAT(error(), HasSubstr("owned by user 1000"));
  }
}

std::string LoadError(const std::string& dir) {
  const LoadResult result = LoadPolicy(dir, "", nullptr);
  return result.change.errors().empty() ? "none" : result.change.errors(0);
}

// Each directory above is looked at, not the last alone.
TEST(Permissions, EveryParentCounts) {
  PolicyDir dir;
  const std::string deep = dir.path() + "/a/b/c";
  (void)!std::system(("mkdir -p " + deep).c_str());
  dir.Write("a/b/c/p.yaml", kHead);
  EXPECT_EQ(LoadError(deep), "none");
  for (const char* parent : {"/a", "/a/b", "/a/b/c"}) {
    const std::string path = dir.path() + parent;
    ::chmod(path.c_str(), 0775);
    EXPECT_THAT(LoadError(deep), HasSubstr(path + ": others may write it")) << parent;
    ::chmod(path.c_str(), 0755);
    if (::geteuid() == 0) {
      ASSERT_EQ(::chown(path.c_str(), 1000, 1000), 0);
      EXPECT_THAT(LoadError(deep), HasSubstr(path + ": owned by user 1000")) << parent;
      ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
    }
  }
  ASSERT_EQ(::symlink("b", (dir.path() + "/a/link").c_str()), 0);
  EXPECT_THAT(LoadError(dir.path() + "/a/link/c"), HasSubstr("a symbolic link"));
  EXPECT_EQ(LoadError(deep), "none");
}

// An ACL that lets somebody write shows in the group's bits.
TEST(Permissions, AnAclThatLetsOthersWriteIsSeen) {
  PolicyDir dir;
  dir.Write("p.yaml", kHead);
  if (std::system(("setfacl -m u:1000:rw " + dir.path() + "/p.yaml 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "SKIPPED: no setfacl, or no ACLs on this file system";
  }
  EXPECT_THAT(LoadError(dir.path()), HasSubstr("others may write it"));
}

// Two whole policies change places by rename while they are loaded: each load is one of them, and
// its digest that of the bytes that took effect.
TEST(Permissions, ARenameMeanwhileNeverMixesTwoPolicies) {
  PolicyDir dir;
  const auto text = [](const std::string& id) {
    return absl::StrCat(kHead, "rules: [{id: ", id, ", on: [file.open]}]\n");
  };
  std::set<std::string> digests;
  for (const char* id : {"one", "two"}) {
    dir.Write("p.yaml", text(id));
    digests.insert(LoadPolicy(dir.path(), "", nullptr).policy->digest());
  }
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    for (int i = 0; !stop; ++i) {
      dir.Write(".next", text(i % 2 ? "one" : "two"));
      ::rename((dir.path() + "/.next").c_str(), (dir.path() + "/p.yaml").c_str());
    }
  });
  for (int i = 0; i < 300; ++i) {
    const LoadResult result = LoadPolicy(dir.path(), "", nullptr);
    EXPECT_EQ(result.rung, Rung::kConfigured) << result.change.errors(0);
    EXPECT_TRUE(digests.contains(result.policy->digest()));
    const std::string judged = Judged(*result.policy, Open("/x"));
    EXPECT_TRUE(judged == "record one" || judged == "record two") << judged;
  }
  stop = true;
  swapper.join();
}

// The file is now a good one, now a link to one that others may write: the link is never followed.
TEST(Permissions, ALinkPutInPlaceMeanwhileIsNeverFollowed) {
  PolicyDir dir, theirs;
  dir.Write("p.yaml", absl::StrCat(kHead, "rules: [{id: ours, on: [file.open]}]\n"));
  theirs.Write("t.yaml", absl::StrCat(kHead, "rules: [{id: theirs, on: [file.open]}]\n"));
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    const std::string file = dir.path() + "/p.yaml", other = dir.path() + "/.other";
    ASSERT_EQ(::symlink((theirs.path() + "/t.yaml").c_str(), other.c_str()), 0);
    while (!stop) ::renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
  });
  for (int i = 0; i < 300; ++i) {
    const std::string judged = Judged(*LoadPolicy(dir.path(), "", nullptr).policy, Open("/x"));
    EXPECT_TRUE(judged == "record ours" || judged == "drop") << judged;
  }
  stop = true;
  swapper.join();
}

// In a mount namespace of its own, so that nothing outside sees it. Returns what `look` says.
std::string InOwnMounts(const std::function<std::string()>& look) {
  int pipe[2];
  if (::pipe(pipe) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    std::string said = "no mount namespace";
    if (::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", "", MS_REC | MS_PRIVATE, "") == 0) {
      said = look();
    }
    (void)!::write(pipe[1], said.data(), said.size());
    ::_exit(0);
  }
  ::close(pipe[1]);
  std::string said(4096, '\0');
  const ssize_t n = ::read(pipe[0], said.data(), said.size());
  ::close(pipe[0]);
  ::waitpid(child, nullptr, 0);
  said.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return said;
}

// What is mounted over a file or directory is what is checked, since it is what is read.
TEST(Permissions, ABindMountIsCheckedForWhatItIs) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cannot mount";
  PolicyDir dir, theirs;
  dir.Write("p.yaml", kHead);
  theirs.Write("p.yaml", kHead);
  const std::string ours = dir.path(), other = theirs.path();
  const auto mounted = [&](const std::string& what, const std::string& over) {
    return InOwnMounts([&]() -> std::string {
      if (::mount(what.c_str(), over.c_str(), "", MS_BIND, "") != 0) return "no mount";
      return LoadError(ours);
    });
  };
  EXPECT_EQ(mounted(other + "/p.yaml", ours + "/p.yaml"), "none");
  ::chmod((other + "/p.yaml").c_str(), 0666);
  EXPECT_THAT(mounted(other + "/p.yaml", ours + "/p.yaml"), HasSubstr("others may write it"));
  EXPECT_THAT(mounted(other, ours), HasSubstr("others may write it"));
  ::chmod((other + "/p.yaml").c_str(), 0644);
  ASSERT_EQ(::chown(other.c_str(), 1000, 1000), 0);
  EXPECT_THAT(mounted(other, ours), HasSubstr("owned by user 1000"));
}

// A directory that others may write is mounted over ours and away again: what is in it never
// counts.
TEST(Permissions, ABindMountPutInPlaceMeanwhileIsNeverTrusted) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cannot mount";
  PolicyDir dir, theirs;
  dir.Write("p.yaml", absl::StrCat(kHead, "rules: [{id: ours, on: [file.open]}]\n"));
  theirs.Write("p.yaml", absl::StrCat(kHead, "rules: [{id: theirs, on: [file.open]}]\n"));
  ::chmod(theirs.path().c_str(), 0777);
  const std::string said = InOwnMounts([&]() -> std::string {
    std::atomic<bool> stop{false};
    std::atomic<int> mounts{0};
    std::thread swapper([&] {
      while (!stop) {
        mounts += ::mount(theirs.path().c_str(), dir.path().c_str(), "", MS_BIND, "") == 0;
        std::this_thread::yield();  // a busy machine must see both states, too
        ::umount2(dir.path().c_str(), MNT_DETACH);
      }
    });
    int ours = 0, refused = 0, other = 0;
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    for (int i = 0; i < 300 || ((ours == 0 || refused == 0) && absl::Now() < give_up); ++i) {
      const std::string judged = Judged(*LoadPolicy(dir.path(), "", nullptr).policy, Open("/x"));
      ++(judged == "record ours" ? ours : judged == "drop" ? refused : other);
    }
    stop = true;
    swapper.join();
    if (mounts == 0) return "no mount";
    if (ours == 0 || refused == 0) return absl::StrCat("no race: ", ours, " ", refused);
    return absl::StrCat(other, " others");
  });
  EXPECT_EQ(said, "0 others");
}

}  // namespace
}  // namespace cairn::policy
