// Every event about sockets and names (acts_net.cc).
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent/capture/kernel_features.h"
#include "tests/capture/event_fixture.h"

namespace cairn::capture {
namespace {

using NetEvents = Events;

const std::string kLoopback("\x7f\0\0\1", 4);

TEST_F(NetEvents, ConnectTakesTheAddressFromTheSocket) {
  const Said said = Do("connect-tcp");
  const Seen* seen = One(NET_CONNECT, said.pid);
  ASSERT_NE(seen, nullptr);
  const Net& net = seen->record.net();
  EXPECT_EQ(seen->record.ret(), 0);
  EXPECT_EQ(net.source(), PATH_OBJECT);
  EXPECT_EQ(net.family(), uint32_t{AF_INET});
  EXPECT_EQ(net.dst_ip(), kLoopback);
  EXPECT_EQ(net.src_ip(), kLoopback);
  EXPECT_NE(net.dst_port(), 0u);
  EXPECT_NE(net.src_port(), 0u);
  EXPECT_EQ(net.protocol(), 6u);
  struct stat status;
  ASSERT_EQ(stat("/proc/self/ns/net", &status), 0);
  EXPECT_EQ(net.netns(), status.st_ino);
}

TEST_F(NetEvents, AConnectThatFailedHasTheCallersAddress) {
  for (const auto& [act, error, port] : {std::tuple("connect-refused", ECONNREFUSED, 1u),
                                         std::tuple("connect-no-socket", ENOTSOCK, 4242u)}) {
    const Said said = Do(act);
    EXPECT_EQ(said.ret, -error) << act;
    const Seen* seen = One(NET_CONNECT, said.pid);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.ret(), -error);
    EXPECT_EQ(seen->record.net().source(), PATH_ARGUMENT);
    EXPECT_EQ(seen->record.net().dst_port(), port);
    EXPECT_EQ(seen->record.net().dst_ip(), kLoopback);
  }
}

TEST_F(NetEvents, ConnectOverIpv6) {
  const Said said = Do("connect-udp6");
  const Seen* seen = One(NET_CONNECT, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.net().dst_ip(), std::string(15, '\0') + "\1");
  EXPECT_EQ(seen->record.net().dst_port(), 4242u);
}

TEST_F(NetEvents, ConnectOf32Bits) {
  const Said said = Do("compat-connect");
  if (said.ret == -ENOSYS) GTEST_SKIP() << "NOT TESTED: this kernel has no such call";
  const Seen* seen = One(NET_CONNECT, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_TRUE(seen->record.compat());
  EXPECT_EQ(seen->record.net().dst_port(), 4244u);
}

TEST_F(NetEvents, Bind) {
  const Said said = Do("bind-tcp");
  const Seen* seen = One(NET_BIND, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.net().src_port(), 42731u);
  const Said refused = Do("bind-refused");
  seen = One(NET_BIND, refused.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), -EADDRNOTAVAIL);
  EXPECT_EQ(seen->record.net().src_port(), 42732u);
  EXPECT_EQ(seen->record.net().source(), PATH_ARGUMENT);
}

TEST_F(NetEvents, AbstractAndNamedUnixSockets) {
  const Said bound = Do("bind-abstract");
  const Seen* seen = One(NET_BIND, bound.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.net().path(), std::string("\0cairn-acts", 11));
  const Said connected = Do("connect-unix");
  seen = One(NET_CONNECT, connected.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.net().path(), "sock");
  EXPECT_EQ(seen->record.net().source(), PATH_OBJECT);
}

TEST_F(NetEvents, SocketsOfEveryKind) {
  struct Case {
    const char* act;
    EventType type;
    uint32_t family, socket_type;
  };
  for (const Case& want : {Case{"raw-socket", NET_RAW_SOCKET, AF_INET, SOCK_RAW},
                           Case{"packet-socket", NET_RAW_SOCKET, AF_PACKET, SOCK_DGRAM},
                           Case{"socket", NET_SOCKET, AF_INET6, SOCK_DGRAM},
                           Case{"socket-refused", NET_SOCKET, AF_INET, SOCK_STREAM},
                           Case{"listen", NET_LISTEN, AF_INET, SOCK_STREAM},
                           Case{"listen-refused", NET_LISTEN, AF_INET, SOCK_DGRAM},
                           Case{"accept", NET_ACCEPT, AF_INET, SOCK_STREAM},
                           Case{"accept-refused", NET_ACCEPT, AF_INET, SOCK_STREAM}}) {
    SCOPED_TRACE(want.act);
    const Said said = Do(want.act);
    const Seen* seen = One(want.type, said.pid);
    ASSERT_NE(seen, nullptr);
    const Net& net = seen->record.net();
    EXPECT_EQ(seen->record.ret(), said.ret);
    EXPECT_EQ(net.family(), want.family);
    EXPECT_EQ(net.socket_type(), want.socket_type);
    if (want.type == NET_ACCEPT && said.ret >= 0) {
      EXPECT_EQ(net.dst_ip(), kLoopback);
      EXPECT_NE(net.dst_port(), 0u);
    }
    if (want.type == NET_LISTEN) {
      EXPECT_EQ(net.backlog(), 5u);
    }
  }
}

TEST_F(NetEvents, SocketsThroughUring) {
  const Said sent = Do("uring-send");
  const Seen* seen =
      One(FILE_WRITE, sent.pid, [](const Record& record) { return record.via() == VIA_IO_URING; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), 4);
  const Said connected = Do("uring-connect");
  seen = One(NET_CONNECT, connected.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), connected.ret);
  EXPECT_EQ(seen->record.via(), VIA_IO_URING);
  EXPECT_EQ(seen->record.net().dst_port(), 4243u);
  EXPECT_EQ(seen->record.net().source(), PATH_OBJECT);
}

TEST_F(NetEvents, ANameAskedForIsSeenInThePacket) {
  if (!OpenRootCgroup().valid()) GTEST_SKIP() << "NOT TESTED: no unified control groups mounted";
  const Said said = Do("dns");
  const Seen* seen = One(NET_DNS, said.pid);
  ASSERT_NE(seen, nullptr);
  const Net& net = seen->record.net();
  EXPECT_EQ(net.dns_name(), "cairn.test");
  EXPECT_EQ(net.dns_type(), 1u);
  EXPECT_FALSE(net.dns_response());
  EXPECT_EQ(net.dst_port(), 53u);
  EXPECT_EQ(net.protocol(), 17u);
  EXPECT_EQ(net.dst_ip(), kLoopback);
  EXPECT_FALSE(seen->record.has_ret());
}

// In a network namespace of its own. An answer names no process: it came in.
TEST_F(NetEvents, AnAnswerIsSeenInThePacket) {
  if (!OpenRootCgroup().valid()) GTEST_SKIP() << "NOT TESTED: no unified control groups mounted";
  const Said said = Do("dns-answer");
  ASSERT_GT(said.ret, 0);
  int questions = 0, answers = 0;
  for (const Seen& seen : seen_) {
    const Net& net = seen.record.net();
    if (seen.record.type() != NET_DNS || net.dns_name() != "answer.test") continue;
    EXPECT_EQ(net.dns_type(), 28u);
    ++(net.dns_response() ? answers : questions);
  }
  EXPECT_GE(questions, 1);
  EXPECT_GE(answers, 1);
}

}  // namespace
}  // namespace cairn::capture
