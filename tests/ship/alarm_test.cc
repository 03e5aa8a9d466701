// Alarms reach the webhook; a clone is told from a host that lost its connection.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/socket.h"
#include "collector/session.h"
#include "collector/setup.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

// Answers each POST with `status`, and keeps what was posted.
class Receiver {
 public:
  explicit Receiver(std::string status) : status_(std::move(status)) {
    auto socket = Listen({"127.0.0.1", "0"});
    listener_ = *std::move(socket);
    port_ = *ListeningPort(listener_.get());
    thread_ = std::thread([this] { Serve(); });
  }
  ~Receiver() {
    stop_ = true;
    thread_.join();
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_, "/hook"); }
  int posts() const { return posts_; }
  bool WaitFor(const std::string& text) {
    for (int i = 0; i < 400; ++i) {
      {
        const absl::MutexLock lock(&mutex_);
        if (seen_.find(text) != std::string::npos) return true;
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  }

 private:
  void Serve() {
    while (!stop_) {
      pollfd ready{listener_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 50) <= 0) continue;
      const Fd peer(::accept(listener_.get(), nullptr, nullptr));
      if (!peer.valid()) continue;
      std::string request;
      char buffer[4096];
      while (request.find("}") == std::string::npos) {
        const ssize_t n = ::read(peer.get(), buffer, sizeof buffer);
        if (n <= 0) break;
        request.append(buffer, static_cast<size_t>(n));
      }
      const std::string answer =
          absl::StrCat("HTTP/1.1 ", status_, "\r\nContent-Length: 0\r\n\r\n");
      (void)!::write(peer.get(), answer.data(), answer.size());
      ++posts_;
      const absl::MutexLock lock(&mutex_);
      seen_ += request;
    }
  }
  const std::string status_;
  Fd listener_;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> posts_{0};
  absl::Mutex mutex_;
  std::string seen_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

TEST(Alarm, IsPostedAsJsonWithKindOriginAndText) {
  Receiver receiver("200 OK");
  Site site;
  site.StartCollector([&](collector::CoreOptions* options) { options->webhook = receiver.url(); });
  site.core()->Alarm("tampered", "test.example/h/x/1", "a \"quote\" and a\nnewline");
  EXPECT_TRUE(
      receiver.WaitFor("\"kind\":\"tampered\",\"origin\":\"test.example/h/x/1\","
                       "\"text\":\"a \\u0022quote\\u0022 and a\\u000anewline\""));
  EXPECT_TRUE(receiver.WaitFor("Content-Type: application/json"));
}

TEST(Alarm, AReceiverThatFailsIsTriedAgainAndDelaysNobody) {
  Receiver receiver("500 Broken");
  Site site;
  site.StartCollector([&](collector::CoreOptions* options) { options->webhook = receiver.url(); });
  site.core()->Alarm("gap", "origin", "alarm 0");
  EXPECT_TRUE(receiver.WaitFor("alarm 0"));
  for (int i = 1; i < 1000; ++i) site.core()->Alarm("gap", "origin", absl::StrCat("alarm ", i));
  EXPECT_EQ(site.core()->counters()->alarms, 1000u);
  for (int i = 0; i < 400 && receiver.posts() < 3; ++i) absl::SleepFor(absl::Milliseconds(50));
  EXPECT_GE(receiver.posts(), 3);
}

class CloneTest : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.host.Open();
    site_.host.Append(10);
    site_.host.Sync();
    site_.StartCollector([this](collector::CoreOptions* options) {
      options->now = [this] { return now_; };
      options->on_alarm = [this](absl::string_view kind, absl::string_view, absl::string_view) {
        kinds_ += std::string(kind) + " ";
      };
    });
  }
  collector::Peer PeerAt(const std::string& address) const {
    collector::Peer peer = site_.HostPeer();
    peer.address = address;
    return peer;
  }
  std::string Hello() const { return Bytes(site_.Hello()); }
  static wire::Refusal::Code Refused(const std::string& out) {
    wire::FrameParser parser;
    parser.Add(out);
    wire::Frame frame;
    while (parser.Next(&frame).value_or(false)) {
      if (frame.has_refusal()) return frame.refusal().code();
    }
    return wire::Refusal::UNKNOWN_CODE;
  }

  absl::Time now_ = absl::FromUnixSeconds(1000000);
  std::string kinds_;
  Site site_;
};

TEST_F(CloneTest, TwoThatAnswerUnderOneNameAreAClone) {
  collector::Session first(site_.core(), PeerAt("10.0.0.1:1"));
  std::string out;
  ASSERT_TRUE(first.OnBytes(Hello(), &out));
  collector::Session second(site_.core(), PeerAt("10.0.0.2:1"));
  std::string refused;
  EXPECT_FALSE(second.OnBytes(Hello(), &refused));
  EXPECT_EQ(Refused(refused), wire::Refusal::BUSY);
  out.clear();
  ASSERT_TRUE(first.OnTick(&out));
  wire::Frame reply;  // the first one lives
  reply.mutable_keep_alive()->set_reply(true);
  std::string answer;
  wire::AppendFrame(reply, &answer);
  ASSERT_FALSE(out.empty()) << "it must be asked";
  ASSERT_TRUE(first.OnBytes(answer, &out));
  collector::Session again(site_.core(), PeerAt("10.0.0.2:2"));
  refused.clear();
  EXPECT_FALSE(again.OnBytes(Hello(), &refused));
  EXPECT_EQ(Refused(refused), wire::Refusal::CLONE);
  EXPECT_EQ(kinds_, "clone ");
}

TEST_F(CloneTest, ADeadConnectionGivesWayToItsHostComingBack) {
  auto first = std::make_unique<collector::Session>(site_.core(), PeerAt("10.0.0.1:1"));
  std::string out;
  ASSERT_TRUE(first->OnBytes(Hello(), &out));
  std::string refused;
  {
    collector::Session second(site_.core(), PeerAt("10.0.0.1:2"));
    EXPECT_FALSE(second.OnBytes(Hello(), &refused));
  }
  ASSERT_TRUE(first->OnTick(&out));
  now_ += absl::Seconds(6);
  EXPECT_FALSE(first->OnTick(&out)) << "it did not answer";
  first.reset();
  collector::Session again(site_.core(), PeerAt("10.0.0.1:3"));
  refused.clear();
  EXPECT_TRUE(again.OnBytes(Hello(), &refused));
  EXPECT_EQ(kinds_, "");
}

TEST_F(CloneTest, AHostOverItsRateIsNotReadForAWhileAndThenGoesOn) {
  site_.StopCollector();
  site_.StartCollector([this](collector::CoreOptions* options) {
    options->now = [this] { return now_; };
    options->host_bytes_per_second = 1000;
  });
  collector::Session session(site_.core(), PeerAt("10.0.0.1:1"));
  std::string out;
  ASSERT_TRUE(session.OnBytes(Hello(), &out));
  EXPECT_LE(session.read_after(), now_);
  const std::string segment = site_.FirstSegment();
  wire::Frame append;
  append.mutable_append()->set_data(segment);
  ASSERT_TRUE(session.OnBytes(Bytes(append), &out));
  ASSERT_GT(segment.size(), 1000u);
  const absl::Duration wait = absl::Seconds(static_cast<double>(segment.size()) / 1000 - 1);
  EXPECT_GT(session.read_after(), now_ + wait - absl::Seconds(1));
  EXPECT_LT(session.read_after(), now_ + wait + absl::Seconds(2));
}

}  // namespace
}  // namespace cairn::ship
