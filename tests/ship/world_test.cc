// The simulation of tools/simulate: what a seed does once it does again.
#include "tools/simulators/world.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/ledger/test_log.h"

namespace cairn::simulators {
namespace {

TEST(World, ASeedReplaysToTheByteWhereverItIsPlayed) {
  const ledger::TempDir dir;
  std::vector<ledger::Hash> traces;
  uint64_t faults = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    World here(seed, dir.path() + "/here");
    EXPECT_TRUE(here.Play().ok());
    World there(seed, dir.path() + "/there/and/further");
    EXPECT_TRUE(there.Play().ok());
    EXPECT_EQ(here.trace(), there.trace()) << "seed " << seed;
    EXPECT_EQ(here.faults(), there.faults()) << "seed " << seed;
    for (const ledger::Hash& other : traces) EXPECT_NE(here.trace(), other);
    traces.push_back(here.trace());
    faults += here.faults();
    std::filesystem::remove_all(dir.path() + "/here");
    std::filesystem::remove_all(dir.path() + "/there");
  }
  EXPECT_GT(faults, 0u);
}

}  // namespace
}  // namespace cairn::simulators
