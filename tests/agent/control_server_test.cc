#include "agent/control_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/bytes.h"
#include "base/control_frame.h"
#include "tests/ledger/test_log.h"

namespace cairn::agent {
namespace {

class ControlServerTest : public testing::Test {
 protected:
  ControlServerTest() : path_(dir_.path() + "/control.sock") {
    auto server = ControlServer::Listen(path_, [this](const Peer& peer, const control::Request& r) {
      peer_ = peer;
      control::Reply reply;
      reply.set_text(r.verb() == control::Request::STATUS ? "fine" : "what?");
      return reply;
    });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // A client's socket, connected.
  Fd Connect() {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  void Send(const Fd& fd, absl::string_view bytes) {
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // What came back: nothing yet (-1), the end (0) or bytes.
  ssize_t Receive(const Fd& fd, std::string* out) {
    char buffer[4096];
    const ssize_t n = ::recv(fd.get(), buffer, sizeof(buffer), 0);
    if (n > 0) out->assign(buffer, static_cast<size_t>(n));
    return n;
  }
  void ServeTwice() {
    server_->Serve();
    server_->Serve();
  }

  ledger::TempDir dir_;
  const std::string path_;
  std::unique_ptr<ControlServer> server_;
  Peer peer_;
};

TEST_F(ControlServerTest, AnswersWithThePeerTheKernelNames) {
  absl::StatusOr<std::string> body;
  std::thread client([&] {
    control::Request request;
    request.set_verb(control::Request::STATUS);
    body = CallControl(path_, request.SerializeAsString(), 5000);
  });
  for (int i = 0; i < 1000 && peer_.pid == 0; ++i) {
    ServeTwice();
    ::usleep(1000);
  }
  client.join();
  ASSERT_TRUE(body.ok()) << body.status();
  control::Reply reply;
  ASSERT_TRUE(reply.ParseFromString(*body));
  EXPECT_EQ(reply.text(), "fine");
  EXPECT_EQ(peer_.pid, static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(peer_.uid, ::getuid());
}

TEST_F(ControlServerTest, AFrameCutAnywhereWaitsForTheRest) {
  control::Request request;
  request.set_verb(control::Request::STATUS);
  const std::string frame = *EncodeControlFrame(request.SerializeAsString());
  for (size_t cut = 0; cut <= frame.size(); ++cut) {
    const Fd client = Connect();
    std::string answer;
    Send(client, frame.substr(0, cut));
    ServeTwice();
    if (cut < frame.size()) {
      EXPECT_LT(Receive(client, &answer), 0) << "no answer before the frame is whole";
      Send(client, frame.substr(cut));
      ServeTwice();
    }
    EXPECT_GT(Receive(client, &answer), 0) << "cut at " << cut;
  }
}

TEST_F(ControlServerTest, TooLongAFrameIsCutOff) {
  const Fd client = Connect();
  std::string length;
  PutU32(&length, kMaxControlFrame + 1);
  Send(client, length);
  ServeTwice();
  std::string answer;
  EXPECT_EQ(Receive(client, &answer), 0);
}

TEST_F(ControlServerTest, GarbageGetsAnErrorNotACrash) {
  const Fd client = Connect();
  Send(client, *EncodeControlFrame("\xff\xff\xff\xff garbage"));
  ServeTwice();
  std::string answer;
  ASSERT_GT(Receive(client, &answer), 4);
  control::Reply reply;
  ASSERT_TRUE(reply.ParseFromString(answer.substr(4)));
  EXPECT_EQ(reply.error(), "not a request");
}

TEST_F(ControlServerTest, ConnectionsBeyondTheLimitAreClosed) {
  std::vector<Fd> clients;
  for (int i = 0; i < 17; ++i) {
    clients.push_back(Connect());
    server_->Serve();
  }
  std::string answer;
  EXPECT_EQ(Receive(clients.back(), &answer), 0);
  EXPECT_LT(Receive(clients.front(), &answer), 0) << "the others are still served";
}

TEST_F(ControlServerTest, ASecondDaemonIsRefusedAndAStaleSocketReplaced) {
  const auto handler = [](const Peer&, const control::Request&) { return control::Reply(); };
  EXPECT_TRUE(absl::IsAlreadyExists(ControlServer::Listen(path_, handler).status()));
  server_.reset();
  { const Fd stale = Fd(::socket(AF_UNIX, SOCK_STREAM, 0)); }
  EXPECT_TRUE(ControlServer::Listen(path_, handler).ok());
}

TEST_F(ControlServerTest, TheSocketIsForTheGroupAtMost) {
  struct stat st;
  ASSERT_EQ(::stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0660u);
}

}  // namespace
}  // namespace cairn::agent
