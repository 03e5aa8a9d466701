#include "base/restrict.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

namespace cairn {
namespace {

// Restrictions are for good, so each test restricts a child; 0: as it should be.
int InChild(int (*check)()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

bool Refused(int result) { return result == -1 && errno == EPERM; }

// "0000000000000400" of "CapEff:".
std::string OwnLine(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name, 0) == 0) return line.substr(line.find_last_of('\t') + 1);
  }
  return "";
}

class RestrictTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("CAIRN_EMULATED") != nullptr) GTEST_SKIP() << "NOT TESTED: qemu has no seccomp";
  }
};

TEST_F(RestrictTest, NoOtherProgramIsStartedAndNothingIsMounted) {
  EXPECT_EQ(InChild([] {
              if (!Restrict({}, Network::kIp).ok()) return 1;
              char name[] = "/bin/true";
              char* argv[] = {name, nullptr};
              if (!Refused(::execv(name, argv))) return 2;
              if (!Refused(::mount("none", "/nowhere", "tmpfs", 0, nullptr))) return 3;
              if (!Refused(::setuid(0))) return 4;
              return OwnLine("NoNewPrivs:") == "1" ? 0 : 5;
            }),
            0);
}

TEST_F(RestrictTest, ALocalDaemonGetsNoIpSocketWhateverTheFamily) {
  EXPECT_EQ(InChild([] {
              if (!Restrict({}, Network::kLocalOnly).ok()) return 1;
              for (int family = 0; family < AF_MAX; ++family) {
                const bool allowed = family == AF_UNIX || family == AF_NETLINK;
                const int type = family == AF_NETLINK ? SOCK_RAW : SOCK_STREAM;
                const int fd = ::socket(family, type, 0);
                if (allowed ? fd < 0 : !Refused(fd)) return 2 + family;
                if (fd >= 0) ::close(fd);
              }
              return 0;
            }),
            0);
}

TEST_F(RestrictTest, AnIpDaemonGetsIpSocketsAndNoOthers) {
  EXPECT_EQ(InChild([] {
              if (!Restrict({}, Network::kIp).ok()) return 1;
              if (::socket(AF_INET, SOCK_STREAM, 0) < 0) return 2;
              if (::socket(AF_UNIX, SOCK_STREAM, 0) < 0) return 3;
              return Refused(::socket(AF_PACKET, SOCK_RAW, 0)) ? 0 : 4;
            }),
            0);
}

TEST_F(RestrictTest, OnlyTheNamedCapabilitiesStay) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root: others have no capabilities to keep";
  EXPECT_EQ(InChild([] {
              if (!Restrict({CAP_SYS_PTRACE, CAP_CHOWN}, Network::kIp).ok()) return 1;
              const std::string wanted = "0000000000080001";  // bits 19 and 0
              if (OwnLine("CapEff:") != wanted) return 2;
              if (OwnLine("CapPrm:") != wanted) return 3;
              if (OwnLine("CapBnd:") != wanted) return 4;
              if (OwnLine("CapInh:") != "0000000000000000") return 5;
              return OwnLine("CapAmb:") == "0000000000000000" ? 0 : 6;
            }),
            0);
}

TEST_F(RestrictTest, NoneStayWhereNoneAreNamed) {
  EXPECT_EQ(InChild([] {
              if (!Restrict({}, Network::kIp).ok()) return 1;
              return OwnLine("CapPrm:") == "0000000000000000" ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace cairn
