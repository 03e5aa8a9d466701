// Attacks on what is derived from a log: it may be wrong, and then nothing is hidden by it.
#include <filesystem>

#include "ledger/search.h"
#include "tests/attack/attack.h"

namespace cairn::attack {
namespace {

class AttackOnTheIndex : public AttackTest {
 protected:
  // How many of epoch 1's records a search finds.
  size_t Search(const Secret32& key) {
    ledger::LogIndex index(log_.dir.path(), state_.path(), &key);
    EXPECT_TRUE(index.Refresh().ok());
    ledger::SearchQuery query;
    query.terms.RequirePrefix(ledger::PathKind::kObject, "/epoch/1/");
    query.wants = [](const ledger::LoggedRecord& logged) {
      return logged.record->file().path().find("/epoch/1/") == 0;
    };
    query.show = [](const ledger::LoggedRecord&) { return ""; };
    query.limit = 1000;
    ledger::LogIndex* const logs[] = {&index};
    const ledger::SearchAnswer answer = ledger::Search(logs, query);
    EXPECT_TRUE(answer.exhausted && answer.problems.empty());
    return answer.records.size();
  }

  const ledger::TempDir state_;
  const Secret32 key_ = Secret32::Random();
};

TEST_F(AttackOnTheIndex, CorruptADerivedIndex) {
  ShownBy(Anchor::kNone);
  ASSERT_EQ(Search(key_), 10u);
  size_t indexes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(state_.path())) {
    const std::string path = entry.path();
    const std::string good = ledger::ReadAll(path);
    ++indexes;
    for (size_t at = 0; at < good.size(); at += 7) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
      ledger::WriteAllTo(path, bad);
      ASSERT_EQ(Search(key_), 10u) << path << " byte " << at;
    }
    ledger::WriteAllTo(path, good.substr(0, good.size() / 2));
    ASSERT_EQ(Search(key_), 10u) << path;
  }
  EXPECT_EQ(indexes, 2u) << "the newest segment's is in memory only";
  EXPECT_EQ(Search(Secret32::Random()), 10u) << "another's index counts for nothing";
  EXPECT_TRUE(Ok(Verify(), kBlocks)) << "no verifier reads it";
}

}  // namespace
}  // namespace cairn::attack
