#include "agent/capture/cgroup.h"

#include <string>

#include "agent/capture/proc_reader.h"
#include "agent/capture/users.h"
#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kOther = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

struct Case {
  std::string path;
  std::string unit, id, runtime;
};

TEST(Cgroup, NamesOfEveryRuntime) {
  const Case cases[] = {
      {"/", "", "", ""},
      {"", "", "", ""},
      {"/system.slice/ssh.service", "ssh.service", "", ""},
      {"/user.slice/user-0.slice/session-3.scope", "session-3.scope", "", ""},
      {"/system.slice/docker-" + kId + ".scope", "docker-" + kId + ".scope", kId, "docker"},
      {"/docker/" + kId, "", kId, "docker"},
      {"/machine.slice/libpod-" + kId + ".scope/container", "libpod-" + kId + ".scope", kId,
       "podman"},
      {"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + kId + ".scope",
       "cri-containerd-" + kId + ".scope", kId, "containerd"},
      {"/kubepods.slice/crio-" + kId + ".scope", "crio-" + kId + ".scope", kId, "cri-o"},
      {"/kubepods/besteffort/pod123/" + kId, "", kId, "kubernetes"},
      {"/lxc.payload.web", "", "web", "lxc"},
      {"/machine.slice/machine-box.scope", "machine-box.scope", "box", "nspawn"},
      // Docker in docker: the innermost counts.
      {"/docker/" + kOther + "/docker/" + kId, "", kId, "docker"},
      {"/docker/" + kId + "/system.slice/nginx.service", "nginx.service", kId, "docker"},
      // Not ids: too short, not hexadecimal.
      {"/docker/abc", "", "", ""},
      {"/docker/" + std::string(64, 'x'), "", "", ""},
  };
  for (const Case& one : cases) {
    const CgroupNames names = ParseCgroup(one.path);
    EXPECT_EQ(names.unit, absl::string_view(one.unit)) << one.path;
    EXPECT_EQ(names.container_id, absl::string_view(one.id)) << one.path;
    EXPECT_EQ(names.runtime, absl::string_view(one.runtime)) << one.path;
  }
}

TEST(Proc, TheUnifiedGroupCountsUnlessItIsTheRoot) {
  EXPECT_EQ(ParseProcCgroup("0::/system.slice/a.service\n"), "/system.slice/a.service");
  EXPECT_EQ(ParseProcCgroup("9:name=systemd:/b\n8:pids:/a\n0::/\n"), "/b");
  EXPECT_EQ(ParseProcCgroup(""), "");
  EXPECT_EQ(ParseProcCgroup("nonsense\n::\n"), "");
}

TEST(Proc, AStatLineWithAnyCommIsRead) {
  Process process;
  ASSERT_TRUE(
      ParseProcStat("42 (a) b) (c) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0", &process));
  EXPECT_EQ(process.comm(), "a) b) (c");
  EXPECT_EQ(process.ppid(), 7u);
  EXPECT_EQ(process.start_ns(), 123'450'000'000u);
  EXPECT_FALSE(ParseProcStat("42 (short) S 7", &process));
  EXPECT_FALSE(ParseProcStat("", &process));
  EXPECT_FALSE(ParseProcStat(")(", &process));
}

TEST(Proc, StatusHasIdsAndCapabilities) {
  Process process;
  ASSERT_TRUE(
      ParseProcStatus("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapEff:\t00ff\n", &process));
  EXPECT_EQ(process.uid(), 1u);
  EXPECT_EQ(process.euid(), 2u);
  EXPECT_EQ(process.suid(), 3u);
  EXPECT_EQ(process.fsgid(), 8u);
  EXPECT_EQ(process.capabilities(), 0xffu);
  EXPECT_FALSE(ParseProcStatus("Uid:\t1\n", &process));
}

TEST(Users, TheFirstLineOfAnIdCounts) {
  Users users("/nonexistent");
  users.Parse("root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbad line\n:x:5:5\nu:x:70000:1:");
  EXPECT_EQ(users.Name(0, 1), "root");
  EXPECT_EQ(users.Name(70000, 1), "u");
  EXPECT_EQ(users.Name(5, 1), "");
}

}  // namespace
}  // namespace cairn::capture
