// Hosts that speak slowly, half, or never listen: the collector ends each in time, keeps little of
// it in memory, and serves the others meanwhile.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "collector/session.h"
#include "ledger/segments.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

using collector::Session;

wire::Frame KeepAlive(bool reply) {
  wire::Frame frame;
  frame.mutable_keep_alive()->set_nonce(1);
  frame.mutable_keep_alive()->set_reply(reply);
  return frame;
}

// ---- by the clock, without a network ----------------------------------------------

class SlowHost : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.host.Open();
    site_.host.Append(60);
    site_.host.Sync();
    Start(0);
  }
  void Start(uint64_t bytes_per_second) {
    site_.StopCollector();
    site_.StartCollector([&](collector::CoreOptions* options) {
      options->now = [this] { return now_; };
      options->host_bytes_per_second = bytes_per_second;
    });
  }
  collector::Peer Peer() const { return site_.HostPeer(); }
  std::string Hello() const { return Bytes(site_.Hello()); }
  std::string WholeLog() const {
    wire::Frame frame;
    frame.mutable_append()->set_data(site_.FirstSegment());
    return Bytes(frame);
  }
  // How long the session lives when `each` is sent every second; 300 s at most.
  int SecondsAlive(Session* session, const std::function<std::string()>& each) {
    std::string out;
    for (int second = 1; second <= 300; ++second) {
      now_ += absl::Seconds(1);
      const std::string bytes = each();
      if (!bytes.empty() && !session->OnBytes(bytes, &out)) return second;
      if (!session->OnTick(&out)) return second;
    }
    return 300;
  }
  // A good host, with the log that the other one held, is served.
  void ExpectServed() {
    Session session(site_.core(), Peer());
    std::string out;
    ASSERT_TRUE(session.OnBytes(Hello(), &out));
    wire::FrameParser parser;
    parser.Add(out);
    wire::Frame frame;
    ASSERT_TRUE(parser.Next(&frame).value_or(false));
    EXPECT_TRUE(frame.has_welcome()) << frame.DebugString();
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Site site_;
};

TEST_F(SlowHost, ThatShakesHandsAndSaysNothing) {
  Session session(site_.core(), Peer());
  EXPECT_LE(SecondsAlive(&session, [] { return ""; }), 11);
}

TEST_F(SlowHost, ThatLivesAndNeverSaysHello) {
  Session session(site_.core(), Peer());
  EXPECT_LE(SecondsAlive(&session, [] { return Bytes(KeepAlive(false)); }), 11);
}

TEST_F(SlowHost, ThatDripsItsHelloByteByByte) {
  Session session(site_.core(), Peer());
  const std::string hello = Hello();
  size_t at = 0;
  EXPECT_LE(SecondsAlive(&session, [&] { return hello.substr(at++, 1); }), 11);
}

TEST_F(SlowHost, ThatDripsItsLogByteByByte) {
  {
    Session session(site_.core(), Peer());
    std::string out;
    ASSERT_TRUE(session.OnBytes(Hello(), &out));
    const std::string log = WholeLog();
    size_t at = 0;
    EXPECT_LE(SecondsAlive(&session, [&] { return log.substr(at++, 1); }), 62);
  }
  ExpectServed();
}

// Half open: the host is gone and nothing says so. Three heartbeats later its log is free.
TEST_F(SlowHost, ThatIsGoneAndNobodySaidSo) {
  {
    Session session(site_.core(), Peer());
    std::string out;
    ASSERT_TRUE(session.OnBytes(Hello() + WholeLog(), &out));
    EXPECT_LE(SecondsAlive(&session, [] { return ""; }), 31);
  }
  ExpectServed();
}

TEST_F(SlowHost, ThatAnswersInTimeStays) {
  Session session(site_.core(), Peer());
  std::string out;
  ASSERT_TRUE(session.OnBytes(Hello() + WholeLog(), &out));
  int second = 0;
  EXPECT_EQ(
      SecondsAlive(&session, [&] { return ++second % 25 == 0 ? Bytes(KeepAlive(true)) : ""; }),
      300);
}

TEST_F(SlowHost, ThatIsHeldBackIsNotTakenForDead) {
  Start(/*bytes_per_second=*/50);
  Session session(site_.core(), Peer());
  std::string out;
  ASSERT_TRUE(session.OnBytes(Hello() + WholeLog(), &out));
  const absl::Duration pause = session.read_after() - now_;
  ASSERT_GT(pause, absl::Seconds(35));
  ASSERT_LT(pause, absl::Seconds(290));
  EXPECT_EQ(
      SecondsAlive(&session,
                   [&] { return session.read_after() <= now_ ? Bytes(KeepAlive(true)) : ""; }),
      300);
}

TEST_F(SlowHost, OverItsRateItDoesNotGetRoundThatWithANewSession) {
  Start(/*bytes_per_second=*/50);
  absl::Time read_after;
  {
    Session session(site_.core(), Peer());
    std::string out;
    ASSERT_TRUE(session.OnBytes(Hello() + WholeLog(), &out));
    ASSERT_TRUE(session.Commit(&out));
    read_after = session.read_after();
  }
  Session again(site_.core(), Peer());
  std::string out;
  ASSERT_TRUE(again.OnBytes(Hello(), &out));
  EXPECT_EQ(again.read_after(), read_after);
}

TEST_F(SlowHost, WhoseCertificateExpiresIsRefusedThen) {
  collector::Peer peer = Peer();
  peer.not_after = now_ + absl::Seconds(100);
  Session session(site_.core(), peer);
  std::string out;
  ASSERT_TRUE(session.OnBytes(Hello() + WholeLog(), &out));
  EXPECT_EQ(SecondsAlive(&session, [] { return Bytes(KeepAlive(true)); }), 101);
  EXPECT_EQ(site_.core()->counters()->receipts, 1u) << "what it brought is receipted first";
}

// ---- on sockets -------------------------------------------------------------------

class SlowSocket : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.host.Open();
    site_.host.Append(100);
    site_.host.Sync();
    site_.StartCollector(
        [](collector::CoreOptions* options) { options->keep_alive = absl::Seconds(1); },
        [](collector::ServerOptions* options) {
          options->handshake_within = absl::Milliseconds(300);
          options->threads = 1;
        });
  }
  Fd Connected() const {
    auto socket = StartConnect({"127.0.0.1", absl::StrCat(site_.port())});
    EXPECT_TRUE(socket.ok()) << socket.status();
    pollfd ready{socket->get(), POLLOUT, 0};
    EXPECT_EQ(::poll(&ready, 1, 5000), 1);
    return *std::move(socket);
  }
  // Whether the collector ends the connection while `each` is sent again and again.
  static bool Ended(int fd, absl::string_view each) {
    const absl::Time until = absl::Now() + absl::Seconds(20);
    char byte;
    while (absl::Now() < until) {
      if (!each.empty()) (void)!::send(fd, each.data(), each.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      const ssize_t n = ::recv(fd, &byte, 1, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN)) return true;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return false;
  }

  Site site_;
};

TEST_F(SlowSocket, WithoutAHandshakeItIsClosedAndOthersAreServedMeanwhile) {
  std::vector<Fd> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(Connected());
  EXPECT_TRUE(site_.ShipAll());
  for (const Fd& socket : silent) EXPECT_TRUE(Ended(socket.get(), ""));
}

TEST_F(SlowSocket, AHandshakeDrippedByteByByteIsClosedToo) {
  const Fd socket = Connected();
  // A TLS record of 512 bytes that begins as a ClientHello does.
  const std::string record("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9);
  ASSERT_EQ(::send(socket.get(), record.data(), record.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(record.size()));
  EXPECT_TRUE(Ended(socket.get(), "x"));
}

// It asks and asks and never takes an answer: soon it is not read any more, so what waits for it
// stays bounded, and then it is given up.
TEST_F(SlowSocket, ThatNeverTakesItsAnswersIsNotRead) {
  auto context = TlsContext::Client(site_.HostTls());
  ASSERT_TRUE(context.ok());
  auto tls = TlsConnection::Connect(*context, Connected(), "127.0.0.1", "");
  ASSERT_TRUE(tls.ok());
  while (*(*tls)->Handshake() != TlsWant::kNothing) absl::SleepFor(absl::Milliseconds(1));
  std::string asks;
  while (asks.size() < (64 << 10)) asks += Bytes(KeepAlive(false));
  constexpr size_t kSurely = 64 << 20;  // more than the sockets' buffers and the collector's hold
  size_t taken = 0;
  absl::Time moved = absl::Now();
  bool ended = false;
  while (taken < kSurely && !ended && absl::Now() - moved < absl::Seconds(20)) {
    const absl::StatusOr<TlsIo> io = (*tls)->Write(asks);
    ended = !io.ok() || io->want == TlsWant::kClosed;
    if (!ended && io->bytes > 0) {
      taken += io->bytes;
      moved = absl::Now();
    } else {
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
  EXPECT_LT(taken, kSurely);
  EXPECT_TRUE(ended);
  EXPECT_TRUE(site_.ShipAll());
}

}  // namespace
}  // namespace cairn::ship
