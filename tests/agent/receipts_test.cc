#include "agent/receipts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "tests/ledger/test_log.h"

namespace cairn::agent {
namespace {

using ledger::SigningKey;
using ledger::VerifierKey;

constexpr char kOrigin[] = "test/h/00000000-0000-4000-8000-000000000001/1";

class ReceiptsTest : public testing::Test {
 protected:
  ReceiptsTest()
      : log_key_{kOrigin, ledger::SignatureType::kEd25519, log_.public_key()},
        collector_key_{"c.example/1", ledger::SignatureType::kCosignature,
                       collector_.public_key()} {
    auto receipts = Receipts::Watch(Dir(), log_key_, {collector_key_});
    EXPECT_TRUE(receipts.ok()) << receipts.status();
    receipts_ = *std::move(receipts);
  }

  std::string Dir() const { return dir_.path() + "/receipts"; }

  std::string Note(uint64_t size, const SigningKey& log, const SigningKey& collector,
                   const std::string& origin = kOrigin) {
    ledger::Note note;
    note.text = ledger::Checkpoint{origin, size, std::string(32, 'r')}.ToText();
    note.signatures = {ledger::SignNote(note.text, origin, log),
                       ledger::CosignNote(note.text, "c.example/1", collector, 1790000000)};
    return note.ToString();
  }

  void Write(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(WriteFileDurably(Io::Real(), Dir(), name, bytes, 0644).ok());
  }

  std::vector<ReceiptSeen> Read(uint64_t size = 100) { return receipts_->Read(size, &error_); }

  ledger::TempDir dir_;
  const SigningKey log_ = SigningKey::Generate();
  const SigningKey collector_ = SigningKey::Generate();
  const SigningKey stranger_ = SigningKey::Generate();
  const VerifierKey log_key_;
  const VerifierKey collector_key_;
  std::unique_ptr<Receipts> receipts_;
  std::string error_;
};

TEST_F(ReceiptsTest, AReceiptCountsOnceAndANewerOneAgain) {
  Write("a", Note(7, log_, collector_));
  const auto seen = Read();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].size(), 7u);
  EXPECT_EQ(seen[0].time_s(), 1790000000u);
  EXPECT_EQ(seen[0].collector(), "c.example/1");
  EXPECT_TRUE(Read().empty());
  Write("a", Note(6, log_, collector_));
  EXPECT_TRUE(Read().empty()) << "older than what is known";
  Write("b", Note(9, log_, collector_));
  Write("a", Note(8, log_, collector_));
  ASSERT_EQ(Read().size(), 1u) << "one a collector, its newest";
  EXPECT_EQ(receipts_->covered(), 9u);
  EXPECT_EQ(error_, "");
}

TEST_F(ReceiptsTest, OnlyBothSignaturesMakeOne) {
  Write("a", Note(7, log_, stranger_));
  Write("b", Note(7, stranger_, collector_));
  Write("c", Note(7, log_, collector_, "test/h/00000000-0000-4000-8000-000000000002/1"));
  std::string flipped = Note(7, log_, collector_);
  for (size_t i = 0; i < flipped.size(); ++i) {
    std::string bytes = flipped;
    bytes[i] = static_cast<char>(bytes[i] ^ 1);
    Write("d", bytes);
    EXPECT_TRUE(Read().empty()) << "byte " << i;
  }
}

TEST_F(ReceiptsTest, WhatIsNoReceiptIsPassedOver) {
  Write("target", Note(7, log_, collector_));
  ASSERT_EQ(::rename((Dir() + "/target").c_str(), (dir_.path() + "/outside").c_str()), 0);
  ASSERT_EQ(::symlink((dir_.path() + "/outside").c_str(), (Dir() + "/link").c_str()), 0);
  ASSERT_EQ(::mkfifo((Dir() + "/fifo").c_str(), 0644), 0);
  ASSERT_EQ(::mkdir((Dir() + "/dir").c_str(), 0755), 0);
  Write("huge", Note(7, log_, collector_) + std::string(40 << 10, 'x'));
  Write("empty", "");
  Write("binary", std::string(1000, '\0'));
  EXPECT_TRUE(Read().empty());
}

TEST_F(ReceiptsTest, AReceiptFromTheFutureIsAnAlarmNotAReceipt) {
  Write("a", Note(101, log_, collector_));
  EXPECT_TRUE(Read(100).empty());
  EXPECT_NE(error_.find("101 blocks"), std::string::npos) << error_;
  EXPECT_EQ(receipts_->covered(), 0u);
}

// What may be deleted, by how a receipt came and by what the configuration wants.
TEST_F(ReceiptsTest, OnlyWhatIsArchivedMayGoWhereThatIsWanted) {
  auto strict = Receipts::Watch(Dir(), log_key_, {collector_key_}, /*only_archived=*/true);
  ASSERT_TRUE(strict.ok()) << strict.status();
  const auto read = [&] {
    Read();
    return (*strict)->Read(100, &error_);
  };
  Write("c", Note(9, log_, collector_));
  ASSERT_EQ(read().size(), 1u);
  EXPECT_EQ(receipts_->deletable().size, 9u);
  EXPECT_EQ((*strict)->deletable().size, 0u) << "held, not archived";
  EXPECT_EQ((*strict)->covered(), 9u) << "a receipt all the same";

  Write("x.archived", Note(8, log_, stranger_));
  read();
  EXPECT_EQ((*strict)->deletable().size, 0u) << "of a collector nobody named";

  const std::string archived = Note(5, log_, collector_);
  Write("c.archived", archived);
  EXPECT_TRUE(read().empty()) << "older than what is known: no news of its own";
  EXPECT_EQ((*strict)->deletable().size, 5u);
  EXPECT_EQ((*strict)->deletable().note, archived);
  EXPECT_EQ(receipts_->deletable().size, 9u);

  Write("c.archived", Note(12, log_, collector_));
  const auto seen = read();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_TRUE(seen[0].archived());
  EXPECT_EQ((*strict)->deletable().size, 12u);
  EXPECT_EQ(receipts_->deletable().size, 12u);

  Write("c.archived", Note(101, log_, collector_));
  read();
  EXPECT_EQ((*strict)->deletable().size, 12u) << "beyond this log: an alarm, no leave to delete";
}

}  // namespace
}  // namespace cairn::agent
