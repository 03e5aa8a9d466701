// Attacks on whole segments and on the end of the log by whoever can write the files.
#include "ledger/segments.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/attack/attack.h"
#include "tests/attack/forge.h"

namespace cairn::attack {
namespace {

using ledger::FrameType;

class AttackOnSegments : public AttackTest {
 protected:
  std::string Path(const std::string& name) const { return log_.dir.path() + "/" + name; }
  // The newest segment up to and with its n-th checkpoint, as a crash there would leave it: the
  // file `checkpoint` says the same. Returns that checkpoint's size.
  uint64_t CutBehindCheckpoint(uint64_t epoch, size_t n) {
    Segment segment = Segment::Take(Bytes(epoch));
    for (size_t i = 0; i < segment.pieces.size(); ++i) {
      if (segment.pieces[i].type != FrameType::kCheckpoint || n-- > 0) continue;
      const std::string note = segment.pieces[i].body;
      segment.pieces.resize(i + 1);
      ledger::WriteAllTo(log_.SegmentPath(epoch), segment.Bytes());
      PointCheckpointAt(epoch, segment.Bytes().size(), note);
      return ledger::Checkpoint::Parse(ledger::Note::Parse(note)->text)->size;
    }
    ADD_FAILURE() << "no such checkpoint";
    return 0;
  }
  void PointCheckpointAt(uint64_t epoch, uint64_t offset, const std::string& note) {
    ledger::WriteAllTo(Path("checkpoint"),
                       ledger::FormatCheckpointFile({ledger::SegmentName(epoch), offset, note}));
  }
  std::string LastNoteOf(uint64_t epoch) {
    std::string note;
    for (const Piece& piece : Segment::Take(Bytes(epoch)).pieces) {
      if (piece.type == FrameType::kCheckpoint) note = piece.body;
    }
    return note;
  }
};

TEST_F(AttackOnSegments, TruncateBeforeTheLastReceipt) {
  ShownBy(Anchor::kReceipt);
  GiveReceipt(NewestNote());
  const uint64_t left = CutBehindCheckpoint(2, 0);
  ASSERT_LT(left, kBlocks);
  EXPECT_TRUE(Tampered(Verify(), "receipt", left));
  // The receipt at the collector is as good as the one on the host, which root can remove.
  std::filesystem::remove_all(Path("receipts"));
  EXPECT_TRUE(Ok(Verify(), left));
  ledger::VerifyOptions with_note = options();
  const ledger::TempDir elsewhere;
  ledger::WriteAllTo(elsewhere.path() + "/receipt", Receipt(LastNoteOf(1)));
  with_note.receipts_dir = elsewhere.path();
  EXPECT_TRUE(Ok(Verify(with_note), left)) << "covers less than is left";
  ledger::WriteAllTo(log_.SegmentPath(2), "");
  std::filesystem::remove(log_.SegmentPath(2));
  const uint64_t less = CutBehindCheckpoint(1, 0);
  EXPECT_TRUE(Tampered(Verify(with_note), "receipt", less));
  with_note.receipts_dir = "";
  with_note.through_note = LastNoteOf(0);
  EXPECT_TRUE(Ok(Verify(with_note), less));
}

TEST_F(AttackOnSegments, TruncateAfterTheLastReceipt) {
  ShownBy(Anchor::kNothing);
  // The last receipt covers epoch 1; all of epoch 2 but its opening goes, as if by a crash.
  GiveReceipt(LastNoteOf(1));
  const uint64_t left = CutBehindCheckpoint(2, 0);
  ASSERT_LT(left, kBlocks);
  EXPECT_TRUE(Ok(Verify(), left));
  EXPECT_TRUE(TheThreatModelSays(
      "the tail after the last receipt can be cut and made to look like a crash"));
}

// The file `checkpoint` must go along, or it tells.
TEST_F(AttackOnSegments, TruncateAndForgetTheCheckpointFile) {
  ShownBy(Anchor::kNone);
  const std::string good = Bytes(2);
  Segment segment = Segment::Take(good);
  while (segment.pieces.size() > 2) {
    segment.pieces.pop_back();
    const ledger::Report report = VerifyWith(2, segment.Bytes());
    ASSERT_TRUE(Tampered(report, "cut", kBlocks - (kEpochBlocks - segment.Blocks().size())))
        << segment.pieces.size();
  }
}

TEST_F(AttackOnSegments, DeleteAWholeSegment) {
  ShownBy(Anchor::kNone);
  const std::string middle = Bytes(1);
  std::filesystem::remove(log_.SegmentPath(1));
  EXPECT_TRUE(Tampered(Verify(), "gap", kEpochBlocks));
  // Under the missing one's name the next is not what it claims.
  ledger::WriteAllTo(log_.SegmentPath(1), Bytes(2));
  std::filesystem::rename(log_.SegmentPath(2), Path("aside"));
  EXPECT_TRUE(Tampered(Verify(), "gap", kEpochBlocks));
  std::filesystem::rename(Path("aside"), log_.SegmentPath(2));
  ledger::WriteAllTo(log_.SegmentPath(1), middle);
  ASSERT_TRUE(Ok(Verify(), kBlocks));

  const std::string last = Bytes(2);
  std::filesystem::remove(log_.SegmentPath(2));
  EXPECT_TRUE(Tampered(Verify(), "cut", 2 * kEpochBlocks));
  ledger::WriteAllTo(log_.SegmentPath(2), last);

  std::filesystem::remove(log_.SegmentPath(0));
  const ledger::Report report = Verify();
  EXPECT_EQ(report.verdict, ledger::Verdict::kIncomplete);
  EXPECT_EQ(report.incomplete_from, 0u);
  EXPECT_EQ(report.first_block, kEpochBlocks);
}

// What journald's sealing was measured to pass: the sealed file gives way to a copy without its
// seal, with an event removed.
TEST_F(AttackOnSegments, ReplaceASealedSegmentByAnUnsealedCopy) {
  ShownBy(Anchor::kNone);
  for (const uint64_t epoch : {0, 1}) {
    Segment unsealed = Segment::Take(Bytes(epoch));
    ASSERT_EQ(unsealed.pieces.back().type, FrameType::kSeal);
    unsealed.pieces.pop_back();
    EXPECT_TRUE(
        Tampered(VerifyWith(epoch, unsealed.Bytes()), "unsealed", kEpochBlocks * (epoch + 1)));
    unsealed.pieces.erase(unsealed.pieces.begin() + static_cast<ptrdiff_t>(unsealed.Blocks()[4]));
    EXPECT_TRUE(
        Tampered(VerifyWith(epoch, unsealed.Bytes()), "sequence", kEpochBlocks * epoch + 4));
  }
  Segment newest = Segment::Take(Bytes(2));
  newest.pieces.pop_back();
  EXPECT_TRUE(Tampered(VerifyWith(2, newest.Bytes()), "cut", kBlocks))
      << "the newest is as far as the file `checkpoint` says";
}

TEST_F(AttackOnSegments, SpliceFromAnotherHost) {
  ShownBy(Anchor::kNone);
  Forger other(kOtherOrigin);
  for (int epoch = 0; epoch < 3; ++epoch) {
    other.Open();
    for (int i = 0; i < 10; ++i) other.Add("/other");
    other.Seal();
  }
  const ledger::TempDir dir;
  other.Save(dir.path());
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    const std::string bytes =
        ledger::ReadAll(absl::StrCat(dir.path(), "/", ledger::SegmentName(epoch)));
    ASSERT_TRUE(Tampered(VerifyWith(epoch, bytes), "origin", kEpochBlocks * epoch)) << epoch;
  }
}

TEST_F(AttackOnSegments, SpliceFromAnotherIncarnation) {
  ShownBy(Anchor::kNone);
  Forger next(kNextOrigin);  // the same key
  ASSERT_EQ(next.log_key().public_key(), log_.key().public_key());
  next.Open();
  for (int i = 0; i < 10; ++i) next.Add("/next");
  next.Seal();
  next.Open();
  next.Seal();
  const ledger::TempDir dir;
  next.Save(dir.path());
  for (uint64_t epoch = 0; epoch < 2; ++epoch) {
    const std::string bytes =
        ledger::ReadAll(absl::StrCat(dir.path(), "/", ledger::SegmentName(epoch)));
    ASSERT_TRUE(Tampered(VerifyWith(epoch, bytes), "origin", kEpochBlocks * epoch)) << epoch;
  }
}

TEST_F(AttackOnSegments, SpliceFromAnotherEpoch) {
  ShownBy(Anchor::kNone);
  EXPECT_TRUE(Tampered(VerifyWith(1, Bytes(0)), "gap", kEpochBlocks));
  EXPECT_TRUE(Tampered(VerifyWith(1, Bytes(2)), "gap", kEpochBlocks));
  EXPECT_TRUE(Tampered(VerifyWith(0, Bytes(1)), "gap", 0));
  // Only the blocks, under the epoch's own header.
  Segment spliced = Segment::Take(Bytes(1));
  spliced.pieces = Segment::Take(Bytes(2)).pieces;
  EXPECT_TRUE(Tampered(VerifyWith(1, spliced.Bytes()), "sequence", kEpochBlocks));
}

TEST_F(AttackOnSegments, SpliceFromAnotherHistoryOfTheSameLog) {
  ShownBy(Anchor::kNone);
  // Both hosts' histories are by the same keys up to epoch 0; epoch 1 comes from the other one.
  Forger one(ledger::kTestOrigin);
  one.Open();
  one.Seal();
  std::unique_ptr<Forger> two = one.Copy();
  for (Forger* history : {&one, two.get()}) {
    history->Open();
    history->Add(history == &one ? "/one" : "/two");
    history->Seal();
    history->Open();
    history->Seal();
  }
  const ledger::TempDir first;
  const ledger::TempDir second;
  one.Save(first.path());
  two->Save(second.path());
  ledger::VerifyOptions with_key = options();
  ASSERT_TRUE(Ok(ledger::VerifyLog(first.path(), with_key), one.size()));
  ASSERT_TRUE(Ok(ledger::VerifyLog(second.path(), with_key), one.size()));
  std::filesystem::copy_file(second.path() + "/0000000001.seg", first.path() + "/0000000001.seg",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(Tampered(ledger::VerifyLog(first.path(), with_key), "splice", 5));
}

TEST_F(AttackOnSegments, DropAnEmptyEpoch) {
  ShownBy(Anchor::kNone);
  // An idle epoch says that nothing happened in its ten minutes.
  Forger idle(ledger::kTestOrigin);
  for (int epoch = 0; epoch < 4; ++epoch) {
    idle.Open();
    if (epoch != 1) idle.Add("/busy");
    idle.Seal();
  }
  const ledger::TempDir dir;
  idle.Save(dir.path());
  const auto path = [&](uint64_t epoch) {
    return absl::StrCat(dir.path(), "/", ledger::SegmentName(epoch));
  };
  std::filesystem::remove(path(1));
  EXPECT_TRUE(Tampered(ledger::VerifyLog(dir.path(), options()), "gap", 3));
  std::filesystem::rename(path(2), path(1));
  std::filesystem::rename(path(3), path(2));
  EXPECT_TRUE(Tampered(ledger::VerifyLog(dir.path(), options()), "gap", 3));
}

TEST_F(AttackOnSegments, RollBackDiskAndState) {
  ShownBy(Anchor::kReceipt);
  const ledger::TempDir backup;
  ledger::CopyLog(log_.dir.path(), backup.path());
  const std::string old_note = NewestNote();
  ASSERT_TRUE(log_.Open().ok());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log_.Append("/after/the/backup").ok());
  ASSERT_TRUE(log_.ledger->Close("stop").ok());
  log_.ledger.reset();
  const std::string new_note = NewestNote();
  for (const auto& entry : std::filesystem::directory_iterator(log_.dir.path())) {
    std::filesystem::remove_all(entry.path());
  }
  ledger::CopyLog(backup.path(), log_.dir.path());
  EXPECT_TRUE(Ok(Verify(), kBlocks)) << "nothing on the host can show it";
  EXPECT_TRUE(TheThreatModelSays("a full rollback of disk and state likewise"));
  GiveReceipt(old_note);
  EXPECT_TRUE(Ok(Verify(), kBlocks));
  GiveReceipt(new_note);
  EXPECT_TRUE(Tampered(Verify(), "receipt", kBlocks));
  EXPECT_TRUE(absl::IsDataLoss(log_.Open())) << "and the host never signs this origin again";
}

}  // namespace
}  // namespace cairn::attack
