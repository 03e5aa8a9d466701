#include "agent/metrics.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::agent {
namespace {

TEST(AgentMetrics, SaysEveryFigureThatDocsMetricsLists) {
  control::Status status;
  status.set_backend("lsm");
  status.set_policy_rung("configured");
  auto* event = status.add_events();
  event->set_event("file.open");
  event->set_count(7);
  auto* loss = status.add_losses();
  loss->set_source("ebpf");
  loss->set_reason("ring_full");
  loss->set_count(3);
  auto* receipt = status.add_receipts();
  receipt->set_collector("collector \"x\"");
  receipt->set_time_s(1700000000);
  const std::string text = AgentMetrics(status);
  for (const char* line :
       {"cairn_up 1", "cairn_events_total{event=\"file.open\"} 7",
        "cairn_lost_total{source=\"ebpf\",reason=\"ring_full\"} 3", "cairn_degraded 0",
        "cairn_last_receipt_timestamp_seconds{collector=\"collector \\\"x\\\"\"} 1700000000",
        "cairn_storage_fault 0", "cairn_policy_info{rung=\"configured\"} 1"}) {
    EXPECT_TRUE(absl::StrContains(text, absl::StrCat("\n", line, "\n"))) << line << "\n" << text;
  }
}

TEST(AgentMetrics, IsDegradedWithoutBpfPolicyOrDisk) {
  control::Status status;
  status.set_policy_rung("configured");
  status.set_backend("audit-only");
  EXPECT_TRUE(absl::StrContains(AgentMetrics(status), "\ncairn_degraded 1\n"));
  status.set_backend("lsm");
  status.set_storage_fault("no space");
  EXPECT_TRUE(absl::StrContains(AgentMetrics(status), "\ncairn_degraded 1\n"));
  status.clear_storage_fault();
  status.set_policy_rung("floor");
  EXPECT_TRUE(absl::StrContains(AgentMetrics(status), "\ncairn_degraded 1\n"));
}

TEST(AgentMetrics, EveryFamilyIsIntroducedOnce) {
  control::Status status;
  for (int i = 0; i < 3; ++i) status.add_receipts()->set_collector(std::string(1, 'a' + i));
  const std::string text = AgentMetrics(status);
  std::set<absl::string_view> seen;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "# TYPE ")) {
      EXPECT_TRUE(seen.insert(line).second) << line;
    }
  }
  EXPECT_GT(seen.size(), 15u);
}

}  // namespace
}  // namespace cairn::agent
