// What cairn writes, checked by programs that share nothing with it: Go's checksum-database
// packages (tests/interop/verify.go) and openssl.
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/own_log.h"
#include "ledger/segments.h"
#include "tests/attack/forge.h"
#include "tests/ledger/test_log.h"
#include "tests/paths.h"
#include "tests/program.h"

namespace cairn {
namespace {

using ledger::ReadAll;
using ledger::WriteAllTo;

class Go : public ::testing::Test {
 protected:
  // Builds the Go program once, from packages that Debian installs; no network.
  static void SetUpTestSuite() {
    dir_ = new ledger::TempDir;
    std::string said;
    built_ =
        Shell(absl::StrCat("cd '", dir_->path(), "' && cp '", SourcePath("tests/interop/verify.go"),
                           "' . && GO111MODULE=off GOFLAGS= GOPROXY=off GOTOOLCHAIN=local "
                           "GOPATH=/usr/share/gocode GOCACHE=$PWD/cache "
                           "go build -o verify verify.go 2>&1"),
              &said) == 0;
    if (!built_) why_ = new std::string(said);
  }
  static void TearDownTestSuite() {
    delete dir_;
    delete why_;
    why_ = nullptr;
  }
  void SetUp() override {
    if (!built_ && !std::filesystem::exists("/usr/share/gocode/src/golang.org/x/mod/sumdb")) {
      GTEST_SKIP() << "SKIPPED: golang-go or golang-golang-x-mod-dev is missing (tools/setup test)";
    }
    ASSERT_TRUE(built_) << *why_;
    ASSERT_TRUE(log_.Open().ok());
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(log_.Append(absl::StrCat("/file/", i)).ok());
      if (i % 2 == 0) log_.ledger->Flush();
      if (i % 20 == 19) {
        ASSERT_TRUE(log_.ledger->Rotate("signal").ok());
      }
    }
    ASSERT_TRUE(log_.ledger->Close("stop").ok());
    blocks_ = log_.ledger->stats().size;
    log_.ledger.reset();
  }
  // Runs the Go verifier; `said` (may be null) gets what it prints.
  static int Verify(const std::string& arguments, std::string* said = nullptr) {
    return Shell(absl::StrCat(dir_->path(), "/verify ", arguments, said ? "" : " 2>/dev/null"),
                 said);
  }
  std::string Cairn(const std::string& arguments, int want = 0) const {
    std::string out;
    EXPECT_EQ(Shell(absl::StrCat(ProgramPath("cairn"), " ", arguments), &out), want) << arguments;
    return out;
  }
  // A file of these bytes.
  std::string File(const std::string& name, const std::string& bytes) const {
    WriteAllTo(scratch_.path() + "/" + name, bytes);
    return scratch_.path() + "/" + name;
  }
  std::string Key() const { return log_.verifier_key().ToString(); }

  static ledger::TempDir* dir_;
  static bool built_;
  static std::string* why_;
  const ledger::TempDir scratch_;
  ledger::TestLog log_;
  uint64_t blocks_ = 0;
};

ledger::TempDir* Go::dir_ = nullptr;
bool Go::built_ = false;
std::string* Go::why_ = nullptr;

TEST_F(Go, AcceptsACheckpointByBothItsKeys) {
  const std::string note = Cairn(absl::StrCat("checkpoint ", log_.dir.path()));
  std::string said;
  ASSERT_EQ(Verify(absl::StrCat("checkpoint ", File("note", note), " ", Key()), &said), 0);
  EXPECT_EQ(said,
            absl::StrCat(blocks_, " ",
                         absl::Base64Escape(
                             ledger::Checkpoint::Parse(ledger::Note::Parse(note)->text)->root),
                         "\n"));
  attack::Forger forger(ledger::kTestOrigin);
  forger.Open();
  const ledger::VerifierKey epoch{.name = absl::StrCat(ledger::kTestOrigin, "/e/0"),
                                  .public_key = forger.epoch_key().public_key()};
  EXPECT_EQ(Verify(absl::StrCat("checkpoint ", File("note", forger.note()), " ",
                                forger.verifier_key().ToString(), " ", epoch.ToString())),
            0);
}

TEST_F(Go, AcceptsAReceipt) {
  const std::string receipt = attack::Receipt(ledger::ReadCheckpointFile(log_.dir.path())->note);
  EXPECT_EQ(Verify(absl::StrCat("checkpoint ", File("note", receipt), " ", Key(), " ",
                                attack::CollectorKey().ToString())),
            0);
  EXPECT_EQ(Verify(absl::StrCat("checkpoint ", File("note", receipt), " ",
                                attack::CollectorKey(6).ToString())),
            1);
}

TEST_F(Go, RefusesWhatWeRefuse) {
  const std::string note = ledger::ReadCheckpointFile(log_.dir.path())->note;
  for (size_t i = 0; i < note.size(); i += 5) {
    std::string bad = note;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const auto parsed = ledger::Note::Parse(bad);
    const bool ours = parsed.ok() && ledger::Checkpoint::Parse(parsed->text).ok() &&
                      CheckNote(*parsed, log_.verifier_key()) == ledger::NoteCheck::kValid;
    const bool theirs = Verify(absl::StrCat("checkpoint ", File("n", bad), " ", Key())) == 0;
    EXPECT_EQ(ours, theirs) << "byte " << i;
  }
}

TEST_F(Go, AcceptsTheInclusionProofOfEveryRecord) {
  const uint64_t records = log_.Verify().records;
  ASSERT_GT(records, 60u);
  for (uint64_t sequence = 0; sequence < records; ++sequence) {
    const std::string block = scratch_.path() + "/block";
    const std::string proof = File(
        "proof",
        Cairn(absl::StrCat("prove ", sequence, " --log ", log_.dir.path(), " --block ", block)));
    ASSERT_EQ(Verify(absl::StrCat("proof ", proof, " ", block, " ", Key())), 0) << sequence;
  }
  EXPECT_EQ(Verify(absl::StrCat("proof ", scratch_.path(), "/proof ", File("b", "x"), " ", Key())),
            1);
}

TEST_F(Go, AcceptsTheConsistencyOfAnyTwoSizes) {
  for (uint64_t size = 1; size <= blocks_; size += 7) {
    for (uint64_t old = 1; old <= size; old += 3) {
      const std::string proof =
          Cairn(absl::StrCat("prove --consistency ", old, " ", size, " --log ", log_.dir.path()));
      ASSERT_EQ(Verify(absl::StrCat("consistency ", File("proof", proof))), 0)
          << old << " " << size;
    }
  }
  std::string bad =
      Cairn(absl::StrCat("prove --consistency 5 ", blocks_, " --log ", log_.dir.path()));
  bad.replace(bad.find("old 5"), 5, "old 6");
  EXPECT_EQ(Verify(absl::StrCat("consistency ", File("proof", bad))), 1);
}

TEST_F(Go, AcceptsTheCollectorsOwnLogAtEverySize) {
  const uint8_t seed[32] = {5};
  const collector::Cosigner cosigner("collector.example",
                                     ledger::SigningKey::FromSeed(Secret32(seed)));
  const std::string dir = scratch_.path() + "/own_log";
  auto log = collector::OwnLog::Open(Io::Real(), dir, &cosigner);
  ASSERT_TRUE(log.ok()) << log.status();
  const std::string arguments = absl::StrCat("tiles ", dir, " ", cosigner.log_key().ToString());
  EXPECT_EQ(Verify(arguments), 0) << "empty";
  uint64_t size = 0;
  for (const int more : {1, 254, 1, 1, 511, 300}) {
    for (int i = 0; i < more; ++i) ASSERT_TRUE((*log)->Add(absl::StrCat("leaf ", size++)).ok());
    ASSERT_TRUE((*log)->Publish().ok());
    std::string said;
    ASSERT_EQ(Verify(arguments, &said), 0) << size << said;
    EXPECT_EQ(said, absl::StrCat("collector.example/log\n", size, "\n"));
  }
  const std::string tile = dir + "/tile/0/001";
  std::string bytes = ReadAll(tile);
  bytes[40] ^= 1;
  WriteAllTo(tile, bytes);
  EXPECT_EQ(Verify(arguments), 1);
}

TEST(OpenSsl, AcceptsTheLogKeysSignatureOfACheckpoint) {
  attack::Forger forger(ledger::kTestOrigin);
  forger.Open();
  const auto note = ledger::Note::Parse(forger.note());
  ASSERT_TRUE(note.ok());
  const ledger::TempDir dir;
  WriteAllTo(dir.path() + "/text", note->text);
  WriteAllTo(dir.path() + "/signature", note->signatures[0].bytes);
  // SubjectPublicKeyInfo of Ed25519 (RFC 8410 §4), then the 32 bytes.
  const std::string prefix = absl::HexStringToBytes("302a300506032b6570032100");
  WriteAllTo(dir.path() + "/key", prefix + forger.log_key().public_key());
  const std::string command =
      absl::StrCat("openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey ", dir.path(),
                   "/key -in ", dir.path(), "/text -sigfile ", dir.path(), "/signature 2>&1");
  std::string said;
  EXPECT_EQ(Shell(command, &said), 0) << said;
  WriteAllTo(dir.path() + "/text", note->text + "x");
  EXPECT_NE(Shell(command), 0);
}

}  // namespace
}  // namespace cairn
