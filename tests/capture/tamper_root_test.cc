// Whoever takes an entry out of our call table, or rewrites our filter, is noticed and undone.
#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "agent/capture/bpf_source.h"
#include "agent/capture/mapped.h"
#include "bpf/event_maps.h"
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

// Wants opens of (or by) what `text` names, and no others.
absl::Status WantOpens(BpfSource* source, decltype(policy::Guard::of) of, const std::string& text,
                       bool prefix = false) {
  policy::Wanted wanted;
  wanted.Add(FILE_OPEN);
  policy::Guards guards;
  guards.types.set(FILE_OPEN);
  guards.guarded.set(FILE_OPEN);
  policy::Guard& guard = guards.list.emplace_back();
  guard.of = of;
  guard.types.set(FILE_OPEN);
  guard.texts = {text};
  guard.prefix = prefix;
  return source->SetWanted(wanted, guards);
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
  ASSERT_TRUE(WantOpens(source->get(), policy::Guard::kPath, "/srv/data/", /*prefix=*/true).ok());
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

// A policy that wants opens of one program alone: of every other process the kernel is told so.
class TamperVerdicts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
    auto source = BpfSource::Open({});
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
    ASSERT_TRUE(WantOpens(source_.get(), policy::Guard::kExe, "/usr/bin/wanted").ok());
    map_ = OwnMap("verdicts");
    ASSERT_GE(map_, 0);
    for (const uint32_t pid : {kFirst, kSecond}) {
      Process process;
      process.set_pid(pid);
      process.set_start_ns(pid * 1000);
      process.set_exe("/usr/bin/other");
      source_->Judge(process, 7);
    }
    ASSERT_TRUE(Notices(source_.get()).empty());
  }
  event_verdict Verdict(uint32_t pid) const {
    event_verdict verdict = {};
    EXPECT_EQ(bpf_map_lookup_elem(map_, &pid, &verdict), 0) << pid;
    return verdict;
  }
  std::string Digest() const {
    Heartbeat heartbeat;
    source_->FillHeartbeat(&heartbeat);
    return heartbeat.maps_digest();
  }
  // The digest shows it, one notice tells of it, and all is as before.
  void ExpectNoticed(const std::string& before, const std::string& what) {
    EXPECT_NE(Digest(), before);
    const auto notices = Notices(source_.get());
    ASSERT_EQ(notices.size(), 1u);
    EXPECT_NE(notices[0].find(what + "; put back"), std::string::npos) << notices[0];
    EXPECT_EQ(Digest(), before);
    EXPECT_TRUE(Notices(source_.get()).empty());
  }

  static constexpr uint32_t kFirst = 4'000'001, kSecond = 4'000'002, kNobody = 4'000'003;
  std::unique_ptr<BpfSource> source_;
  int map_ = -1;
};

TEST_F(TamperVerdicts, MoreThatIsMutedIsNoticedAndTakenBack) {
  const std::string before = Digest();
  const event_verdict told = Verdict(kFirst);
  EXPECT_NE(told.muted[FILE_OPEN / 64], 0u);
  event_verdict muted = told;
  for (auto& word : muted.muted) word = ~uint64_t{0};
  ASSERT_EQ(bpf_map_update_elem(map_, &kFirst, &muted, BPF_ANY), 0);
  ExpectNoticed(before, "1 written, 0 deleted, first process 4000001");
  EXPECT_EQ(Verdict(kFirst).muted[0], told.muted[0]);
}

TEST_F(TamperVerdicts, AProcessThatSomebodyMutesIsNoticedAndHeardAgain) {
  const std::string before = Digest();
  const event_verdict muted = Verdict(kFirst);
  ASSERT_EQ(bpf_map_update_elem(map_, &kNobody, &muted, BPF_ANY), 0);
  ExpectNoticed(before, "1 written, 0 deleted, first process 4000003");
  event_verdict gone;
  EXPECT_NE(bpf_map_lookup_elem(map_, &kNobody, &gone), 0);
}

TEST_F(TamperVerdicts, DeletedOnesAreNoticedAndPutBack) {
  const std::string before = Digest();
  ASSERT_EQ(bpf_map_delete_elem(map_, &kSecond), 0);
  ExpectNoticed(before, "0 written, 1 deleted, first process 4000002");
  EXPECT_EQ(Verdict(kSecond).start_ns, kSecond * 1000u);
}

TEST_F(TamperVerdicts, WhoseProcessEndedAreNoTampering) {
  const std::string before = Digest();
  source_->Forget(kFirst);
  event_verdict gone;
  EXPECT_NE(bpf_map_lookup_elem(map_, &kFirst, &gone), 0);
  EXPECT_EQ(Digest(), before) << "the same filter, whatever processes come and go";
  EXPECT_TRUE(Notices(source_.get()).empty());
}

// More than the map holds: those told first are seen whole again, and nothing is amiss.
TEST_F(TamperVerdicts, MoreProcessesThanTheMapHolds) {
  Process process;
  process.set_exe("/usr/bin/other");
  for (uint32_t pid = 1; pid <= 40'000; ++pid) {
    process.set_pid(pid);
    process.set_start_ns(pid);
    source_->Judge(process, 7);
  }
  EXPECT_TRUE(Notices(source_.get()).empty());
  EXPECT_EQ(Verdict(40'000).start_ns, 40'000u);
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

TEST(Tamper, NobodyCanWriteToRecordsOfLanesNorToCounters) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({.ring_bytes = 64 << 10});
  ASSERT_TRUE(source.ok()) << source.status();
  const std::vector<char> value(std::max<size_t>(sizeof(event_counters), (64 << 10) + LANE_SLACK));
  for (const char* const name : {"lanes", "counters"}) {
    const int map = OwnMap(name);
    ASSERT_GE(map, 0);
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0), MAP_FAILED);
    EXPECT_EQ(errno, EPERM);
    void* readable = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, map, 0);
    ASSERT_NE(readable, MAP_FAILED);
    EXPECT_NE(mprotect(readable, 4096, PROT_READ | PROT_WRITE), 0);
    const uint32_t first = 0;
    EXPECT_EQ(bpf_map_update_elem(map, &first, value.data(), BPF_ANY), -EPERM);
  }
}

TEST(Tamper, AMovedPositionIsNoticedAndPutBack) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  auto source = BpfSource::Open({});
  ASSERT_TRUE(source.ok()) << source.status();
  Mapped<event_marks> marks;
  ASSERT_TRUE(marks.Map(OwnMap("marks"), 1).ok());
  EXPECT_TRUE(Notices(source->get()).empty());
  const uint64_t before = marks->tail[1];
  for (const uint64_t moved : {before + 4096, before - 4096}) {
    marks->tail[1] = moved;
    EXPECT_EQ(Notices(source->get()),
              std::vector<std::string>{"a position of the bulk ring of cpu 0 was moved; put back"});
    EXPECT_EQ(marks->tail[1], before);
  }
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
