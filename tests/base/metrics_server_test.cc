#include "base/metrics_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/certificate.h"
#include "base/io.h"

namespace cairn {
namespace {

class MetricsServerTest : public ::testing::Test {
 protected:
  MetricsServerTest() {
    char name[] = "/tmp/cairn-metrics-XXXXXX";
    dir_ = ::mkdtemp(name);
  }
  ~MetricsServerTest() override { std::filesystem::remove_all(dir_); }

  // What the server says to these bytes, until it closes.
  std::string Say(absl::string_view bytes) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket().c_str());
    const Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    ::shutdown(fd.get(), SHUT_WR);
    std::string answer;
    char buffer[4096];
    for (ssize_t n; (n = ::recv(fd.get(), buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(n));
    }
    return answer;
  }
  std::string socket() const { return dir_ + "/metrics.sock"; }

  std::string dir_;
};

TEST_F(MetricsServerTest, TextIsAsPrometheusWantsIt) {
  PrometheusText text;
  text.Counter("a_total", "Help", 3, {{"who", "a\"b\\c\nd"}, {"x", "y"}});
  text.Counter("a_total", "Help", 4);
  text.Gauge("b", "Other", 0.5);
  EXPECT_EQ(text.text(),
            "# HELP a_total Help\n# TYPE a_total counter\n"
            "a_total{who=\"a\\\"b\\\\c\\nd\",x=\"y\"} 3\na_total 4\n"
            "# HELP b Other\n# TYPE b gauge\nb 0.5\n");
}

TEST_F(MetricsServerTest, AnswersOnAUnixSocketAndSurvivesNonsense) {
  int asked = 0;
  auto server = MetricsServer::Start({.socket = socket()},
                                     [&] { return absl::StrCat("up ", ++asked, "\n"); });
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(*FetchMetrics(socket()), "up 1\n");
  EXPECT_TRUE(absl::StartsWith(Say("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 "));
  EXPECT_TRUE(absl::StartsWith(Say("POST /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 "));
  EXPECT_EQ(Say(""), "");
  EXPECT_EQ(Say(std::string(3, '\0')), "");
  EXPECT_TRUE(absl::StrContains(Say("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "\r\n\r\nup 2\n"));
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(socket()));
  EXPECT_TRUE(absl::IsUnavailable(FetchMetrics(socket()).status()));
}

TEST_F(MetricsServerTest, HttpsIsForCertifiedClientsOnly) {
  const auto ca = CertificateAuthority::Create("test", absl::Hours(1));
  const auto authority = CertificateAuthority::Load(*ca);
  const auto own =
      authority->Issue({.common_name = "localhost", .names = {"127.0.0.1"}, .server = true});
  const auto client = authority->Issue({.common_name = "scraper"});
  const auto write = [&](const std::string& name, const std::string& text) {
    EXPECT_TRUE(WriteFileDurably(Io::Real(), dir_, name, text, 0600).ok());
    return dir_ + "/" + name;
  };
  const TlsFiles files{write("own.crt", own->certificate_pem), write("own.key", own->key_pem),
                       write("ca.crt", ca->certificate_pem), ""};
  write("client.crt", client->certificate_pem);
  write("client.key", client->key_pem);
  auto server =
      MetricsServer::Start({.listen = "127.0.0.1:0", .tls = files}, [] { return "up 1\n"; });
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string request = absl::StrCat(
      "printf 'GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | timeout 20 openssl s_client "
      "-quiet "
      "-connect 127.0.0.1:",
      (*server)->port(), " -CAfile ", dir_, "/ca.crt");
  const auto run = [&](const std::string& extra) {
    std::string out;
    FILE* pipe = ::popen(absl::StrCat(request, extra, " 2>/dev/null").c_str(), "r");
    char buffer[4096];
    for (size_t n; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) out.append(buffer, n);
    ::pclose(pipe);
    return out;
  };
  EXPECT_TRUE(absl::StrContains(
      run(absl::StrCat(" -cert ", dir_, "/client.crt -key ", dir_, "/client.key")), "up 1\n"));
  EXPECT_FALSE(absl::StrContains(run(""), "up 1"));
}

}  // namespace
}  // namespace cairn
