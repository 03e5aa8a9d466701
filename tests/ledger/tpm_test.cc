// With an emulated TPM (swtpm), each of its own, on a socket of its own.
#include "ledger/tpm.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "ledger/key.h"
#include "tests/ledger/swtpm.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

class TpmTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Swtpm::Installed()) GTEST_SKIP() << "SKIPPED: no swtpm (apt: swtpm)";
    emulator_ = std::make_unique<Swtpm>(dir_.path());
    auto tpm = Tpm::Open(emulator_->tcti());
    ASSERT_TRUE(tpm.ok()) << tpm.status();
    tpm_ = *std::move(tpm);
  }

  TempDir dir_;
  std::unique_ptr<Swtpm> emulator_;
  std::unique_ptr<Tpm> tpm_;
};

TEST_F(TpmTest, OpensWhatItSealedAndNothingElse) {
  const Secret32 secret = Secret32::Random();
  auto sealed = tpm_->Seal(secret);
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  EXPECT_EQ(sealed->find(std::string(secret.view())), std::string::npos);
  auto opened = tpm_->Unseal(*sealed);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->view(), secret.view());
  for (size_t size = 0; size < sealed->size(); ++size) {
    EXPECT_FALSE(tpm_->Unseal(sealed->substr(0, size)).ok()) << size;
  }
  for (size_t i = 0; i < sealed->size(); i += 7) {
    std::string flipped = *sealed;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    const auto other = tpm_->Unseal(flipped);
    EXPECT_TRUE(!other.ok() || other->view() == secret.view()) << i;
  }

  TempDir elsewhere;
  const Swtpm other_machine(elsewhere.path());
  auto other = Tpm::Open(other_machine.tcti());
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(absl::IsUnavailable((*other)->Unseal(*sealed).status()));
}

TEST_F(TpmTest, ASealedKeyFileOpensWithItsTpmAlone) {
  const SigningKey key = SigningKey::Generate();
  const std::string path = dir_.path() + "/log.key";
  ASSERT_TRUE(key.Save(path, tpm_.get()).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(key.Save(path, tpm_.get())));
  const auto loaded = SigningKey::Load(path, tpm_.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->public_key(), key.public_key());
  EXPECT_TRUE(absl::IsFailedPrecondition(SigningKey::Load(path).status()));
}

TEST_F(TpmTest, TheCountOnlyRises) {
  EXPECT_EQ(tpm_->ReadCounter().value_or(99), 0u);
  const auto first = tpm_->RaiseCounter();
  ASSERT_TRUE(first.ok()) << first.status();
  for (uint64_t i = 1; i <= 5; ++i) EXPECT_EQ(tpm_->RaiseCounter().value_or(0), *first + i);
  EXPECT_EQ(tpm_->ReadCounter().value_or(0), *first + 5);
}

// Log and state are rolled back together to an earlier day: no receipt is there, the TPM knows.
TEST_F(TpmTest, AnOlderCopyOfTheDiskIsNotContinued) {
  TestLog log;
  const auto open = [&]() -> absl::Status {
    log.ledger.reset();
    LedgerOptions options = log.options();
    options.tpm = tpm_.get();
    auto opened = Ledger::Open(std::move(options), log.key());
    if (opened.ok()) log.ledger = *std::move(opened);
    return opened.status();
  };
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  TempDir copy;
  CopyLog(log.dir.path(), copy.path());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(open().ok());
    ASSERT_TRUE(log.ledger->Close("stop").ok());
  }
  EXPECT_EQ(log.Verify().verdict, Verdict::kOk);
  log.ledger.reset();
  std::filesystem::remove_all(log.dir.path());
  CopyLog(copy.path(), log.dir.path());
  VerifyOptions verify;
  verify.key = log.verifier_key();
  EXPECT_EQ(VerifyLog(log.dir.path(), verify).verdict, Verdict::kOk) << "nothing else shows it";
  verify.tpm_counter = tpm_->ReadCounter().value_or(0);
  const Report report = VerifyLog(log.dir.path(), verify);
  ASSERT_EQ(report.verdict, Verdict::kTampered);
  EXPECT_EQ(report.findings.front().code, "cut");
  const absl::Status rolled_back = open();
  EXPECT_TRUE(absl::IsDataLoss(rolled_back)) << rolled_back;
}

}  // namespace
}  // namespace cairn::ledger
