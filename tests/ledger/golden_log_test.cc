// Logs that earlier versions wrote, kept in tests/golden/logs/VERSION: every later one reads them.
// 0.1.0-dictionary: since small blocks are compressed by proto/block.zdict.
// WRITE_GOLDEN=1 adds this version's; what is there is never written again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/version.h"
#include "ledger/reader.h"
#include "tests/ledger/test_log.h"
#include "tests/paths.h"

namespace cairn::ledger {
namespace {

namespace fs = std::filesystem;

constexpr char kGolden[] = "tests/golden/logs";

// Three epochs: one sealed by its age, one cut by a crash, one closed at the end; an urgent record,
// one process and several, compressed blocks.
void WriteLog(const std::string& to) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  for (uint32_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(log.Append(absl::StrCat("/srv/golden/", i), 100 + i % 4, i == 7).ok());
  }
  log.Advance(absl::Seconds(1));
  ASSERT_TRUE(log.ledger->Rotate("size").ok());
  ASSERT_TRUE(log.Append("/srv/golden/before the crash", 101).ok());
  log.Advance(absl::Seconds(1));
  log.Crash();
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Append("/srv/golden/after the crash", 102).ok());
  log.Advance(absl::Seconds(1));
  ASSERT_TRUE(log.ledger->Close("stop").ok());
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(log.options().dir)) {
    if (entry.is_regular_file())
      WriteAllTo(to + "/" + entry.path().filename().string(), ReadAll(entry.path()));
  }
  WriteAllTo(to + "/log.vkey", log.verifier_key().ToString() + "\n");
}

std::vector<std::string> Versions() {
  std::vector<std::string> versions;
  for (const auto& entry : fs::directory_iterator(SourcePath(kGolden))) {
    versions.push_back(entry.path().string());
  }
  return versions;
}

size_t CountRecords(const std::string& dir) {
  const auto reader = LogReader::Open(dir);
  EXPECT_TRUE(reader.ok()) << reader.status();
  LoggedRecord logged;
  size_t count = 0;
  for (;;) {
    const auto end = (*reader)->Next(&logged);
    EXPECT_TRUE(end.ok()) << end.status();
    if (!end.ok() || *end != ReadEnd::kRecord) return count;
    count += logged.record->type() == FILE_OPEN ? 1 : 0;
  }
}

TEST(GoldenLogTest, EveryVersionsLogIsReadAndVerifies) {
  const std::string own = absl::StrCat(SourcePath(kGolden), "/", kVersion);
  if (std::getenv("WRITE_GOLDEN") != nullptr && !fs::exists(own)) WriteLog(own);
  const std::vector<std::string> versions = Versions();
  ASSERT_FALSE(versions.empty());
  for (const std::string& dir : versions) {
    const auto key = VerifierKey::Parse(absl::StripAsciiWhitespace(ReadAll(dir + "/log.vkey")));
    ASSERT_TRUE(key.ok()) << dir;
    VerifyOptions options;
    options.key = *key;
    const Report report = VerifyLog(dir, options);
    EXPECT_EQ(report.verdict, Verdict::kOk) << dir;
    EXPECT_EQ(CountRecords(dir), 42u) << dir;
  }
}

TEST(GoldenLogTest, ASegmentOfANewerFormatIsRefusedByName) {
  const TempDir copy;
  for (const std::string& dir : Versions()) {
    const std::string to = copy.path() + "/" + fs::path(dir).filename().string();
    CopyLog(dir, to);
    const std::string segment = to + "/0000000000.seg";
    fs::permissions(segment, fs::perms::owner_write, fs::perm_options::add);
    std::string bytes = ReadAll(segment);
    bytes[7] = '9';  // the magic's last byte is the version
    WriteAllTo(segment, bytes);
    const Report report = VerifyLog(to, {});
    EXPECT_NE(report.verdict, Verdict::kOk) << dir;
    const auto reader = LogReader::Open(to);
    LoggedRecord logged;
    const auto end =
        reader.ok() ? (*reader)->Next(&logged) : absl::StatusOr<ReadEnd>(reader.status());
    EXPECT_FALSE(end.ok()) << dir;
    EXPECT_NE(std::string(end.status().message()).find("newer format"), std::string::npos)
        << end.status();
  }
}

}  // namespace
}  // namespace cairn::ledger
