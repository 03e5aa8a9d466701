// Power cuts: at every system call, over thousands of seeds, and during the recovery from one.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/fault/fault_log.h"

namespace cairn::ledger {
namespace {

using simulators::DiskCall;
using simulators::DiskFault;

constexpr int kRecords = 24;

DiskFault PowerCut(uint64_t at) {
  return {.call = DiskCall::kAny, .at = at, .stuck = true, .power_cut = true};
}

// CAIRN_FAULT_SEED=N plays that seed alone; CAIRN_FAULT_SEEDS=N that many.
uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  uint64_t value = otherwise;
  const char* text = std::getenv(name);
  if (text != nullptr && !absl::SimpleAtoi(text, &value)) return otherwise;
  return value;
}

TEST(Crash, AtEverySystemCall) {
  uint64_t at = 1;
  for (; at < 5000; ++at) {
    SCOPED_TRACE(testing::Message() << "power cut at call " << at);
    FaultLog log(at);
    log.disk().set_fault(PowerCut(at));
    const bool opened = log.Open().ok();
    if (opened) log.Live(kRecords);
    const bool reached = log.disk().calls(DiskCall::kAny) >= at;
    log.CrashAndReopen();
    log.Check();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
    if (!reached) break;
  }
  RecordProperty("places", static_cast<int>(at - 1));
  EXPECT_GT(at, 50u);
  EXPECT_LT(at, 5000u);
}

// Torn, zero-filled and reordered unsynced writes, at a random call.
void PlaySeed(uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "replay with CAIRN_FAULT_SEED=" << seed);
  std::mt19937_64 random(seed);
  FaultLog log(seed);
  log.disk().set_fault(PowerCut(1 + random() % 150));
  if (log.Open().ok()) log.Live(kRecords);
  log.CrashAndReopen();
  log.Check();
}

TEST(Crash, ThousandsOfSeeds) {
  const uint64_t only = FromEnvironment("CAIRN_FAULT_SEED", 0);
  if (only != 0) return PlaySeed(only);
  const uint64_t seeds = FromEnvironment("CAIRN_FAULT_SEEDS", 2000);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    PlaySeed(seed);
    if (HasFatalFailure() || HasNonfatalFailure()) {
      std::printf("seed %llu fails: CAIRN_FAULT_SEED=%llu replays it\n",
                  static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed));
      return;
    }
  }
  std::printf("%llu seeds\n", static_cast<unsigned long long>(seeds));
}

TEST(Crash, ASeedReplaysExactly) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    std::string first;
    for (int turn = 0; turn < 2; ++turn) {
      FaultLog log(seed);
      log.disk().set_fault(PowerCut(60 + seed));
      ASSERT_TRUE(log.Open().ok());
      log.Live(kRecords);
      const std::string seen =
          absl::StrCat(log.generated(), " ", log.refused(), " ", log.receipted());
      if (turn == 1) {
        EXPECT_EQ(seen, first);
      }
      first = seen;
    }
  }
}

// A cut at every call of the recovery itself, then at every call of the next one.
TEST(Crash, DuringRecovery) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    uint64_t at = 1;
    for (; at < 500; ++at) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", recovery cut at call " << at);
      FaultLog log(seed);
      ASSERT_TRUE(log.Open().ok());
      log.Live(10);
      log.log().Crash();
      log.disk().Crash();
      log.disk().set_fault(PowerCut(at));
      const bool whole = log.Open().ok();
      log.CrashAndReopen();
      log.Check();
      if (HasFatalFailure() || HasNonfatalFailure()) return;
      if (whole) break;
    }
    ASSERT_GT(at, 5u);
    ASSERT_LT(at, 500u);
  }
}

// A kill leaves in the page cache what was not synced, the next start builds on it, and then comes
// the power cut.
TEST(Crash, OfTheMachineAfterOneOfTheProcess) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    FaultLog log(seed);
    ASSERT_TRUE(log.Open().ok());
    log.Live(kRecords);
    log.log().Crash();
    ASSERT_TRUE(log.Open().ok());
    log.CrashAndReopen();
    log.Check();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

// The disk said that it was durable, and it was not: what a receipt covers is missed at the next
// start, and the log does not go on as if nothing had been.
TEST(Crash, ALyingDiskIsFoundOut) {
  int found_out = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    FaultLog log(seed);
    ASSERT_TRUE(log.Open().ok());
    log.disk().set_lying(true);
    log.Live(kRecords);
    log.log().Crash();
    log.disk().Crash();
    const absl::Status opened = log.Open();
    if (opened.ok()) {
      EXPECT_GE(log.log().ledger->stats().size, log.receipted());
    } else {
      EXPECT_TRUE(absl::IsDataLoss(opened)) << opened;
      ++found_out;
    }
  }
  EXPECT_GT(found_out, 100);
}

}  // namespace
}  // namespace cairn::ledger
