#include "agent/shipper/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace cairn::shipper {
namespace {

constexpr absl::Duration kMin = absl::Milliseconds(100);
constexpr absl::Duration kMax = absl::Seconds(60);

TEST(Backoff, DoublesUpToTheLongestAndStaysBelowIt) {
  Backoff backoff(kMin, kMax);
  absl::Duration due = kMin;
  for (int i = 0; i < 50; ++i) {
    const absl::Duration wait = backoff.Next();
    EXPECT_GE(wait, due / 2) << i;
    EXPECT_LE(wait, due) << i;
    due = std::min(due * 2, kMax);
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), kMin);
}

TEST(Backoff, WhatTheOtherSideAsksForIsWaitedOnce) {
  Backoff backoff(kMin, kMax);
  backoff.AtLeast(absl::Hours(1));
  EXPECT_GE(backoff.Next(), absl::Minutes(30));
  EXPECT_LE(backoff.Next(), kMax);
  backoff.Reset();
  backoff.AtLeast(absl::ZeroDuration());
  EXPECT_GE(backoff.Next(), kMin / 2);
}

// Two thousand hosts that lose their collector at once come back spread over half of their wait: no
// twentieth of it sees more than twice its share.
TEST(Backoff, AFleetDoesNotComeBackAsOne) {
  std::multiset<double> waits;
  for (int host = 0; host < 2000; ++host) {
    Backoff backoff(kMin, kMax);
    for (int i = 0; i < 20; ++i) backoff.Next();
    waits.insert(absl::FDivDuration(backoff.Next(), kMax));
  }
  for (int i = 0; i < 20; ++i) {
    const double from = 0.5 + i * 0.025;
    const auto share = std::distance(waits.lower_bound(from), waits.lower_bound(from + 0.025));
    EXPECT_GT(share, 50) << from;
    EXPECT_LT(share, 200) << from;
  }
  EXPECT_LT(*waits.begin(), 0.51);
  EXPECT_GT(*waits.rbegin(), 0.99);
}

}  // namespace
}  // namespace cairn::shipper
