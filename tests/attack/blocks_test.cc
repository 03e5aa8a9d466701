// Attacks on blocks by whoever can write the files but has no key: lengths and checksums are
// repaired wherever that helps.
#include "absl/strings/str_cat.h"
#include "ledger/format.h"
#include "ledger/hpke.h"
#include "tests/attack/attack.h"
#include "tests/attack/forge.h"

namespace cairn::attack {
namespace {

using ledger::FrameType;

class AttackOnBlocks : public AttackTest {
 protected:
  void SetUp() override {
    AttackTest::SetUp();
    segment_ = Segment::Take(Bytes(1));
    blocks_ = segment_.Blocks();
    ASSERT_EQ(blocks_.size(), kEpochBlocks);
    ASSERT_EQ(segment_.Bytes(), Bytes(1)) << "taking apart and putting together changes nothing";
  }
  // Index in the log of the segment's i-th block.
  static uint64_t Index(size_t i) { return kEpochBlocks + i; }
  // The block's records count on from another number; its bytes else unchanged.
  static std::string Renumbered(const std::string& body, int64_t by) {
    Block block;
    const std::string stored = body.substr(ledger::kTagBytes);
    EXPECT_TRUE(block.ParseFromString(stored));
    block.set_first_sequence(block.first_sequence() + static_cast<uint64_t>(by));
    return body.substr(0, ledger::kTagBytes) + block.SerializeAsString();
  }

  Segment segment_;
  std::vector<size_t> blocks_;
};

TEST_F(AttackOnBlocks, FlipEveryBitOfABlock) {
  ShownBy(Anchor::kNone);
  const std::string good = Bytes(1);
  size_t offset = segment_.header.size();
  for (size_t i = 0; i < blocks_[5]; ++i) {
    offset += ledger::kFramePrefixBytes + segment_.pieces[i].body.size();
  }
  const size_t size = ledger::kFramePrefixBytes + segment_.pieces[blocks_[5]].body.size();
  for (size_t bit = 0; bit < size * 8; ++bit) {
    std::string bytes = good;
    bytes[offset + bit / 8] = static_cast<char>(bytes[offset + bit / 8] ^ (1 << (bit % 8)));
    const ledger::Report report = VerifyWith(1, bytes);
    ASSERT_TRUE(Tampered(report, report.findings.empty() ? "" : report.findings[0].code, Index(5)))
        << "bit " << bit;
    // A flipped length may make the frame end elsewhere, even behind the file.
    const std::string& code = report.findings[0].code;
    ASSERT_TRUE(code == "frame" || (bit < 32 && code == "torn")) << code << " bit " << bit;
  }
}

TEST_F(AttackOnBlocks, FlipEveryBitWithARepairedChecksum) {
  ShownBy(Anchor::kNone);
  const std::string good = segment_.pieces[blocks_[5]].body;
  for (size_t bit = ledger::kTagBytes * 8; bit < good.size() * 8; ++bit) {
    std::string& body = segment_.pieces[blocks_[5]].body;
    body = good;
    body[bit / 8] = static_cast<char>(body[bit / 8] ^ (1 << (bit % 8)));
    const ledger::Report report = VerifyWith(1, segment_.Bytes());
    ASSERT_EQ(report.verdict, ledger::Verdict::kTampered) << bit;
    const std::string& code = report.findings.front().code;
    ASSERT_TRUE(code == "chain" || code == "block" || code == "sequence" || code == "open" ||
                code == "close" || code == "closed")
        << code << " bit " << bit;
    if (code == "sequence") {
      // A changed count shows at the block behind.
      ASSERT_LE(report.findings.front().block, Index(6));
    } else {
      ASSERT_TRUE(TamperedAround(report, code, Index(5))) << "bit " << bit;
    }
  }
}

// The tag is no part of what is hashed: only the key of its time can tell.
TEST_F(AttackOnBlocks, FlipEveryBitOfATagWithARepairedChecksum) {
  ShownBy(Anchor::kAuditor);
  const Secret32 auditor = Secret32::Random();
  Forger forger(ledger::kTestOrigin);
  forger.Open(ledger::X25519PublicKey(auditor));
  for (int i = 0; i < 4; ++i) forger.Add(absl::StrCat("/", i));
  forger.Seal();
  const ledger::TempDir dir;
  forger.Save(dir.path());
  const std::string path = dir.path() + "/0000000000.seg";
  Segment segment = Segment::Take(ledger::ReadAll(path));
  const size_t third = segment.Blocks()[2];
  ledger::VerifyOptions with_key;
  with_key.key = forger.verifier_key();
  ledger::VerifyOptions with_both = with_key;
  with_both.recipient_key = &auditor;
  const std::string good = segment.pieces[third].body;
  for (size_t bit = 0; bit < ledger::kTagBytes * 8; ++bit) {
    segment.pieces[third].body = good;
    char& byte = segment.pieces[third].body[bit / 8];
    byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    ledger::WriteAllTo(path, segment.Bytes());
    ASSERT_TRUE(Ok(ledger::VerifyLog(dir.path(), with_key), forger.size()));
    ASSERT_TRUE(Tampered(ledger::VerifyLog(dir.path(), with_both), "tag", 2));
  }
  EXPECT_TRUE(TheThreatModelSays("Without a recipient key nobody checks tags"));
}

TEST_F(AttackOnBlocks, DeleteABlock) {
  ShownBy(Anchor::kNone);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    Segment attacked = segment_;
    attacked.pieces.erase(attacked.pieces.begin() + static_cast<ptrdiff_t>(blocks_[i]));
    const ledger::Report report = VerifyWith(1, attacked.Bytes());
    // What stands behind it tells: a block, or a COMMIT.
    const bool commit = segment_.pieces[blocks_[i] + 1].type == FrameType::kCommit;
    ASSERT_TRUE(TamperedAround(report, commit ? "commit" : "sequence", Index(i))) << i;
  }
}

TEST_F(AttackOnBlocks, DeleteABlockAndRenumberTheRest) {
  ShownBy(Anchor::kNone);
  for (size_t i = 1; i + 1 < blocks_.size(); ++i) {
    Segment attacked = segment_;
    for (size_t j = i + 1; j < blocks_.size(); ++j) {
      attacked.pieces[blocks_[j]].body = Renumbered(attacked.pieces[blocks_[j]].body, -1);
    }
    attacked.pieces.erase(attacked.pieces.begin() + static_cast<ptrdiff_t>(blocks_[i]));
    ASSERT_TRUE(TamperedAround(VerifyWith(1, attacked.Bytes()), "commit", Index(i))) << i;
  }
}

TEST_F(AttackOnBlocks, SwapTwoBlocks) {
  ShownBy(Anchor::kNone);
  for (size_t i = 1; i + 2 < blocks_.size(); ++i) {
    Segment attacked = segment_;
    std::swap(attacked.pieces[blocks_[i]], attacked.pieces[blocks_[i + 1]]);
    ASSERT_TRUE(Tampered(VerifyWith(1, attacked.Bytes()), "sequence", Index(i))) << i;
    // And each with the other's number.
    attacked.pieces[blocks_[i]].body = Renumbered(attacked.pieces[blocks_[i]].body, -1);
    attacked.pieces[blocks_[i + 1]].body = Renumbered(attacked.pieces[blocks_[i + 1]].body, 1);
    ASSERT_TRUE(TamperedAround(VerifyWith(1, attacked.Bytes()), "chain", Index(i))) << i;
  }
}

TEST_F(AttackOnBlocks, DuplicateABlock) {
  ShownBy(Anchor::kNone);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    Segment attacked = segment_;
    const Piece twin = attacked.pieces[blocks_[i]];
    attacked.pieces.insert(attacked.pieces.begin() + static_cast<ptrdiff_t>(blocks_[i]), twin);
    const ledger::Report report = VerifyWith(1, attacked.Bytes());
    ASSERT_TRUE(Tampered(report, "sequence", Index(i) + 1)) << i;
  }
}

TEST_F(AttackOnBlocks, InsertABlock) {
  ShownBy(Anchor::kNone);
  for (size_t i = 1; i < blocks_.size(); ++i) {
    Segment attacked = segment_;
    Piece forged = attacked.pieces[blocks_[2]];
    forged.body = Renumbered(forged.body, static_cast<int64_t>(i) - 2);
    for (size_t j = i; j < blocks_.size(); ++j) {
      attacked.pieces[blocks_[j]].body = Renumbered(attacked.pieces[blocks_[j]].body, 1);
    }
    attacked.pieces.insert(attacked.pieces.begin() + static_cast<ptrdiff_t>(blocks_[i]), forged);
    ASSERT_TRUE(TamperedAround(VerifyWith(1, attacked.Bytes()), "commit", Index(i))) << i;
  }
}

// An exported copy may have it; the log itself may not.
TEST_F(AttackOnBlocks, PutARedactedBlockInABlocksPlace) {
  ShownBy(Anchor::kNone);
  Segment attacked = segment_;
  Piece& piece = attacked.pieces[blocks_[4]];
  const std::string stored = piece.body.substr(ledger::kTagBytes);
  ledger::BlockHead head;
  ASSERT_TRUE(ledger::ParseBlockHead(stored, &head).ok());
  ledger::RedactedBlock redacted;
  redacted.leaf = ledger::LeafHash(stored);
  redacted.first_sequence = head.first_sequence;
  redacted.count = static_cast<uint32_t>(head.record_count);
  std::copy_n(piece.body.begin(), ledger::kTagBytes, redacted.tag.begin());
  const std::string frame = ledger::MakeRedacted(redacted);
  piece = {FrameType::kRedacted, frame.substr(ledger::kFramePrefixBytes)};
  EXPECT_TRUE(Tampered(VerifyWith(1, attacked.Bytes()), "redacted", Index(4)));
}

}  // namespace
}  // namespace cairn::attack
