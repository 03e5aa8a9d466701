// Attacks on the collector by a host with a good certificate and every key of its own, and by the
// collector on the host.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "collector/core.h"
#include "collector/session.h"
#include "ledger/segments.h"
#include "tests/attack/attack.h"
#include "tests/attack/forge.h"

namespace cairn::attack {
namespace {

constexpr char kUri[] = "cairn://test.example/h/00000000-0000-4000-8000-000000000001";

class AttackOnTheCollector : public ::testing::Test {
 protected:
  AttackOnTheCollector() : host_(ledger::kTestOrigin) {}

  void SetUp() override {
    StartCollector();
    host_.Open();
    for (int i = 0; i < 4; ++i) host_.Add(absl::StrCat("/", i));
    before_ = host_.Copy();
    host_.Add("/the/break-in");
    host_.Vouch();
    ASSERT_EQ(Ship(host_), wire::Refusal::UNKNOWN_CODE);
    ASSERT_EQ(Held()->size, host_.size());
  }

  void StartCollector() {
    core_.reset();
    const uint8_t seed[32] = {5, 5, 5};
    auto core = collector::Core::Create(
        {.deployment = "test.example",
         .store = dir_.path() + "/store",
         .hosts_dir = dir_.path() + "/hosts",
         .trust_on_first_use = true,
         .background = false},
        std::make_unique<collector::Cosigner>("collector.example",
                                              ledger::SigningKey::FromSeed(Secret32(seed))));
    ASSERT_TRUE(core.ok()) << core.status();
    core_ = *std::move(core);
  }
  std::string Store() const {
    return dir_.path() + "/store/test.example/00000000-0000-4000-8000-000000000001/1";
  }
  // What the collector receipted last.
  absl::StatusOr<ledger::Checkpoint> Held() const {
    const auto file = ledger::ReadCheckpointFile(Store());
    if (!file.ok()) return file.status();
    return ledger::Checkpoint::Parse(ledger::Note::Parse(file->note)->text);
  }
  // Connects as the host, shows `log`'s newest note and sends what the collector asks for.
  wire::Refusal::Code Ship(const Forger& log, bool show = true) {
    const ledger::TempDir disk;
    log.Save(disk.path());
    collector::Session session(core_.get(), {.address = "test", .uris = {kUri}});
    wire::Frame hello;
    hello.mutable_hello()->set_version(wire::kVersion);
    hello.mutable_hello()->set_origin(ledger::kTestOrigin);
    hello.mutable_hello()->set_log_key(log.verifier_key().ToString());
    if (show) hello.mutable_hello()->set_checkpoint(log.note());
    std::string out;
    if (!Say(&session, hello, &out)) return Refused(out);
    wire::Frame welcome;
    Find(out, wire::Frame::kWelcome, &welcome);
    const std::string bytes = ledger::ReadAll(
        absl::StrCat(disk.path(), "/", ledger::SegmentName(welcome.welcome().epoch())));
    if (welcome.welcome().offset() >= bytes.size()) return wire::Refusal::UNKNOWN_CODE;
    wire::Frame append;
    append.mutable_append()->set_epoch(welcome.welcome().epoch());
    append.mutable_append()->set_offset(welcome.welcome().offset());
    append.mutable_append()->set_data(bytes.substr(welcome.welcome().offset()));
    if (Say(&session, append, &out)) session.Commit(&out);
    return Refused(out);
  }
  static bool Say(collector::Session* session, const wire::Frame& frame, std::string* out) {
    std::string bytes;
    wire::AppendFrame(frame, &bytes);
    return session->OnBytes(bytes, out);
  }
  static bool Find(const std::string& out, wire::Frame::BodyCase body, wire::Frame* found) {
    wire::FrameParser parser;
    parser.Add(out);
    while (parser.Next(found).value_or(false)) {
      if (found->body_case() == body) return true;
    }
    return false;
  }
  wire::Refusal::Code Refused(const std::string& out) {
    if (!Find(out, wire::Frame::kRefusal, &refusal_)) return wire::Refusal::UNKNOWN_CODE;
    return refusal_.refusal().code();
  }
  // Both notes of evidence are there, each signed by the host's own key.
  void ExpectEvidence(uint64_t held, uint64_t shown) {
    for (const auto& [name, size] : {std::pair{"held.note", held}, {"shown.note", shown}}) {
      const auto note =
          ledger::Note::Parse(ledger::ReadAll(absl::StrCat(Store(), "/evidence/00-fork/", name)));
      ASSERT_TRUE(note.ok()) << name << note.status();
      EXPECT_EQ(ledger::CheckNote(*note, host_.verifier_key()), ledger::NoteCheck::kValid) << name;
      EXPECT_EQ(ledger::Checkpoint::Parse(note->text)->size, size) << name;
    }
  }

  const ledger::TempDir dir_;
  std::unique_ptr<collector::Core> core_;
  Forger host_;
  std::unique_ptr<Forger> before_;  // the host before its last block
  wire::Frame refusal_;
};

TEST_F(AttackOnTheCollector, TwoRootsForOneSize) {
  ShownBy(Anchor::kCollector);
  before_->Add("/nothing/happened");
  before_->Vouch();
  ASSERT_EQ(before_->size(), host_.size());
  EXPECT_EQ(Ship(*before_), wire::Refusal::FORK);
  ExpectEvidence(host_.size(), host_.size());
  EXPECT_EQ(
      ledger::Checkpoint::Parse(ledger::Note::Parse(refusal_.refusal().checkpoint())->text)->root,
      Held()->root)
      << "the host is shown what it signed";
  EXPECT_EQ(core_->counters()->alarms.load(), 1u);
}

// The host says nothing of what it holds and sends another history.
TEST_F(AttackOnTheCollector, ShowNothingAndSendAnotherHistory) {
  ShownBy(Anchor::kCollector);
  before_->Add("/nothing/happened");
  before_->Vouch();
  EXPECT_EQ(Ship(*before_, false), wire::Refusal::FORK);
}

TEST_F(AttackOnTheCollector, RollBackTheHost) {
  ShownBy(Anchor::kCollector);
  before_->Vouch();
  ASSERT_LT(before_->size(), host_.size());
  EXPECT_EQ(Ship(*before_), wire::Refusal::FORK);
  ExpectEvidence(host_.size(), before_->size());
}

TEST_F(AttackOnTheCollector, RewriteTheTailAndGoOn) {
  ShownBy(Anchor::kCollector);
  before_->Add("/nothing/happened");
  before_->Add("/and/on");
  before_->Vouch();
  ASSERT_GT(before_->size(), host_.size());
  EXPECT_EQ(Ship(*before_), wire::Refusal::TAMPERED);
  EXPECT_EQ(Held()->size, host_.size()) << "what was held stays";
  EXPECT_TRUE(std::filesystem::exists(Store() + "/evidence"));
}

// Whoever rules the collector takes its store back; its receipts say what it held.
TEST_F(AttackOnTheCollector, CollectorRollback) {
  ShownBy(Anchor::kReceipt);
  const ledger::TempDir backup;
  ledger::CopyLog(Store(), backup.path());
  host_.Add("/later");
  host_.Vouch();
  ASSERT_EQ(Ship(host_), wire::Refusal::UNKNOWN_CODE);
  const std::string receipt = ledger::ReadCheckpointFile(Store())->note;
  const uint64_t receipted = host_.size();
  core_.reset();
  std::filesystem::remove_all(Store());
  ledger::CopyLog(backup.path(), Store());
  ledger::VerifyOptions options;
  options.key = host_.verifier_key();
  options.collector_key = CollectorKey();
  EXPECT_TRUE(Ok(ledger::VerifyLog(Store(), options), receipted - 1)) << "the store by itself";
  const ledger::TempDir kept;
  ledger::WriteAllTo(kept.path() + "/receipt", receipt);
  options.receipts_dir = kept.path();
  EXPECT_TRUE(Tampered(ledger::VerifyLog(Store(), options), "receipt", receipted - 1));
  // The host still has the bytes: the same history comes again and nothing else.
  StartCollector();
  EXPECT_EQ(Ship(host_), wire::Refusal::UNKNOWN_CODE);
  EXPECT_EQ(Held()->size, receipted);
}

}  // namespace
}  // namespace cairn::attack
