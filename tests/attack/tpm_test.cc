// The one attack that a host without a network can still be asked about: an older copy of its whole
// disk. The count of epochs is in the TPM, where no copy turns it back.
#include "ledger/tpm.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "tests/attack/attack.h"
#include "tests/ledger/swtpm.h"

namespace cairn::attack {
namespace {

class AttackWithTpm : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ledger::Swtpm::Installed()) GTEST_SKIP() << "SKIPPED: no swtpm (apt: swtpm)";
    machine_ = std::make_unique<ledger::Swtpm>(state_.path());
    auto tpm = ledger::Tpm::Open(machine_->tcti());
    ASSERT_TRUE(tpm.ok()) << tpm.status();
    tpm_ = *std::move(tpm);
  }

  absl::Status Open() {
    log_.ledger.reset();
    ledger::LedgerOptions options = log_.options();
    options.tpm = tpm_.get();
    auto opened = ledger::Ledger::Open(std::move(options), log_.key());
    if (opened.ok()) log_.ledger = *std::move(opened);
    return opened.status();
  }
  void Live(const std::string& path) {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(log_.Append(path).ok());
    ASSERT_TRUE(log_.ledger->Close("stop").ok());
    log_.ledger.reset();
  }
  ledger::Report Verify(bool ask_tpm) {
    ledger::VerifyOptions options;
    options.key = log_.verifier_key();
    if (ask_tpm) options.tpm_counter = tpm_->ReadCounter().value_or(0);
    return ledger::VerifyLog(log_.dir.path(), options);
  }
  void PutBack(const std::string& copy) {
    std::filesystem::remove_all(log_.dir.path());
    ledger::CopyLog(copy, log_.dir.path());
  }

  const ledger::TempDir state_;
  std::unique_ptr<ledger::Swtpm> machine_;
  std::unique_ptr<ledger::Tpm> tpm_;
  ledger::TestLog log_;
};

TEST_F(AttackWithTpm, RollBackDiskAndStateWithoutAReceipt) {
  ShownBy(Anchor::kTpm);
  Live("/before");
  const ledger::TempDir copy;
  ledger::CopyLog(log_.dir.path(), copy.path());
  const ledger::Report before = Verify(true);
  ASSERT_TRUE(Ok(before, before.size));
  Live("/the/break-in");
  Live("/later");
  ASSERT_TRUE(Ok(Verify(true), Verify(false).size));
  PutBack(copy.path());
  EXPECT_TRUE(Ok(Verify(false), before.size)) << "the disk alone is whole";
  EXPECT_TRUE(Tampered(Verify(true), "cut", before.size));
  // Nor does the agent go on as if nothing had been.
  EXPECT_TRUE(absl::IsDataLoss(Open()));
}

// A crash between the count and the opening it is for looks the same.
TEST_F(AttackWithTpm, RollBackOneEpoch) {
  ShownBy(Anchor::kNothing);
  Live("/before");
  const uint64_t size = Verify(true).size;
  const ledger::TempDir copy;
  ledger::CopyLog(log_.dir.path(), copy.path());
  Live("/the/break-in");
  PutBack(copy.path());
  EXPECT_TRUE(Ok(Verify(true), size));
  EXPECT_TRUE(TheThreatModelSays("The count may be one ahead of the log"));
}

}  // namespace
}  // namespace cairn::attack
