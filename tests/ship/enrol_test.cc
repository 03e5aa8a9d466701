// From a one-time token to a certificate, its renewal, and its end.
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/shipper/renewal.h"
#include "base/agent_config.h"
#include "base/certificate.h"
#include "base/io.h"
#include "collector/setup.h"
#include "proto/wire_call.h"
#include "tests/paths.h"
#include "tests/program.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

constexpr absl::Duration kAnswer = absl::Seconds(20);

class EnrolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.StartCollector(
        [this](collector::CoreOptions* options) {
          options->enrolment =
              collector::EnrolmentOptions{.deployment = kDeployment,
                                          .tokens_dir = site_.path("collector/tokens"),
                                          .ca = site_.path("collector/ca.crt"),
                                          .ca_key = site_.path("collector/ca.key")};
        },
        [this](collector::ServerOptions* options) {
          options->enrol = HostPort{"127.0.0.1", "0"};
          options->tls.crl = site_.path("collector/ca.crl");
        });
    ASSERT_EQ(KeyInit("keys"), 0);
  }

  int KeyInit(const std::string& keys) {
    return Shell(absl::StrCat(ProgramPath("cairn"), " key init --deployment ", kDeployment,
                              " --keys ", site_.path(keys), " >/dev/null"));
  }
  std::string Uuid(const std::string& keys = "keys") {
    return std::string(
        absl::StripAsciiWhitespace(ledger::ReadAll(site_.path(keys + "/host.uuid"))));
  }
  std::string Token(absl::Duration valid = absl::Hours(1), const std::string& uuid = "") {
    const auto token = collector::MakeToken(site_.path("collector"), valid, uuid);
    EXPECT_TRUE(token.ok()) << token.status();
    return token.value_or("");
  }
  int Enrol(const std::string& token, std::string* out, const std::string& keys = "keys",
            const std::string& more = "") {
    return Shell(absl::StrCat(ProgramPath("cairn"), " enrol --deployment ", kDeployment, " --keys ",
                              site_.path(keys), " --out ", site_.path(keys + "-enrolled"),
                              " --shipper-config ", site_.path(keys + "-shipper.yaml"),
                              " --ship-to 127.0.0.1:", site_.port(),
                              " --collector 127.0.0.1:", site_.server()->enrolment_port(),
                              " --token ", token, " ", more, " 2>&1"),
                 out);
  }
  TlsFiles Enrolled(const std::string& keys = "keys") const {
    const std::string dir = site_.path(keys + "-enrolled");
    return {dir + "/host.crt", dir + "/host.key", dir + "/ca.crt", ""};
  }
  // Asks for a new certificate where hosts ship to.
  absl::StatusOr<wire::Frame> Renew(const TlsFiles& tls, const std::string& uuid) {
    auto context = TlsContext::Client(tls);
    if (!context.ok()) return context.status();
    wire::Frame question;
    question.mutable_enrol()->set_host_uuid(uuid);
    question.mutable_enrol()->set_csr_der(MakeRequest(uuid, *ReadFile(tls.key, 65536))->csr_der);
    return wire::Ask({"127.0.0.1", absl::StrCat(site_.port())}, *context, "", question, kAnswer);
  }

  Site site_;
};

TEST_F(EnrolTest, AOneTimeTokenMakesAHostKnownAndGivesItACertificate) {
  std::string out;
  ASSERT_EQ(Enrol(Token(), &out), 0) << out;
  EXPECT_NE(out.find("enrolled " + Uuid()), std::string::npos) << out;
  const auto facts = ReadCertificate(*ReadFile(Enrolled().certificate, 65536));
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->common_name, Uuid());
  EXPECT_TRUE(
      CertificateFits(*ReadFile(Enrolled().certificate, 65536), *ReadFile(Enrolled().key, 65536)));
  EXPECT_TRUE(
      std::filesystem::exists(site_.path(absl::StrCat("collector/hosts/", Uuid(), ".vkey"))));
  // The collector takes it, over mutual TLS.
  const auto renewed = Renew(Enrolled(), Uuid());
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_FALSE(renewed->enrolled().certificate_pem().empty());
  EXPECT_EQ(Shell(absl::StrCat(ProgramPath("cairn-shipper"), " --check-config --config ",
                               site_.path("keys-shipper.yaml"))),
            0);
}

// `key init` and `enrol` are all there is to do on a host: what they learn stands in drop-ins.
TEST_F(EnrolTest, TheAgentsConfigurationLearnsDeploymentAndCollector) {
  const std::string config = site_.path("agent.yaml");
  ledger::WriteAllTo(config, absl::StrCat("keys: {dir: ", site_.path("own"), "}\n"));
  ASSERT_EQ(Shell(absl::StrCat(ProgramPath("cairn"), " key init --config ", config,
                               " --deployment ", kDeployment, " >/dev/null")),
            0);
  EXPECT_EQ(LoadAgentConfig(config)->deployment(), kDeployment);
  const std::string key = *ReadFile(site_.path("collector/collector.vkey"), 4096);
  for (int enrolment = 0; enrolment < 2; ++enrolment) {  // a second time changes nothing
    std::string out;
    ASSERT_EQ(Shell(absl::StrCat(ProgramPath("cairn"), " enrol --config ", config, " --out ",
                                 site_.path("own-enrolled"), " --shipper-config ",
                                 site_.path("own-shipper.yaml"), " --collector 127.0.0.1:",
                                 site_.server()->enrolment_port(), " --token ", Token(), " 2>&1"),
                    &out),
              0)
        << out;
    const auto learned = LoadAgentConfig(config);
    ASSERT_TRUE(learned.ok()) << learned.status();
    ASSERT_EQ(learned->receipts().collectors_size(), 1);
    EXPECT_EQ(learned->receipts().collectors(0), absl::StripAsciiWhitespace(key));
  }
}

TEST_F(EnrolTest, ATokenThatIsUsedUpExpiredForgedOrAnothersIsRefused) {
  std::string out;
  const std::string token = Token();
  ASSERT_EQ(Enrol(token, &out), 0) << out;
  out.clear();
  EXPECT_EQ(Enrol(token, &out), 1);
  EXPECT_NE(out.find("used before"), std::string::npos) << out;
  EXPECT_EQ(Enrol(Token(-absl::Hours(1)), &out), 1);
  EXPECT_NE(out.find("expired"), std::string::npos) << out;
  EXPECT_EQ(Enrol(Token(absl::Hours(1), kOtherUuid), &out), 1);
  EXPECT_NE(out.find(absl::StrCat("made for host ", kOtherUuid)), std::string::npos) << out;
  std::string forged = Token();
  forged[10] = forged[10] == '0' ? '1' : '0';
  EXPECT_EQ(Enrol(forged, &out), 1);
  // One that names another collector: nothing is said to this one.
  std::string elsewhere = Token();
  elsewhere.back() = elsewhere.back() == '0' ? '1' : '0';
  out.clear();
  EXPECT_NE(Enrol(elsewhere, &out), 0);
  EXPECT_NE(out.find("pinned"), std::string::npos) << out;
  EXPECT_EQ(Enrol("nonsense", &out), 3);
}

TEST_F(EnrolTest, AClonedIdentityIsRefusedAndAlarmedUnlessTheTokenNamesTheHost) {
  std::string out;
  ASSERT_EQ(Enrol(Token(), &out), 0) << out;
  ASSERT_EQ(KeyInit("clone"), 0);
  std::filesystem::copy_file(site_.path("keys/host.uuid"), site_.path("clone/host.uuid"),
                             std::filesystem::copy_options::overwrite_existing);
  const uint64_t alarms = site_.core()->counters()->alarms;
  out.clear();
  EXPECT_EQ(Enrol(Token(), &out, "clone"), 1);
  EXPECT_NE(out.find("cloned identity"), std::string::npos) << out;
  EXPECT_GT(site_.core()->counters()->alarms, alarms);
  // The operator knows: the machine was set up anew.
  EXPECT_EQ(Enrol(Token(absl::Hours(1), Uuid()), &out, "clone"), 0) << out;
}

TEST_F(EnrolTest, WhereTheSiteCertifiesItsHostsOnlyTheKeyIsEnrolled) {
  std::string out;
  ASSERT_EQ(Enrol(Token(), &out, "keys", "--no-certificate"), 0) << out;
  EXPECT_NE(out.find("certifies nobody"), std::string::npos) << out;
  EXPECT_FALSE(std::filesystem::exists(Enrolled().certificate));
  EXPECT_TRUE(std::filesystem::exists(Enrolled().ca));
}

TEST_F(EnrolTest, WithoutACertificateNothingButEnrolmentIsTaken) {
  auto context = TlsContext::Anonymous(site_.path("collector/ca.crt"));
  ASSERT_TRUE(context.ok());
  wire::Frame hello;
  hello.mutable_hello()->set_version(1);
  hello.mutable_hello()->set_origin(site_.host.origin());
  const auto refused = wire::Ask({"127.0.0.1", absl::StrCat(site_.server()->enrolment_port())},
                                 *context, "", hello, kAnswer);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied) << refused.status();
  // And on the other listener a certificate is a must.
  wire::Frame enrol;
  enrol.mutable_enrol()->set_token("x");
  EXPECT_FALSE(
      wire::Ask({"127.0.0.1", absl::StrCat(site_.port())}, *context, "", enrol, kAnswer).ok());
}

TEST_F(EnrolTest, TheShipperRenewsInTimeAndKeepsItsKey) {
  // Nine tenths of its life are over.
  const auto authority =
      CertificateAuthority::Load({*ReadFile(site_.path("collector/ca.crt"), 65536),
                                  *ReadFile(site_.path("collector/ca.key"), 65536)});
  ASSERT_TRUE(authority.ok());
  const auto old = authority->Issue({.common_name = kUuid,
                                     .uris = {absl::StrCat("cairn://", kDeployment, "/h/", kUuid)},
                                     .not_before = absl::Now() - absl::Hours(9),
                                     .not_after = absl::Now() + absl::Hours(1)});
  ASSERT_TRUE(old.ok());
  const TlsFiles tls = site_.HostTls();
  ledger::WriteAllTo(tls.certificate, old->certificate_pem);
  ledger::WriteAllTo(tls.key, old->key_pem);
  shipper::Renewal renewal({{.where = {"127.0.0.1", absl::StrCat(site_.port())}}}, tls);
  const auto renewed = renewal.Check(absl::Now());
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_TRUE(*renewed);
  const std::string fresh = *ReadFile(tls.certificate, 65536);
  EXPECT_GT(ReadCertificate(fresh)->not_after, absl::Now() + absl::Hours(24 * 80));
  EXPECT_TRUE(CertificateFits(fresh, *ReadFile(tls.key, 65536)));
  // Not again, and it is good for shipping.
  EXPECT_FALSE(*renewal.Check(absl::Now() + absl::Hours(1)));
  site_.host.Open();
  site_.host.Append(10);
  site_.host.Sync();
  EXPECT_TRUE(site_.ShipAll());
}

TEST_F(EnrolTest, ARevokedHostNeitherRenewsNorConnects) {
  std::string out;
  ASSERT_EQ(Enrol(Token(), &out), 0) << out;
  ASSERT_TRUE(collector::RevokeHost(site_.path("collector"), Uuid(), "stolen").ok());
  const auto refused = Renew(Enrolled(), Uuid());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied) << refused.status();
  EXPECT_EQ(Enrol(Token(absl::Hours(1), Uuid()), &out), 1) << "nor does it enrol again";
  // With the list read anew TLS refuses it already; others still come.
  ASSERT_TRUE(site_.server()->Reload().ok());
  EXPECT_FALSE(Renew(Enrolled(), Uuid()).ok());
  EXPECT_TRUE(Renew(site_.HostTls(), kUuid).ok()) << Renew(site_.HostTls(), kUuid).status();
}

TEST_F(EnrolTest, ADecommissionedHostKeepsItsLastReceiptAndIsNotMissed) {
  site_.host.Open();
  site_.host.Append(10);
  site_.host.Sync();
  ASSERT_TRUE(site_.ShipAll());
  const auto last = collector::DecommissionHost(site_.path("collector"), kUuid, "scrapped");
  ASSERT_TRUE(last.ok()) << last.status();
  ASSERT_EQ(last->size(), 1u);
  EXPECT_EQ(last->front().size, site_.host.size());
  EXPECT_TRUE(std::filesystem::exists(last->front().path));
  site_.host.Append(10);
  site_.host.Sync();
  EXPECT_FALSE(site_.ShipAll(absl::Seconds(1)));
  EXPECT_EQ(site_.VerifyStore().verdict, ledger::Verdict::kOk);
}

}  // namespace
}  // namespace cairn::ship
