// Certificates and revocations change under load: sessions go on, and nothing is lost.
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "base/certificate.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

class Reload : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.host.Open();
    site_.StartCollector();
    auto shipper = shipper::Shipper::Create(site_.ShipperOptions());
    ASSERT_TRUE(shipper.ok()) << shipper.status();
    shipper_ = *std::move(shipper);
    runs_ = std::thread([this] { EXPECT_TRUE(shipper_->Run().ok()); });
    WaitReceipted();
  }
  void TearDown() override {
    shipper_->Stop();
    runs_.join();
  }
  // Writes, and waits until the collector vouches for all of it.
  void WaitReceipted() {
    site_.host.Append(50, /*urgent=*/true);
    site_.host.Sync();
    ASSERT_TRUE(ReceiptedWithin(absl::Seconds(20)));
  }
  bool ReceiptedWithin(absl::Duration within) const {
    const absl::Time until = absl::Now() + within;
    while (absl::Now() < until) {
      const ledger::Report report = ledger::VerifyLog(
          site_.host.dir(), {.key = site_.host.key(), .collector_key = site_.CollectorKey()});
      if (report.receipted == site_.host.size()) return true;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return false;
  }
  void ExpectWhole() {
    site_.host.Close();
    EXPECT_TRUE(ReceiptedWithin(absl::Seconds(20)));
    // The seal comes behind what the last receipt covers.
    const absl::Time until = absl::Now() + absl::Seconds(20);
    while (!site_.StoreMatches(/*whole=*/true) && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(20));
    }
    EXPECT_TRUE(site_.StoreMatches(/*whole=*/true));
    EXPECT_EQ(site_.VerifyStore().verdict, ledger::Verdict::kOk);
  }
  CertificateAuthority Authority() const {
    return *CertificateAuthority::Load({ledger::ReadAll(site_.path("collector/ca.crt")),
                                        ledger::ReadAll(site_.path("collector/ca.key"))});
  }
  // As an administrator does: the key and the certificate are files of their own.
  static void Replace(const TlsFiles& files, const CertificateAndKey& pair) {
    ledger::WriteAllTo(files.certificate, pair.certificate_pem);
    ledger::WriteAllTo(files.key, pair.key_pem);
  }
  CertificateAndKey NewHostCertificate() const {
    return *Authority().Issue(
        {.common_name = kUuid, .uris = {absl::StrCat("cairn://", kDeployment, "/h/", kUuid)}});
  }
  CertificateAndKey NewCollectorCertificate() const {
    return *Authority().Issue({.common_name = "c", .names = {"127.0.0.1"}, .server = true});
  }
  uint64_t accepted() { return site_.core()->counters()->accepted; }

  Site site_;
  std::unique_ptr<shipper::Shipper> shipper_;
  std::thread runs_;
};

TEST_F(Reload, OfTheCollectorsCertificateKeepsEverySession) {
  for (int round = 0; round < 10; ++round) {
    Replace(site_.CollectorTls(), NewCollectorCertificate());
    ASSERT_TRUE(site_.server()->Reload().ok());
    WaitReceipted();
  }
  EXPECT_EQ(accepted(), 1u);
  // Whoever comes now meets the new one.
  shipper_->Reconnect();
  WaitReceipted();
  EXPECT_EQ(accepted(), 2u);
  ExpectWhole();
}

TEST_F(Reload, OfTheHostsCertificateLosesNothing) {
  for (int round = 0; round < 10; ++round) {
    site_.host.Append(200);
    Replace(site_.HostTls(), NewHostCertificate());
    shipper_->Reconnect();
    WaitReceipted();
  }
  EXPECT_EQ(accepted(), 11u);
  ExpectWhole();
}

TEST_F(Reload, OfBrokenFilesChangesNothing) {
  const std::string good = ledger::ReadAll(site_.CollectorTls().certificate);
  ledger::WriteAllTo(site_.CollectorTls().certificate, "no certificate\n");
  EXPECT_FALSE(site_.server()->Reload().ok());
  WaitReceipted();
  EXPECT_EQ(accepted(), 1u);
  ledger::WriteAllTo(site_.CollectorTls().certificate, good);
  ExpectWhole();
}

TEST_F(Reload, ThatRevokesTheHostEndsItsSessionAndANewCertificateGoesOn) {
  site_.StopCollector();
  const CertificateFacts old = *ReadCertificate(ledger::ReadAll(site_.HostTls().certificate));
  const auto list = [&](const std::vector<std::string>& serials) {
    ledger::WriteAllTo(site_.path("crl"), *Authority().Revoke(serials, absl::Hours(1)));
  };
  list({});
  site_.StartCollector(
      nullptr, [&](collector::ServerOptions* options) { options->tls.crl = site_.path("crl"); });
  shipper_->Stop();
  runs_.join();
  shipper_ = *shipper::Shipper::Create(site_.ShipperOptions());
  runs_ = std::thread([this] { EXPECT_TRUE(shipper_->Run().ok()); });
  WaitReceipted();
  list({"01"});  // somebody else
  ASSERT_TRUE(site_.server()->Reload().ok());
  WaitReceipted();
  EXPECT_EQ(accepted(), 1u);
  const uint64_t refused = site_.core()->counters()->refused;
  list({old.serial});
  ASSERT_TRUE(site_.server()->Reload().ok());
  site_.host.Append(50);
  site_.host.Sync();
  EXPECT_FALSE(ReceiptedWithin(absl::Seconds(1)));
  EXPECT_GT(site_.core()->counters()->refused, refused);
  Replace(site_.HostTls(), NewHostCertificate());
  shipper_->Reconnect();
  ExpectWhole();
}

}  // namespace
}  // namespace cairn::ship
