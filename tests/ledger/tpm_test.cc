// With an emulated TPM (swtpm), each of its own, on a socket of its own.
#include "ledger/tpm.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ledger/key.h"
#include "tests/ledger/test_log.h"

extern char** environ;

namespace cairn::ledger {
namespace {

constexpr char kSwtpm[] = "/usr/bin/swtpm";

// One life of an emulated TPM; its state stays in `dir`.
class Emulator {
 public:
  explicit Emulator(const std::string& dir) : path_(absl::StrCat(dir, "/swtpm.sock")) {
    const std::string state = absl::StrCat("dir=", dir);
    const std::string server = absl::StrCat("type=unixio,path=", path_);
    const std::string control = absl::StrCat("type=unixio,path=", path_, ".ctrl");
    std::string words[] = {"swtpm",
                           "socket",
                           "--tpm2",
                           "--tpmstate",
                           state,
                           "--server",
                           server,
                           "--ctrl",
                           control,
                           "--flags",
                           "not-need-init,startup-clear"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (::posix_spawn(&pid_, kSwtpm, nullptr, nullptr, argv.data(), environ) != 0) pid_ = -1;
    for (int i = 0; i < 1000 && !std::filesystem::exists(path_); ++i) ::usleep(10'000);
  }
  ~Emulator() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  std::string tcti() const { return absl::StrCat("swtpm:path=", path_); }

 private:
  const std::string path_;
  pid_t pid_ = -1;
};

class TpmTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::access(kSwtpm, X_OK) != 0) GTEST_SKIP() << "SKIPPED: no " << kSwtpm << " (apt: swtpm)";
    emulator_ = std::make_unique<Emulator>(dir_.path());
    auto tpm = Tpm::Open(emulator_->tcti());
    ASSERT_TRUE(tpm.ok()) << tpm.status();
    tpm_ = *std::move(tpm);
  }

  TempDir dir_;
  std::unique_ptr<Emulator> emulator_;
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
  const Emulator other_machine(elsewhere.path());
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
