// Whoever takes an entry out of our call table, or rewrites our filter, is noticed and undone.
#include <bpf/bpf.h>
#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "agent/capture/bpf_source.h"
#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

// Our own descriptor of the map called `name`; -1: none. Others on this machine may run cairn:
// their maps have the same names.
int OwnMap(const std::string& name) {
  DIR* dir = opendir("/proc/self/fd");
  int found = -1;
  while (const dirent* entry = readdir(dir)) {
    const int fd = atoi(entry->d_name);
    bpf_map_info info = {};
    uint32_t size = sizeof(info);
    if (fd > 2 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && name == info.name &&
        info.max_entries > 0) {
      found = fd;
    }
  }
  closedir(dir);
  return found;
}

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
  event_filter filter = {};
  ASSERT_EQ(bpf_map_update_elem(map, &zero, &filter, BPF_ANY), 0);
  EXPECT_EQ(Notices(source->get()).size(), 1u);
  ASSERT_EQ(bpf_map_lookup_elem(map, &zero, &filter), 0);
  EXPECT_EQ(filter.wanted[0], ~uint64_t{0});
  EXPECT_NE(filter.calls[0], CALL_NONE);
}

}  // namespace
}  // namespace cairn::capture
