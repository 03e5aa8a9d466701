#include "agent/capture/clock_steps.h"

#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kMs = 1'000'000;

TEST(ClockSteps, IsTheDifferenceToTheLastSampleBeforeTheCall) {
  ClockSteps steps;
  EXPECT_EQ(steps.StepAt(1000 * kMs, 7), 0) << "nothing known";
  steps.Sample(1000 * kMs, 100);
  steps.Sample(1100 * kMs, 110);
  steps.Sample(1200 * kMs, 5000);  // after the call
  EXPECT_EQ(steps.StepAt(1150 * kMs, 5000), 4890);
  EXPECT_EQ(steps.StepAt(1050 * kMs, 5000), 4900);
  EXPECT_EQ(steps.StepAt(900 * kMs, 5000), 0);
}

TEST(ClockSteps, SamplesAreSpacedAndFew) {
  ClockSteps steps;
  for (uint64_t ms = 1000; ms < 11'000; ++ms) steps.Sample(ms * kMs, static_cast<int64_t>(ms));
  EXPECT_EQ(steps.StepAt(10'990 * kMs, 20'000), 20'000 - 10'950);
  EXPECT_EQ(steps.StepAt(2000 * kMs, 20'000), 0) << "long forgotten";
}

}  // namespace
}  // namespace cairn::capture
