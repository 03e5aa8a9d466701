// Attacks by whoever took root at time T: the log key on disk, the epoch's key and K in memory are
// all in their hands, and nothing that was wiped before.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ledger/hpke.h"
#include "tests/attack/attack.h"
#include "tests/attack/forge.h"

namespace cairn::attack {
namespace {

using ledger::FrameType;

class AttackWithKeys : public ::testing::Test {
 protected:
  AttackWithKeys() : agent_(ledger::kTestOrigin), recipient_(ledger::X25519PublicKey(auditor_)) {}

  void Epoch(Forger* log, const std::string& what) {
    log->Open(recipient_);
    for (int i = 0; i < 4; ++i) log->Add(absl::StrCat(what, i));
    log->Vouch();
  }
  ledger::Report Verify(const Forger& log, const std::string& receipt = "",
                        bool as_auditor = false) {
    log.Save(dir_.path());
    ledger::VerifyOptions options;
    options.key = agent_.verifier_key();
    options.collector_key = CollectorKey();
    options.threads = 1;
    if (as_auditor) options.recipient_key = &auditor_;
    const ledger::TempDir receipts;
    if (!receipt.empty()) {
      ledger::WriteAllTo(receipts.path() + "/r", receipt);
      options.receipts_dir = receipts.path();
    }
    return ledger::VerifyLog(dir_.path(), options);
  }

  const Secret32 auditor_ = Secret32::Random();
  Forger agent_;
  const std::string recipient_;
  const ledger::TempDir dir_;
};

TEST_F(AttackWithKeys, ReSignAnOldCheckpointWithACurrentKey) {
  ShownBy(Anchor::kNone);
  Epoch(&agent_, "/old/");
  agent_.Seal();
  Epoch(&agent_, "/new/");
  ASSERT_TRUE(Ok(Verify(agent_), agent_.size()));
  const std::string path = dir_.path() + "/0000000000.seg";
  Segment segment = Segment::Take(ledger::ReadAll(path));
  for (Piece& piece : segment.pieces) {
    if (piece.type != FrameType::kCheckpoint) continue;
    const auto old = ledger::Checkpoint::Parse(ledger::Note::Parse(piece.body)->text);
    piece.body = SignedCheckpoint(old->origin, old->size, old->root, agent_.log_key(),
                                  &agent_.epoch_key(), 0);
    break;
  }
  ledger::WriteAllTo(path, segment.Bytes());
  ledger::VerifyOptions options;
  options.key = agent_.verifier_key();
  EXPECT_TRUE(Tampered(ledger::VerifyLog(dir_.path(), options), "signature", 0));
}

// A sealed epoch's blocks, rewritten from its opening's key on: the key is gone.
TEST_F(AttackWithKeys, RewriteAnEarlierEpochUnderItsOwnKey) {
  ShownBy(Anchor::kNone);
  agent_.Open(recipient_);
  std::unique_ptr<Forger> thief = agent_.Copy();
  for (int i = 0; i < 4; ++i) agent_.Add("/honest");
  agent_.Seal();
  Epoch(&agent_, "/now/");
  // The thief knows where the old epoch stood, and today's keys.
  thief->StealKeys(agent_);
  for (int i = 0; i < 4; ++i) thief->Add("/forged");
  thief->Seal();
  Epoch(thief.get(), "/now/");
  EXPECT_TRUE(Tampered(Verify(*thief), "signature", 1));
}

// With the log key alone everything can be written anew; the receipt of an opening fixes its key.
TEST_F(AttackWithKeys, StealKeysAndRewriteAnEpochFromItsOpening) {
  ShownBy(Anchor::kReceipt);
  Epoch(&agent_, "/first/");
  agent_.Seal();
  std::unique_ptr<Forger> thief = agent_.Copy();
  agent_.Open(recipient_);
  const std::string receipt = Receipt(agent_.note());  // of the opening, shipped at once
  for (int i = 0; i < 4; ++i) agent_.Add("/honest");
  agent_.Seal();
  const ledger::Report honest = Verify(agent_, receipt);
  ASSERT_TRUE(Ok(honest, agent_.size()));
  EXPECT_EQ(honest.anchored_from, 0u);
  thief->StealKeys(agent_);
  thief->GuessTagKey();
  Epoch(thief.get(), "/forged/");
  EXPECT_FALSE(Verify(*thief).verdict == ledger::Verdict::kOk)
      << "epoch 0 announced another key than the thief has";
  thief->Seal();
  // Even with every announcement rewritten, from the very first block on.
  Forger all(ledger::kTestOrigin);
  Epoch(&all, "/forged/first/");
  all.Seal();
  Epoch(&all, "/forged/second/");
  all.Seal();
  EXPECT_TRUE(Ok(Verify(all), all.size())) << "the log key signs anything";
  EXPECT_TRUE(TamperedAround(Verify(all, receipt), "receipt", 0));
}

TEST_F(AttackWithKeys, StealKeysAndRewriteWhatTheOpenEpochHeldBeforeT) {
  ShownBy(Anchor::kAuditor);
  agent_.Open(recipient_);
  const std::string receipt = Receipt(agent_.note());
  agent_.Add("/before/1");
  std::unique_ptr<Forger> thief = agent_.Copy();
  agent_.Add("/before/the/break-in");  // closed before T, not receipted
  agent_.Vouch();
  // T: the thief knows all keys of now. Those of the block's time were wiped.
  thief->StealKeys(agent_);
  thief->Add("/nothing/happened");
  thief->Vouch();
  const ledger::Report blind = Verify(*thief, receipt);
  EXPECT_TRUE(Ok(blind, thief->size())) << "who has no recipient key cannot tell";
  EXPECT_EQ(blind.anchored_from, 0u);
  EXPECT_TRUE(Tampered(Verify(*thief, receipt, true), "tag", 2));
  EXPECT_TRUE(TheThreatModelSays("Without a recipient key nobody checks tags"));
}

// An epoch of the same run has a key made of the last one's: another, though sealed to the auditor
// as it should be, is not it.
TEST_F(AttackWithKeys, RewriteAnEpochUnderAnInventedTagKey) {
  ShownBy(Anchor::kAuditor);
  Epoch(&agent_, "/first/");
  agent_.Seal();
  const uint64_t first = agent_.size();
  std::unique_ptr<Forger> thief = agent_.Copy();  // with the key that the close announced
  Epoch(&agent_, "/honest/");
  ASSERT_TRUE(Ok(Verify(agent_, "", true), agent_.size()));
  thief->GuessTagKey();
  Epoch(thief.get(), "/forged/");
  EXPECT_TRUE(Ok(Verify(*thief), thief->size())) << "who has no recipient key cannot tell";
  EXPECT_TRUE(Tampered(Verify(*thief, "", true), "sealed-key", first));
}

TEST_F(AttackWithKeys, SealAnEpochToNobody) {
  ShownBy(Anchor::kAuditor);
  Epoch(&agent_, "/first/");
  agent_.Seal();
  const uint64_t first = agent_.size();
  agent_.Open();
  agent_.Add("/unseen");
  agent_.Vouch();
  EXPECT_TRUE(Ok(Verify(agent_), agent_.size()));
  EXPECT_TRUE(Tampered(Verify(agent_, "", true), "sealed-key", first));
  // From the beginning: nothing could be checked, and that is not OK.
  Forger none(ledger::kTestOrigin);
  none.Open();
  none.Add("/unseen");
  none.Vouch();
  EXPECT_EQ(Verify(none, "", true).verdict, ledger::Verdict::kIncomplete);
}

// Before any opening was receipted, the whole log may be another.
TEST_F(AttackWithKeys, StealKeysAndRewriteBeforeTheFirstReceipt) {
  ShownBy(Anchor::kNothing);
  Epoch(&agent_, "/honest/");
  Forger all(ledger::kTestOrigin);
  Epoch(&all, "/forged/");
  const ledger::Report report = Verify(all, "", true);
  EXPECT_TRUE(Ok(report, all.size()));
  EXPECT_FALSE(report.anchored_from.has_value());
  EXPECT_TRUE(TheThreatModelSays("Before the first receipt of an opening nothing is anchored"));
}

TEST_F(AttackWithKeys, CutTheTailAndClaimACrash) {
  ShownBy(Anchor::kNothing);
  agent_.Open(recipient_);
  const std::string receipt = Receipt(agent_.note());
  std::unique_ptr<Forger> thief = agent_.Copy();
  agent_.Add("/the/break-in");
  agent_.Vouch();
  thief->StealKeys(agent_);
  thief->Crash();
  Epoch(thief.get(), "/later/");
  EXPECT_TRUE(Ok(Verify(*thief, receipt, true), thief->size()));
  EXPECT_TRUE(TheThreatModelSays(
      "the tail after the last receipt can be cut and made to look like a crash"));
  EXPECT_TRUE(TamperedAround(Verify(*thief, Receipt(agent_.note()), true), "receipt", 1))
      << "a receipt of it shows it";
}

TEST_F(AttackWithKeys, CloseAnEpochTwice) {
  ShownBy(Anchor::kNone);
  Epoch(&agent_, "/a");
  agent_.AddClose();
  agent_.Vouch();
  const uint64_t second = agent_.size();
  agent_.Seal();
  EXPECT_TRUE(Tampered(Verify(agent_), "closed", second));
}

TEST_F(AttackWithKeys, OpenAnEpochTwice) {
  ShownBy(Anchor::kNone);
  agent_.Open(recipient_);
  agent_.Add("/a");
  const ledger::TempDir dir;
  agent_.Save(dir.path());
  const Segment segment = Segment::Take(ledger::ReadAll(dir.path() + "/0000000000.seg"));
  Block opening;
  ASSERT_TRUE(opening.ParseFromString(segment.pieces[0].body.substr(ledger::kTagBytes)));
  opening.set_first_sequence(agent_.records());
  const uint64_t second = agent_.size();
  agent_.AddStored(opening.SerializeAsString());
  agent_.Vouch();
  EXPECT_TRUE(Tampered(Verify(agent_), "open", second));
}

// An act of the log itself hidden among others: it must stand alone where readers look.
TEST_F(AttackWithKeys, HideAnEpochsCloseBehindAnotherRecord) {
  ShownBy(Anchor::kNone);
  Epoch(&agent_, "/a");
  ledger::BlockBuilder builder(false);
  Record act;
  act.set_type(FILE_OPEN);
  Record close;
  close.set_type(AGENT_EPOCH_CLOSE);
  close.mutable_epoch_close()->set_reason("stop");
  ASSERT_TRUE(builder.Add({.time_ns = 1, .record = &act, .urgent = true}).ok());
  ASSERT_TRUE(builder.Add({.time_ns = 2, .record = &close, .urgent = true}).ok());
  std::string stored;
  builder.Finish(agent_.records(), 0, &stored);
  const uint64_t block = agent_.size();
  agent_.AddStored(stored);
  agent_.Vouch();
  EXPECT_TRUE(Tampered(Verify(agent_), "close", block));
}

// Two readers of one block must not see two things.
TEST_F(AttackWithKeys, StateABlocksHeadTwice) {
  ShownBy(Anchor::kNone);
  Epoch(&agent_, "/a");
  ledger::BlockBuilder builder(false);
  Record act;
  act.set_type(FILE_OPEN);
  ASSERT_TRUE(builder.Add({.time_ns = 1, .record = &act, .urgent = true}).ok());
  std::string stored;
  builder.Finish(agent_.records(), 0, &stored);
  const std::string second_sequence("\x08\x07", 2);  // field 1 again, behind the records
  Block block;
  EXPECT_TRUE(ledger::ParseBlock(stored, &block).ok());
  EXPECT_FALSE(ledger::ParseBlock(stored + second_sequence, &block).ok());
  const uint64_t index = agent_.size();
  agent_.AddStored(stored + second_sequence);
  agent_.Vouch();
  EXPECT_TRUE(Tampered(Verify(agent_), "block", index)) << "an urgent block is read whole";
}

// The clock of the host is the host's claim. It moves no verdict; receipts bear the collector's.
TEST_F(AttackWithKeys, TurnTheClockAYear) {
  ShownBy(Anchor::kReceipt);
  constexpr int64_t kYearNs = 365LL * 86'400 * 1'000'000'000;
  for (const int64_t turn : {-kYearNs, kYearNs}) {
    ledger::TestLog log;
    const std::shared_ptr<int64_t> offset = std::make_shared<int64_t>(0);
    ledger::LedgerOptions options = log.options();
    options.wall_time_ns = [clock = log.clock_ns, offset] {
      return *clock + static_cast<uint64_t>(1'700'000'000'000'000'000 + *offset);
    };
    auto ledger = ledger::Ledger::Open(options, log.key());
    ASSERT_TRUE(ledger.ok());
    log.ledger = *std::move(ledger);
    ASSERT_TRUE(log.Append("/before").ok());
    log.Advance(absl::Seconds(1));
    *offset = turn;
    ASSERT_TRUE(log.Append("/after").ok());
    log.Advance(absl::Seconds(1));
    ASSERT_TRUE(log.ledger->Close("stop").ok());
    EXPECT_TRUE(Ok(log.Verify(), log.ledger->stats().size));
    EXPECT_EQ(log.ledger->stats().epoch, 0u) << "the epoch's age is not by that clock";
    // A collector a year off, too: its time is in the receipt, its word is its signature.
    const auto note = ledger::Note::Parse(
        Receipt(SignedCheckpoint(ledger::kTestOrigin, 1, std::string(32, 'r'), log.key()),
                static_cast<uint64_t>(1'700'000'000 + turn / 1'000'000'000)));
    uint64_t time_s = 0;
    EXPECT_EQ(ledger::CheckNote(*note, CollectorKey(), &time_s), ledger::NoteCheck::kValid);
    EXPECT_EQ(time_s, static_cast<uint64_t>(1'700'000'000 + turn / 1'000'000'000));
  }
  EXPECT_TRUE(TheThreatModelSays("Wall-clock times are the host's claim"));
}

}  // namespace
}  // namespace cairn::attack
