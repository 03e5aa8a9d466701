// TLS handshakes on loopback: who is let in, and what is said to the others.
#include "base/tls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "base/certificate.h"
#include "base/io.h"
#include "tests/ledger/test_log.h"

namespace cairn {
namespace {

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Authority("ca");
    Authority("other");
    Certify("server", "ca",
            {.common_name = "s", .names = {"127.0.0.1", "col.test"}, .server = true});
    Certify("client", "ca", {.common_name = "c", .uris = {"cairn://d/h/u"}});
    Certify("stranger", "other", {.common_name = "c", .uris = {"cairn://d/h/u"}});
    Certify("expired", "ca",
            {.common_name = "c",
             .uris = {"cairn://d/h/u"},
             .not_before = absl::Now() - absl::Hours(48),
             .not_after = absl::Now() - absl::Hours(24)});
  }

  void Authority(const std::string& name) {
    const auto pair = CertificateAuthority::Create(name, absl::Hours(24));
    ASSERT_TRUE(pair.ok()) << pair.status();
    Write(name, *pair);
  }
  void Write(const std::string& name, const CertificateAndKey& pair) {
    ASSERT_TRUE(WriteFileDurably(Io::Real(), dir_, name + ".crt", pair.certificate_pem, 0644).ok());
    ASSERT_TRUE(WriteFileDurably(Io::Real(), dir_, name + ".key", pair.key_pem, 0600).ok());
  }
  CertificateAuthority Load(const std::string& name) {
    return *CertificateAuthority::Load(
        {*ReadFile(Path(name + ".crt"), 65536), *ReadFile(Path(name + ".key"), 65536)});
  }
  void Certify(const std::string& name, const std::string& ca, const CertificateRequest& request) {
    const auto pair = Load(ca).Issue(request);
    ASSERT_TRUE(pair.ok()) << pair.status();
    Write(name, *pair);
  }
  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  TlsFiles Files(const std::string& name) const {
    return {Path(name + ".crt"), Path(name + ".key"), Path("ca.crt"), ""};
  }

  // Runs both handshakes and one byte each way; how each side ended.
  struct Ends {
    absl::Status server;
    absl::Status client;
    std::vector<std::string> uris;
  };
  static absl::Status Step(TlsConnection* side, bool* shaken, std::string* got) {
    if (!*shaken) {
      const auto want = side->Handshake();
      if (!want.ok()) return want.status();
      *shaken = *want == TlsWant::kNothing;
      if (*shaken) return side->Write("x").status();
      return absl::OkStatus();
    }
    char byte;
    const auto io = side->Read(&byte, 1);
    if (!io.ok()) return io.status();
    if (io->want == TlsWant::kClosed) return absl::UnavailableError("closed");
    if (io->bytes == 1) got->push_back(byte);
    return absl::OkStatus();
  }
  static Ends Meet(std::unique_ptr<TlsConnection> server, std::unique_ptr<TlsConnection> client) {
    Ends ends;
    bool server_shaken = false;
    bool client_shaken = false;
    std::string at_server;
    std::string at_client;
    for (int i = 0; i < 100 && (at_server.empty() || at_client.empty()); ++i) {
      if (ends.client.ok()) ends.client = Step(client.get(), &client_shaken, &at_client);
      if (ends.server.ok()) ends.server = Step(server.get(), &server_shaken, &at_server);
      if (!ends.client.ok() && !ends.server.ok()) break;
    }
    if (ends.server.ok() && server_shaken) ends.uris = server->PeerUris();
    return ends;
  }
  static void Pair(Fd* a, Fd* b) {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    a->Reset(fds[0]);
    b->Reset(fds[1]);
  }
  Ends Meet(const TlsFiles& server, const TlsFiles& client, const std::string& name = "127.0.0.1",
            const std::string& pin = "") {
    Fd a;
    Fd b;
    Pair(&a, &b);
    auto s = TlsConnection::Accept(*TlsContext::Server(server), std::move(a));
    auto c = TlsConnection::Connect(client.certificate.empty() ? *TlsContext::Anonymous(client.ca)
                                                               : *TlsContext::Client(client),
                                    std::move(b), name, pin);
    return Meet(*std::move(s), *std::move(c));
  }

  const ledger::TempDir temp_;
  const std::string& dir_ = temp_.path();
};

TEST_F(TlsTest, BothSidesCertifiedMeet) {
  const Ends ends = Meet(Files("server"), Files("client"));
  EXPECT_TRUE(ends.server.ok()) << ends.server;
  EXPECT_TRUE(ends.client.ok()) << ends.client;
  EXPECT_EQ(ends.uris, std::vector<std::string>{"cairn://d/h/u"});
}

TEST_F(TlsTest, ADnsNameIsCheckedToo) {
  EXPECT_TRUE(Meet(Files("server"), Files("client"), "col.test").client.ok());
  const Ends ends = Meet(Files("server"), Files("client"), "evil.test");
  EXPECT_EQ(ends.client.code(), absl::StatusCode::kPermissionDenied) << ends.client;
}

TEST_F(TlsTest, AClientOfAnotherAuthorityIsRefused) {
  const Ends ends = Meet(Files("server"), Files("stranger"));
  EXPECT_EQ(ends.server.code(), absl::StatusCode::kPermissionDenied) << ends.server;
  EXPECT_FALSE(ends.client.ok());
}

TEST_F(TlsTest, AnExpiredClientIsRefused) {
  const Ends ends = Meet(Files("server"), Files("expired"));
  EXPECT_EQ(ends.server.code(), absl::StatusCode::kPermissionDenied) << ends.server;
  EXPECT_NE(ends.server.message().find("expired"), absl::string_view::npos) << ends.server;
}

TEST_F(TlsTest, AClientWithoutACertificateIsRefused) {
  TlsFiles none;
  none.ca = Path("ca.crt");
  const Ends ends = Meet(Files("server"), none);
  EXPECT_EQ(ends.server.code(), absl::StatusCode::kPermissionDenied) << ends.server;
}

TEST_F(TlsTest, AServerOfAnotherAuthorityIsRefused) {
  TlsFiles client = Files("client");
  client.ca = Path("other.crt");
  EXPECT_EQ(Meet(Files("server"), client).client.code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(TlsTest, AClientCertificateIsNoServerCertificate) {
  EXPECT_FALSE(Meet(Files("client"), Files("client")).client.ok());
  EXPECT_FALSE(Meet(Files("server"), Files("server")).server.ok());
}

TEST_F(TlsTest, ARevokedClientIsRefusedAndOthersAreNot) {
  const auto facts = ReadCertificate(*ReadFile(Path("client.crt"), 65536));
  ASSERT_TRUE(facts.ok());
  TlsFiles server = Files("server");
  server.crl = Path("ca.crl");
  for (const bool revoked : {false, true}) {
    const std::vector<std::string> serials =
        revoked ? std::vector{facts->serial} : std::vector<std::string>{"ABCDEF"};
    const auto crl = Load("ca").Revoke(serials, absl::Hours(1));
    ASSERT_TRUE(crl.ok()) << crl.status();
    ASSERT_TRUE(WriteFileDurably(Io::Real(), dir_, "ca.crl", *crl, 0644).ok());
    const Ends ends = Meet(server, Files("client"));
    EXPECT_EQ(ends.server.ok(), !revoked) << ends.server;
  }
}

TEST_F(TlsTest, AnOtherwiseGoodServerMustHaveThePinnedKey) {
  const Ends ends = Meet(Files("server"), Files("client"), "127.0.0.1", std::string(32, 'p'));
  EXPECT_EQ(ends.client.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_NE(ends.client.message().find("pinned"), absl::string_view::npos);
}

// A client that would speak 1.2 at most, made with OpenSSL itself.
TEST_F(TlsTest, Tls12IsRefused) {
  Fd a;
  Fd b;
  Pair(&a, &b);
  auto server = *TlsConnection::Accept(*TlsContext::Server(Files("server")), std::move(a));
  SSL_CTX* old = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION);
  SSL* ssl = SSL_new(old);
  SSL_set_fd(ssl, b.get());
  SSL_set_connect_state(ssl);
  absl::Status end;
  for (int i = 0; i < 20 && end.ok(); ++i) {
    SSL_do_handshake(ssl);
    end = server->Handshake().status();
  }
  EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument) << end;
  EXPECT_NE(end.message().find("protocol"), absl::string_view::npos) << end;
  SSL_free(ssl);
  SSL_CTX_free(old);
}

TEST_F(TlsTest, ThereAreNoSessionTickets) {
  const auto context = *TlsContext::Server(Files("server"));
  EXPECT_EQ(SSL_CTX_get_num_tickets(context->get()), 0u);
  EXPECT_EQ(SSL_CTX_get_max_early_data(context->get()), 0u);
}

TEST_F(TlsTest, GarbageInsteadOfAHandshakeIsAnError) {
  Fd a;
  Fd b;
  Pair(&a, &b);
  auto server = *TlsConnection::Accept(*TlsContext::Server(Files("server")), std::move(a));
  ASSERT_GT(::write(b.get(), "GET / HTTP/1.1\r\n\r\n", 18), 0);
  EXPECT_FALSE(server->Handshake().ok());
}

TEST_F(TlsTest, AFileThatCannotBeUsedIsNamed) {
  ASSERT_TRUE(WriteFileDurably(Io::Real(), dir_, "empty.crt", "", 0644).ok());
  ASSERT_TRUE(
      WriteFileDurably(Io::Real(), dir_, "binary.crt", std::string(5000, '\x01'), 0644).ok());
  for (const std::string name : {"empty", "binary", "absent"}) {
    TlsFiles files = Files("server");
    files.certificate = Path(name + ".crt");
    const auto context = TlsContext::Server(files);
    ASSERT_FALSE(context.ok());
    EXPECT_NE(context.status().message().find(name + ".crt"), absl::string_view::npos)
        << context.status();
  }
  TlsFiles wrong_key = Files("server");
  wrong_key.key = Path("client.key");
  EXPECT_FALSE(TlsContext::Server(wrong_key).ok());
}

TEST_F(TlsTest, ARequestIsCertifiedOnlyWithItsOwnSignature) {
  const auto request = MakeRequest("host");
  ASSERT_TRUE(request.ok());
  const CertificateAuthority ca = Load("ca");
  EXPECT_TRUE(ca.IssueFor({.common_name = "h"}, request->csr_der).ok());
  for (size_t i = 0; i < request->csr_der.size(); ++i) {
    std::string bad = request->csr_der;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(ca.IssueFor({.common_name = "h"}, bad).ok()) << "byte " << i;
    EXPECT_FALSE(ca.IssueFor({.common_name = "h"}, request->csr_der.substr(0, i)).ok());
  }
}

}  // namespace
}  // namespace cairn
