// Whoever takes an entry out of our call table, or rewrites our filter, is noticed and undone.
#include <bpf/bpf.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "agent/capture/bpf_source.h"
#include "gtest/gtest.h"
#include "tests/capture/own_objects.h"

namespace cairn::capture {
namespace {

std::vector<std::string> Notices(BpfSource* source) {
  std::vector<std::string> notices;
  for (int i = 0; i < 3 && notices.empty(); ++i) {
    usleep(600'000);
    source->CheckIntegrity([&](const std::string& what) { notices.push_back(what); });
  }
  return notices;
}

TEST(Tamper, ADeletedCallIsNoticedAndPutBack) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({});
  ASSERT_TRUE(source.ok()) << source.status();
  policy::Wanted wanted;
  wanted.types.set();
  ASSERT_TRUE((*source)->SetWanted(wanted).ok());
  EXPECT_TRUE(Notices(source->get()).empty());
  Heartbeat before, after;
  (*source)->FillHeartbeat(&before);
  EXPECT_GT(before.programs_size(), 20);

  const int map = OwnMap("handlers");
  ASSERT_GE(map, 0);
  const uint32_t call = CALL_EXECVE;
  ASSERT_EQ(bpf_map_delete_elem(map, &call), 0);
  (*source)->FillHeartbeat(&after);
  EXPECT_NE(before.maps_digest(), after.maps_digest());
  const auto notices = Notices(source->get());
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_NE(notices[0].find("call_exec) was deleted; put back"), std::string::npos) << notices[0];
  (*source)->FillHeartbeat(&after);
  EXPECT_EQ(before.maps_digest(), after.maps_digest());
  EXPECT_TRUE(Notices(source->get()).empty());
}

TEST(Tamper, ADeletedHandlerOfIoUringIsNoticedAndPutBack) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({});
  ASSERT_TRUE(source.ok()) << source.status();
  const int map = OwnMap("uring_handlers");
  ASSERT_GE(map, 0);
  const uint32_t zero = 0;
  Heartbeat before, after;
  (*source)->FillHeartbeat(&before);
  if (bpf_map_delete_elem(map, &zero) != 0) {
    GTEST_SKIP() << "NOT TESTED: this kernel has no such tracepoint of io_uring";
  }
  (*source)->FillHeartbeat(&after);
  EXPECT_NE(before.maps_digest(), after.maps_digest());
  const auto notices = Notices(source->get());
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_NE(notices[0].find("uring_connect) was deleted; put back"), std::string::npos);
}

TEST(Tamper, ARewrittenFilterIsNoticedAndPutBack) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({});
  ASSERT_TRUE(source.ok()) << source.status();
  policy::Wanted wanted;
  wanted.types.set();
  ASSERT_TRUE((*source)->SetWanted(wanted).ok());
  const int map = OwnMap("filters");
  ASSERT_GE(map, 0);
  const uint32_t zero = 0;
  Heartbeat before, after;
  (*source)->FillHeartbeat(&before);
  event_filter filter = {};
  ASSERT_EQ(bpf_map_update_elem(map, &zero, &filter, BPF_ANY), 0);
  (*source)->FillHeartbeat(&after);
  EXPECT_NE(before.maps_digest(), after.maps_digest());
  EXPECT_EQ(Notices(source->get()).size(), 1u);
  ASSERT_EQ(bpf_map_lookup_elem(map, &zero, &filter), 0);
  EXPECT_EQ(filter.wanted[0], ~uint64_t{0});
  EXPECT_NE(filter.calls[0], CALL_NONE);
}

TEST(Tamper, APathTakenFromTheFilterIsNoticedAndPutBack) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({});
  ASSERT_TRUE(source.ok()) << source.status();
  policy::Wanted wanted;
  wanted.Add(FILE_OPEN);
  policy::Guards guards;
  guards.types.set(FILE_OPEN);
  guards.guarded.set(FILE_OPEN);
  policy::Guard path;
  path.of = policy::Guard::kPath;
  path.types.set(FILE_OPEN);
  path.texts = {"/srv/data/"};
  path.prefix = true;
  guards.list.push_back(path);
  ASSERT_TRUE((*source)->SetWanted(wanted, guards).ok());
  Heartbeat before, after;
  (*source)->FillHeartbeat(&before);
  event_guard key = {};
  const int map = OwnMap("guards");
  ASSERT_EQ(bpf_map_get_next_key(map, nullptr, &key), 0);
  ASSERT_EQ(bpf_map_delete_elem(map, &key), 0);
  (*source)->FillHeartbeat(&after);
  EXPECT_NE(before.maps_digest(), after.maps_digest());
  EXPECT_EQ(Notices(source->get()).size(), 1u);
  (*source)->FillHeartbeat(&after);
  EXPECT_EQ(before.maps_digest(), after.maps_digest());
}

TEST(Tamper, ADeletedRingIsNoticedAndPutBack) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({});
  ASSERT_TRUE(source.ok()) << source.status();
  const uint32_t first = 0;
  ASSERT_EQ(bpf_map_delete_elem(OwnMap("rings"), &first), 0);
  const auto notices = Notices(source->get());
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0], "the critical ring of cpu 0 was deleted; put back");
  EXPECT_TRUE(Notices(source->get()).empty());
}

TEST(Tamper, AClosedLinkIsNoticedAndAttachedAgain) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({});
  ASSERT_TRUE(source.ok()) << source.status();
  policy::Wanted wanted;
  wanted.types.set();
  ASSERT_TRUE((*source)->SetWanted(wanted).ok());
  const int link = OwnLink("process_fork");
  ASSERT_GE(link, 0);
  close(link);  // as a debugger in our process would
  const auto notices = Notices(source->get());
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0], "the link of process_fork was closed; attached again");
  EXPECT_GE(OwnLink("process_fork"), 0);
  EXPECT_TRUE(Notices(source->get()).empty());
}

TEST(Tamper, ADetachedLinkIsNoticedAndAttachedAgain) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({});
  ASSERT_TRUE(source.ok()) << source.status();
  policy::Wanted wanted;
  wanted.types.set();
  ASSERT_TRUE((*source)->SetWanted(wanted).ok());
  const int link = OwnLink("dns_out");
  if (link < 0) GTEST_SKIP() << "NOT TESTED: no unified control groups mounted";
  ASSERT_EQ(bpf_link_detach(link), 0);
  const auto notices = Notices(source->get());
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0], "the link of dns_out was detached; attached again");
  EXPECT_TRUE(Notices(source->get()).empty());
}

}  // namespace
}  // namespace cairn::capture
