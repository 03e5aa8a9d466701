#include "ledger/export.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ledger/hpke.h"
#include "ledger/segments.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

class Export : public testing::Test {
 protected:
  void SetUp() override {
    LedgerOptions options = log_.options();
    options.recipients = {X25519PublicKey(auditor_)};
    auto ledger = Ledger::Open(options, log_.key());
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    log_.ledger = *std::move(ledger);
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(
          log_.Append(absl::StrCat(i % 3 == 0 ? "/secret/" : "/public/", std::string(i, 'x')))
              .ok());
      log_.ledger->Flush();
      if (i % 7 == 0) log_.Advance(absl::Seconds(1));
      if (i % 20 == 19) {
        ASSERT_TRUE(log_.ledger->Rotate("signal").ok());
      }
    }
    ASSERT_TRUE(log_.ledger->Close("stop").ok());
    log_.ledger.reset();
  }
  std::string Copy() const { return to_.path() + "/copy"; }
  absl::StatusOr<ExportSummary> Run(std::function<bool(const LoggedRecord&)> hide) const {
    return ExportLog(log_.dir.path(), Copy(), {.hide = std::move(hide)});
  }
  Report Verify(bool allow_redacted) const {
    VerifyOptions options;
    options.key = log_.verifier_key();
    options.allow_redacted = allow_redacted;
    options.recipient_key = &auditor_;
    return VerifyLog(Copy(), options);
  }
  static bool Secret(const LoggedRecord& logged) {
    return absl::StartsWith(logged.record->file().path(), "/secret/");
  }

  const Secret32 auditor_ = Secret32::Random();
  TestLog log_;
  const TempDir to_;
};

TEST_F(Export, ARedactedCopyVerifiesTagsAndAllAndListsWhatItHides) {
  const auto summary = Run(Secret);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->redacted, 20u);
  const Report report = Verify(true);
  EXPECT_EQ(report.verdict, Verdict::kOk)
      << (report.findings.empty() ? "" : report.findings[0].ToString());
  EXPECT_EQ(report.size, summary->blocks);
  EXPECT_EQ(report.through, summary->blocks);
  EXPECT_EQ(report.tags_checked, report.size) << "an auditor checks hidden blocks' tags, too";
  EXPECT_EQ(report.redacted, 20u);
  ASSERT_EQ(report.redacted_ranges.size(), 20u);
  const BlockRange& first = report.redacted_ranges[0];
  EXPECT_EQ(first.block, 1u);
  EXPECT_EQ(first.end_block, 2u);
  EXPECT_EQ(first.first_sequence, 1u);
  EXPECT_EQ(first.end_sequence, 2u);
  const Report strict = Verify(false);
  ASSERT_EQ(strict.verdict, Verdict::kTampered);
  EXPECT_EQ(strict.findings[0].code, "redacted");
  EXPECT_EQ(strict.findings[0].block, 1u);
}

TEST_F(Export, NothingOfWhatIsHiddenIsInTheCopy) {
  ASSERT_TRUE(Run(Secret).ok());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Copy())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_FALSE(absl::StrContains(ReadAll(entry.path()), "/secret/")) << entry.path();
  }
  auto reader = LogReader::Open(Copy());
  ASSERT_TRUE(reader.ok());
  LoggedRecord logged;
  size_t shown = 0;
  for (; *(*reader)->Next(&logged) == ReadEnd::kRecord; ++shown) {
    EXPECT_FALSE(Secret(logged));
  }
  EXPECT_EQ(shown, 40u + 8);
}

TEST_F(Export, WithEverythingHiddenTheEpochsAreStillBegunAndClosed) {
  const auto summary = Run([](const LoggedRecord&) { return true; });
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->redacted, 60u);
  const Report report = Verify(true);
  EXPECT_EQ(report.verdict, Verdict::kOk);
  EXPECT_EQ(report.redacted_ranges.size(), 3u) << "neighbours are one range";
}

TEST_F(Export, WithNothingHiddenTheCopyIsTheLog) {
  ASSERT_TRUE(Run([](const LoggedRecord&) { return false; }).ok());
  for (uint64_t epoch = 0; epoch < 4; ++epoch) {
    EXPECT_EQ(ReadAll(absl::StrCat(Copy(), "/", SegmentName(epoch))),
              ReadAll(log_.SegmentPath(epoch)));
  }
  EXPECT_EQ(Verify(false).verdict, Verdict::kOk);
}

// A copy may be cut further, never changed.
TEST_F(Export, ACopyIsNoWayAroundTheHashes) {
  ASSERT_TRUE(Run(Secret).ok());
  const std::string path = absl::StrCat(Copy(), "/", SegmentName(1));
  const std::string good = ReadAll(path);
  for (size_t i = 0; i < good.size(); i += 3) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    WriteAllTo(path, bad);
    EXPECT_EQ(Verify(true).verdict, Verdict::kTampered) << i;
  }
  WriteAllTo(path, good);
  EXPECT_EQ(Verify(true).verdict, Verdict::kOk);
}

TEST_F(Export, AnotherDirectorysFilesAreNeverTouched) {
  std::filesystem::create_directory(Copy());
  WriteAllTo(Copy() + "/mine", "x");
  EXPECT_TRUE(absl::IsAlreadyExists(Run(Secret).status()));
  EXPECT_EQ(ReadAll(Copy() + "/mine"), "x");
}

}  // namespace
}  // namespace cairn::ledger
