// A storm of policy changes under numbered kernel events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ledger/block.h"
#include "ledger/frame.h"
#include "tests/e2e/host.h"
#include "tests/e2e/numbered_load.h"
#include "tests/ledger/each_record.h"

namespace cairn {
namespace {

std::string PolicyOf(const std::string& rule) {
  return absl::StrCat(
      "schema: cairn.policy/v1\nmetadata: {name: e2e, serial: 1}\nrules:\n  - {id: ", rule,
      ", on: [file.open], when: 'file.path.startsWith(\"", NumberedLoad::Prefix(), "\")'}\n");
}

struct Storm {
  std::vector<int> times;  // by number: how often it is recorded
  uint64_t lost = 0;
  std::map<uint64_t, std::string> digest_of;           // of a generation
  std::map<std::string, std::set<std::string>> rules;  // by digest: what recorded under it
  std::map<std::string, int> triggers;
};

// Each number, each change, and for each generation the rules that recorded under it.
Storm Read(const std::string& log, uint64_t made) {
  Storm storm;
  storm.times.resize(made);
  ledger::ForEachRecord(log, [&](const ledger::LoggedRecord& logged) {
    const Record& record = *logged.record;
    if (record.has_policy()) {
      const PolicyChange& change = record.policy();
      ++storm.triggers[change.trigger()];
      storm.digest_of[change.new_generation()] = change.new_digest();
      if (change.trigger() != "start") {
        EXPECT_EQ(logged.policy_generation, change.old_generation()) << "told by the old policy";
      }
    }
    if (record.loss().type() == FILE_OPEN) storm.lost += record.loss().count();
    const auto number = NumberedLoad::NumberOf(record.file().path());
    if (!number.has_value() || *number >= made) return;
    ++storm.times[*number];
    const auto digest = storm.digest_of.find(logged.policy_generation);
    EXPECT_NE(digest, storm.digest_of.end()) << "judged by a policy that was not told yet";
    for (const absl::string_view rule : logged.rules) {
      storm.rules[digest->second].insert(std::string(rule));
    }
  });
  return storm;
}

// How many generations took effect; each after the record of its change was committed.
uint64_t CommittedFirst(const std::string& segment) {
  const std::string bytes = ledger::ReadAll(segment);
  SegmentHeader header;
  size_t at = 0;
  std::string cause;
  EXPECT_EQ(ledger::ParseHeader(bytes, &header, &at, &cause), ledger::FrameEnd::kFrame) << cause;
  std::map<uint64_t, uint64_t> told;  // generation: blocks a commit must cover
  uint64_t blocks = 0, committed = 0, generation = 1;
  for (ledger::FrameView frame;; at += frame.size) {
    const auto end = ledger::ParseFrame(absl::string_view(bytes).substr(at), &frame, &cause);
    if (end != ledger::FrameEnd::kFrame) return generation;
    if (frame.type == ledger::FrameType::kCommit) committed = ledger::ParseCommit(frame.body)->size;
    if (frame.type != ledger::FrameType::kBlock) continue;
    Block block;
    EXPECT_TRUE(ledger::ParseBlock(frame.body.substr(ledger::kTagBytes), &block).ok());
    if (block.policy_generation() > generation) {
      generation = block.policy_generation();
      EXPECT_TRUE(told.contains(generation)) << "generation " << generation << " was never told";
      EXPECT_GE(committed, told[generation]) << "generation " << generation;
    }
    ++blocks;
    for (const Record& record : block.records()) {
      if (record.has_policy()) told[record.policy().new_generation()] = blocks;
    }
  }
}

TEST(PolicyStorm, NumberedEventsAreEachJudgedOnceByOnePolicy) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cairnd cannot load BPF programs";
  Host host;
  ASSERT_TRUE(host.Prepare());
  host.Write("policy.d/10.yaml", PolicyOf("a"));
  ASSERT_TRUE(host.Start());
  const NumberedLoad load;
  const auto swap = [&](int number) {  // by rename, as an editor does
    host.Write("next", PolicyOf(number % 2 == 0 ? "b" : "a"));
    ASSERT_EQ(::rename(host.Path("next").c_str(), host.Path("policy.d/10.yaml").c_str()), 0);
  };
  for (int i = 0; i < 300; ++i) {
    swap(i);
    if (i % 3 == 0) {
      EXPECT_EQ(host.Cairn("policy load >/dev/null"), 0);
    } else {
      host.cairnd().Signal(SIGHUP);
      ::usleep(20'000);
    }
  }
  for (int i = 0; i < 3; ++i) {  // found by inotify, a second after the last change
    swap(i);
    ::sleep(2);
  }
  const uint64_t made = load.Stop();
  ::usleep(300'000);
  EXPECT_EQ(host.cairnd().Stop(SIGTERM), 0);
  EXPECT_EQ(host.Verify().verdict, ledger::Verdict::kOk);

  const Storm storm = Read(host.Path("log/1"), made);
  ASSERT_GT(made, 5000u);
  uint64_t present = 0;
  for (uint64_t number = 0; number < made; ++number) {
    EXPECT_LE(storm.times[number], 1) << number << " is doubled";
    present += storm.times[number] > 0;
  }
  EXPECT_GE(present + storm.lost, made);
  if (storm.lost == 0) {
    EXPECT_EQ(present, made);
  }
  EXPECT_EQ(storm.rules.size(), 2u);
  for (const auto& [digest, rules] : storm.rules) EXPECT_EQ(rules.size(), 1u) << "a mix";
  for (const char* trigger : {"SIGHUP", "control", "inotify"}) {
    EXPECT_GT(storm.triggers.count(trigger), 0u) << trigger;
  }
  const uint64_t generations = CommittedFirst(host.Path("log/1/0000000000.seg"));
  EXPECT_GT(generations, 150u);
  std::printf("%d numbered events, %d policies in force one after another\n",
              static_cast<int>(made), static_cast<int>(generations));
}

}  // namespace
}  // namespace cairn
