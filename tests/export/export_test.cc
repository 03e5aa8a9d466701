// Export to files: verified records only, each at least once, resumed where it stopped.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "collector/export/exporter.h"
#include "tests/ship/site.h"

namespace cairn::collector {
namespace {

using ship::HostWriter;

// Keeps lines; fails at the flush it was told to.
class MemorySink : public Sink {
 public:
  absl::Status Write(absl::string_view id, absl::string_view, absl::string_view,
                     absl::string_view json) override {
    pending_.emplace_back(id);
    lines.emplace_back(json);
    return absl::OkStatus();
  }
  absl::Status Flush() override {
    if (fail_flushes > 0 && fail_flushes-- > 0) {
      pending_.clear();
      return absl::UnavailableError("told to fail");
    }
    for (std::string& id : pending_) ++arrived[std::move(id)];
    pending_.clear();
    return absl::OkStatus();
  }

  std::vector<std::string> lines;
  std::map<std::string, int> arrived;  // how often, by id
  int fail_flushes = 0;

 private:
  std::vector<std::string> pending_;
};

class ExportTest : public ::testing::Test {
 protected:
  ExportTest() : host_(dir_.path() + "/log") { host_.Open(); }

  std::unique_ptr<Exporter> Open(Sink* sink, ExportFormat format = ExportFormat::kOcsf) {
    auto exporter = Exporter::Open(
        {.log_dir = host_.dir(), .state_file = dir_.path() + "/state", .format = format}, sink);
    EXPECT_TRUE(exporter.ok()) << exporter.status();
    return *std::move(exporter);
  }
  std::set<std::string> AllIds() {
    std::set<std::string> ids;
    auto reader = ledger::LogReader::Open(host_.dir());
    ledger::LoggedRecord logged;
    while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
      ids.insert(absl::StrCat(logged.origin, "#", logged.sequence));
    }
    return ids;
  }
  static std::set<std::string> Keys(const std::map<std::string, int>& counts) {
    std::set<std::string> keys;
    for (const auto& [key, count] : counts) keys.insert(key);
    return keys;
  }

  ledger::TempDir dir_;
  HostWriter host_;
};

TEST_F(ExportTest, EveryRecordOnceThroughRotationsAndRestarts) {
  MemorySink sink;
  for (int round = 0; round < 5; ++round) {
    host_.Append(300);
    if (round % 2 == 1) host_.Rotate();
    host_.Sync();
    auto exporter = Open(&sink);  // a new process each time
    ASSERT_TRUE(exporter->Poll().ok());
  }
  host_.Close();
  ASSERT_TRUE(Open(&sink)->Poll().ok());
  EXPECT_EQ(Keys(sink.arrived), AllIds());
  for (const auto& [id, count] : sink.arrived) EXPECT_EQ(count, 1) << id;
}

TEST_F(ExportTest, AfterAFailedFlushNothingIsMissing) {
  MemorySink sink;
  host_.Append(1000);
  host_.Sync();
  auto exporter = Open(&sink);
  sink.fail_flushes = 2;
  EXPECT_TRUE(absl::IsUnavailable(exporter->Poll().status()));
  ASSERT_TRUE(exporter->Restart().ok());
  EXPECT_TRUE(absl::IsUnavailable(exporter->Poll().status()));
  ASSERT_TRUE(exporter->Restart().ok());
  ASSERT_TRUE(exporter->Poll().ok());
  EXPECT_EQ(Keys(sink.arrived), AllIds());
}

TEST_F(ExportTest, WhatNoCheckpointCoversStays) {
  MemorySink sink;
  host_.Append(100);
  host_.Sync();
  auto exporter = Open(&sink);
  ASSERT_TRUE(exporter->Poll().ok());
  const size_t before = sink.arrived.size();
  host_.Append(3);  // flushed to the file at the next tick, no checkpoint yet
  ASSERT_TRUE(exporter->Poll().ok());
  EXPECT_EQ(sink.arrived.size(), before);
  host_.Sync();
  ASSERT_TRUE(exporter->Poll().ok());
  EXPECT_GE(sink.arrived.size(), before + 3);
}

TEST_F(ExportTest, NothingBehindTamperingIsExported) {
  host_.Append(2000);
  host_.Sync();
  host_.Append(2000);
  host_.Close();
  const std::string path = host_.dir() + "/0000000000.seg";
  std::string bytes = ledger::ReadAll(path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  ::chmod(path.c_str(), 0600);
  ledger::WriteAllTo(path, bytes);
  MemorySink sink;
  EXPECT_TRUE(absl::IsDataLoss(Open(&sink)->Poll().status()));
  EXPECT_LT(sink.lines.size(), 4000u);
}

TEST_F(ExportTest, BothFormatsAreOneLineARecord) {
  host_.Append(10);
  host_.Close();
  for (const ExportFormat format : {ExportFormat::kOcsf, ExportFormat::kJson}) {
    MemorySink sink;
    auto exporter = Exporter::Open({.log_dir = host_.dir(), .format = format}, &sink);
    ASSERT_TRUE(exporter.ok());
    ASSERT_TRUE((*exporter)->Poll().ok());
    for (const std::string& line : sink.lines) {
      EXPECT_TRUE(absl::StartsWith(line, "{") && absl::EndsWith(line, "}")) << line;
      EXPECT_FALSE(absl::StrContains(line, "\n"));
    }
  }
}

TEST_F(ExportTest, AFileSinkCutsTheHalfLineThatACrashLeft) {
  const std::string path = dir_.path() + "/out.jsonl";
  ledger::WriteAllTo(path, "{\"whole\":1}\n{\"half");
  auto sink = OpenFileSink(path);
  ASSERT_TRUE(sink.ok());
  ASSERT_TRUE((*sink)->Write("", "", "", "{}").ok());
  ASSERT_TRUE((*sink)->Flush().ok());
  EXPECT_EQ(ledger::ReadAll(path), "{\"whole\":1}\n{}\n");
}

TEST_F(ExportTest, ADamagedStateIsAnErrorThatSaysWhatToDo) {
  ledger::WriteAllTo(dir_.path() + "/state", "epoch x\n");
  MemorySink sink;
  const auto exporter =
      Exporter::Open({.log_dir = host_.dir(), .state_file = dir_.path() + "/state"}, &sink);
  EXPECT_NE(exporter.status().message().find("remove it to export everything again"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace cairn::collector
