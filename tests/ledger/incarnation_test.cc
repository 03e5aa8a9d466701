#include "ledger/incarnation.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "ledger/reader.h"
#include "ledger/segments.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

constexpr char kHost[] = "test.example/h/00000000-0000-4000-8000-000000000001";

class Incarnations : public testing::Test {
 protected:
  OpenedLog Open() {
    LedgerOptions options;
    options.dir = dir_.path();
    options.origin = kHost;
    const uint8_t seed[32] = {9};
    auto opened = OpenNewestIncarnation(options, SigningKey::FromSeed(Secret32(seed)));
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  std::string Path(int incarnation, const std::string& name) const {
    return absl::StrCat(dir_.path(), "/", incarnation, "/", name);
  }
  Report Verify(int incarnation) const {
    VerifyOptions options;
    options.self_key = true;
    return VerifyLog(absl::StrCat(dir_.path(), "/", incarnation), options);
  }

  TempDir dir_;
};

TEST_F(Incarnations, ASoundLogIsContinued) {
  ASSERT_TRUE(Open().ledger->Close("stop").ok());
  OpenedLog opened = Open();
  EXPECT_EQ(opened.origin, absl::StrCat(kHost, "/1"));
  EXPECT_EQ(opened.forked, "");
  ASSERT_TRUE(opened.ledger->Close("stop").ok());
  EXPECT_EQ(Verify(1).verdict, Verdict::kOk);
  EXPECT_EQ(Verify(1).segments, 2u);
}

TEST_F(Incarnations, ADamagedLogIsKeptAndFollowed) {
  ASSERT_TRUE(Open().ledger->Close("stop").ok());
  std::string bytes = ReadAll(Path(1, "0000000000.seg"));
  bytes[bytes.size() / 2] ^= 1;
  WriteAllTo(Path(1, "0000000000.seg"), bytes);
  OpenedLog opened = Open();
  EXPECT_EQ(opened.origin, absl::StrCat(kHost, "/2"));
  ASSERT_TRUE(opened.ledger->Close("stop").ok());
  EXPECT_EQ(ReadAll(Path(1, "0000000000.seg")), bytes) << "evidence is never touched";
  EXPECT_EQ(Verify(2).verdict, Verdict::kOk);
  auto reader = LogReader::Open(absl::StrCat(dir_.path(), "/2"));
  LoggedRecord record;
  ASSERT_EQ(*(*reader)->Next(&record), ReadEnd::kRecord);
  EXPECT_EQ(record.record->epoch_open().from_origin(), absl::StrCat(kHost, "/1"));
  EXPECT_GT(record.record->epoch_open().from_size(), 0u);
  EXPECT_NE(record.record->epoch_open().from_reason(), "");
}

// A disk restored from a backup: everything on it is consistent, but a receipt knows more.
TEST_F(Incarnations, ADiskOlderThanAReceiptIsFollowedByANewIncarnation) {
  ASSERT_TRUE(Open().ledger->Close("stop").ok());
  TempDir backup;
  CopyLog(dir_.path(), backup.path());
  ASSERT_TRUE(Open().ledger->Close("stop").ok());
  const std::string newer = ReadCheckpointFile(absl::StrCat(dir_.path(), "/1"))->note;
  std::filesystem::remove_all(absl::StrCat(dir_.path(), "/1"));
  CopyLog(backup.path(), dir_.path());
  EXPECT_EQ(Verify(1).verdict, Verdict::kOk) << "a full rollback shows nowhere on the host";
  WriteAllTo(Path(1, "receipts/collector.receipt"), newer);
  EXPECT_EQ(Verify(1).verdict, Verdict::kTampered) << "but a receipt shows it";
  OpenedLog opened = Open();
  EXPECT_EQ(opened.origin, absl::StrCat(kHost, "/2"));
  ASSERT_TRUE(opened.ledger->Close("stop").ok());
}

}  // namespace
}  // namespace cairn::ledger
