// What the holder of a recipient key can see that nobody else can.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "ledger/frame.h"
#include "ledger/hpke.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

class Recipient : public testing::Test {
 protected:
  void Write() {
    LedgerOptions options = log_.options();
    options.recipients = {X25519PublicKey(Secret32::Random()), X25519PublicKey(key_)};
    auto ledger = Ledger::Open(options, log_.key());
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    log_.ledger = *std::move(ledger);
    for (int epoch = 0; epoch < 3; ++epoch) {
      for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(log_.Append(absl::StrCat("/e/", epoch, "/", i)).ok());
        log_.ledger->Flush();
      }
      if (epoch == 2) break;
      ASSERT_TRUE(log_.ledger->Rotate("signal").ok());
    }
    ASSERT_TRUE(log_.ledger->Close("stop").ok());
  }
  Report Verify(const Secret32* key) {
    VerifyOptions options;
    options.key = log_.verifier_key();
    options.recipient_key = key;
    return VerifyLog(log_.dir.path(), options);
  }

  TestLog log_;
  const Secret32 key_ = Secret32::Random();
};

TEST_F(Recipient, ChecksEveryTagOfEveryEpoch) {
  Write();
  const Report report = Verify(&key_);
  EXPECT_EQ(report.verdict, Verdict::kOk);
  EXPECT_EQ(report.tags_checked, report.size);
  const Secret32 stranger = Secret32::Random();
  EXPECT_EQ(Verify(&stranger).tags_checked, 0u);
}

// Whoever holds log and epoch keys but not the K of the past cannot make a tag.
TEST_F(Recipient, AWrongTagNamesItsBlock) {
  Write();
  std::string bytes = ReadAll(log_.SegmentPath(1));
  SegmentHeader header;
  size_t at = 0;
  std::string cause;
  ASSERT_EQ(ParseHeader(bytes, &header, &at, &cause), FrameEnd::kFrame);
  uint64_t block = header.first_block();
  while (at < bytes.size()) {
    FrameView frame{};
    ASSERT_EQ(ParseFrame(absl::string_view(bytes).substr(at), &frame, &cause), FrameEnd::kFrame);
    if (frame.type == FrameType::kBlock) {
      std::string forged = bytes.substr(at, frame.size);
      forged[kFramePrefixBytes] = static_cast<char>(forged[kFramePrefixBytes] ^ 1);
      FinishFrame(FrameType::kBlock, forged.data(), forged.size());
      std::string changed = bytes;
      changed.replace(at, frame.size, forged);
      WriteAllTo(log_.SegmentPath(1), changed);
      EXPECT_EQ(Verify(nullptr).verdict, Verdict::kOk) << "nobody else can tell a tag";
      const Report report = Verify(&key_);
      ASSERT_EQ(report.verdict, Verdict::kTampered);
      EXPECT_EQ(report.findings[0].code, "tag");
      EXPECT_EQ(report.findings[0].block, block);
      ++block;
    }
    at += frame.size;
  }
}

}  // namespace
}  // namespace cairn::ledger
