// Searching by index finds what reading everything finds, whatever became of the index.
#include "ledger/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "ledger/reader.h"
#include "tests/ledger/test_log.h"

namespace cairn::ledger {
namespace {

using Wants = std::function<bool(const LoggedRecord&)>;

class SearchTest : public ::testing::Test {
 protected:
  SearchTest() {
    EXPECT_TRUE(log_.Open().ok());
    for (int epoch = 0; epoch < 3; ++epoch) {
      for (int i = 0; i < 4000; ++i) {
        EXPECT_TRUE(log_.Append(absl::StrCat("/srv/", i % 7 == 0 ? "rare/" : "common/", epoch, "/",
                                             "some-longer-name-so-that-chunks-fill-up-", i),
                                100 + static_cast<uint32_t>(i % 8))
                        .ok());
        if (i % 40 == 0) log_.Advance(absl::Milliseconds(3));
      }
      if (epoch == 2) continue;
      EXPECT_TRUE(log_.ledger->Rotate("size").ok());
    }
    log_.Advance(absl::Seconds(1));
  }

  std::unique_ptr<LogIndex> NewIndex() {
    auto index = std::make_unique<LogIndex>(log_.dir.path(), index_dir(), &key_);
    EXPECT_TRUE(index->Refresh().ok());
    return index;
  }
  std::string index_dir() const { return state_.path() + "/index"; }

  static std::string Show(const LoggedRecord& logged) {
    return absl::StrCat(logged.sequence, " ", logged.block, " ", logged.epoch, " ", logged.time_ns,
                        " ", logged.boot_id, " ", logged.record->file().path(), " ",
                        logged.process != nullptr ? logged.process->ShortDebugString() : "nobody");
  }

  // All that fits, newest first, by reading everything.
  std::vector<std::string> ByReading(const Wants& wants) {
    std::vector<Found> found;
    auto reader = LogReader::Open(log_.dir.path());
    EXPECT_TRUE(reader.ok());
    LoggedRecord logged;
    while (*(*reader)->Next(&logged) == ReadEnd::kRecord) {
      if (!wants(logged)) continue;
      found.push_back(
          {{logged.wall_ns, std::string(logged.origin), logged.sequence}, Show(logged)});
    }
    std::sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.key > b.key; });
    std::vector<std::string> shown;
    for (Found& one : found) shown.push_back(std::move(one.shown));
    return shown;
  }

  std::vector<std::string> BySearching(LogIndex* log, const Terms& terms, const Wants& wants,
                                       size_t limit, bool details = false) {
    std::vector<std::string> shown;
    SearchQuery query{
        .terms = terms, .wants = wants, .wants_details = details, .show = Show, .limit = limit};
    LogIndex* const logs[] = {log};
    for (;;) {
      const SearchAnswer answer = Search(logs, query);
      EXPECT_TRUE(answer.problems.empty()) << answer.problems.front();
      for (const Found& found : answer.records) shown.push_back(found.shown);
      ruled_out_ += answer.chunks_ruled_out;
      if (answer.exhausted) return shown;
      query.before = answer.reached;
    }
  }

  static Wants Rare() {
    return [](const LoggedRecord& logged) {
      return absl::StartsWith(logged.record->file().path(), "/srv/rare/1/");
    };
  }
  static Terms RareTerms() {
    Terms terms;
    terms.RequirePrefix(PathKind::kObject, "/srv/rare/1/some");
    return terms;
  }

  TestLog log_;
  TempDir state_;
  Secret32 key_ = Secret32::Random();
  uint64_t ruled_out_ = 0;
};

TEST_F(SearchTest, EveryPageSizeGivesTheWholeTimelineInOrder) {
  const auto index = NewIndex();
  const Wants all = [](const LoggedRecord&) { return true; };
  const std::vector<std::string> whole = ByReading(all);
  for (const size_t limit : {97u, 1000u, 100000u}) {
    EXPECT_EQ(BySearching(index.get(), {}, all, limit), whole) << limit;
  }
  EXPECT_EQ(BySearching(index.get(), {}, all, 1000, /*details=*/true), whole);
}

TEST_F(SearchTest, TermsRuleOutWithoutLosingAnything) {
  const auto index = NewIndex();
  const std::vector<std::string> rare = ByReading(Rare());
  ASSERT_FALSE(rare.empty());
  EXPECT_EQ(BySearching(index.get(), RareTerms(), Rare(), 50), rare);
  EXPECT_GT(ruled_out_, 0u);
  Terms nothing;
  nothing.RequirePrefix(PathKind::kObject, "/no/such/");
  EXPECT_TRUE(BySearching(index.get(), nothing, Rare(), 50).empty());
}

TEST_F(SearchTest, WhatIsAppendedIsFoundAfterRefresh) {
  const auto index = NewIndex();
  ASSERT_TRUE(log_.Append("/srv/rare/1/late").ok());
  log_.Advance(absl::Seconds(1));
  const auto grew = index->Refresh();
  ASSERT_TRUE(grew.ok());
  EXPECT_TRUE(*grew);
  EXPECT_EQ(BySearching(index.get(), RareTerms(), Rare(), 50), ByReading(Rare()));
  ASSERT_TRUE(log_.ledger->Rotate("size").ok());
  ASSERT_TRUE(log_.Append("/srv/rare/1/later").ok());
  log_.Advance(absl::Seconds(1));
  ASSERT_TRUE(index->Refresh().ok());
  EXPECT_EQ(BySearching(index.get(), RareTerms(), Rare(), 50), ByReading(Rare()));
}

TEST_F(SearchTest, ADamagedForeignOrMissingIndexHidesNothing) {
  const std::vector<std::string> rare = ByReading(Rare());
  BySearching(NewIndex().get(), RareTerms(), Rare(), 50);  // writes the index
  const std::string path = index_dir() + "/0000000001.seg.idx";
  const std::string good = ReadAll(path);
  ASSERT_FALSE(good.empty());
  for (size_t at = 0; at < good.size(); at += 1 + good.size() / 13) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    WriteAllTo(path, bad);
    const auto index = NewIndex();
    EXPECT_EQ(BySearching(index.get(), RareTerms(), Rare(), 50), rare) << at;
    EXPECT_EQ(index->counts().rebuilt, 1u) << at;
  }
  for (const size_t cut : {size_t{0}, size_t{31}, good.size() / 2, good.size() - 1}) {
    WriteAllTo(path, good.substr(0, cut));
    EXPECT_EQ(BySearching(NewIndex().get(), RareTerms(), Rare(), 50), rare) << cut;
  }
  std::filesystem::remove(path);
  EXPECT_EQ(BySearching(NewIndex().get(), RareTerms(), Rare(), 50), rare);
  key_ = Secret32::Random();  // all of them are another's now
  EXPECT_EQ(BySearching(NewIndex().get(), RareTerms(), Rare(), 50), rare);
}

TEST_F(SearchTest, AnIndexThatLiesWithTheRightKeyIsFoundOut) {
  const std::vector<std::string> rare = ByReading(Rare());
  BySearching(NewIndex().get(), RareTerms(), Rare(), 50);
  const std::string path = index_dir() + "/0000000001.seg.idx";
  auto lie = ParseIndex(ReadAll(path), key_);
  ASSERT_TRUE(lie.ok());
  for (IndexChunk& chunk : *lie->mutable_chunks()) chunk.set_bloom(std::string(64, '\0'));
  WriteAllTo(path, FormatIndex(*lie, key_));
  const auto index = NewIndex();
  EXPECT_LT(BySearching(index.get(), RareTerms(), Rare(), 50).size(), rare.size());
  EXPECT_LT(index->counts().confirmed, index->counts().segments);
  std::string wrong;
  for (;;) {
    const auto more = index->ConfirmOne(&wrong);
    ASSERT_TRUE(more.ok()) << more.status();
    if (!*more) break;
  }
  EXPECT_NE(wrong.find("0000000001.seg: its index said something else"), std::string::npos)
      << wrong;
  EXPECT_EQ(index->counts().confirmed, index->counts().segments);
  EXPECT_EQ(BySearching(index.get(), RareTerms(), Rare(), 50), rare);
}

TEST_F(SearchTest, ASegmentThatChangedIsAProblemNotAnAnswer) {
  const auto index = NewIndex();
  BySearching(index.get(), RareTerms(), Rare(), 50);
  const std::string path = log_.SegmentPath(1);
  std::string bytes = ReadAll(path);
  bytes[bytes.size() / 2] ^= 1;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  WriteAllTo(path, bytes);
  LogIndex* const logs[] = {index.get()};
  const SearchAnswer answer =
      Search(logs, {.terms = RareTerms(), .wants = Rare(), .show = Show, .limit = 10000});
  ASSERT_FALSE(answer.problems.empty());
  EXPECT_NE(answer.problems.front().find("are not those that were indexed"), std::string::npos);
}

TEST_F(SearchTest, AScanGivesWhatReadingGivesInOrderAndReadsLess) {
  const auto index = NewIndex();
  std::vector<std::string> rare;
  uint64_t read = 0;
  ASSERT_TRUE(Scan(index.get(), RareTerms(), {}, [&](const LoggedRecord& logged) {
                ++read;
                if (Rare()(logged)) rare.push_back(Show(logged));
                return true;
              }).ok());
  std::vector<std::string> expected = ByReading(Rare());
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(rare, expected);
  EXPECT_LT(read, ByReading([](const LoggedRecord&) { return true; }).size());
}

TEST_F(SearchTest, AScanEndsWhenToldAndTakesTheNeighboursItIsAskedFor) {
  const auto index = NewIndex();
  int taken = 0;
  ASSERT_TRUE(Scan(index.get(), {}, {}, [&](const LoggedRecord&) { return ++taken < 10; }).ok());
  EXPECT_EQ(taken, 10);
  Terms first;  // only the first segment can have it
  first.RequirePrefix(PathKind::kObject, "/srv/rare/0/some");
  const auto count = [&](const std::bitset<256>& beside) {
    int records = 0;
    EXPECT_TRUE(
        Scan(index.get(), first, beside, [&](const LoggedRecord&) { return ++records > 0; }).ok());
    return records;
  };
  std::bitset<256> beside;
  beside.set(FILE_OPEN);
  EXPECT_GT(count(beside), count({}));
}

TEST_F(SearchTest, AScanOfASegmentThatChangedNamesFileAndByte) {
  const auto index = NewIndex();
  BySearching(index.get(), RareTerms(), Rare(), 50);
  const std::string path = log_.SegmentPath(1);
  std::string bytes = ReadAll(path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  WriteAllTo(path, bytes);
  const absl::Status scanned = Scan(index.get(), {}, {}, [](const LoggedRecord&) { return true; });
  EXPECT_TRUE(absl::IsDataLoss(scanned)) << scanned;
  EXPECT_NE(scanned.message().find(path), std::string::npos) << scanned;
}

TEST_F(SearchTest, TheSameBytesMakeTheSameIndexHoweverTheyAreCut) {
  const std::string bytes = ReadAll(log_.SegmentPath(1));
  const auto whole = BuildIndex(log_.SegmentPath(1), bytes.size());
  ASSERT_TRUE(whole.ok());
  EXPECT_TRUE(IsWellFormed(*whole));
  IndexBuilder builder;
  for (size_t at = 0; at < bytes.size(); at += 777) {
    ASSERT_TRUE(builder.Add(absl::string_view(bytes).substr(at, 777)).ok());
  }
  EXPECT_EQ(std::move(builder).Finish().SerializeAsString(), whole->SerializeAsString());
}

}  // namespace
}  // namespace cairn::ledger
