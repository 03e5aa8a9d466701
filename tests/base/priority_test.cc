// What TakePriority asks for is what the kernel says the thread has.
#include "base/priority.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <thread>

namespace cairn {
namespace {

bool KernelHasTurns() {
  utsname name;
  int major = 0;
  int minor = 0;
  return ::uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 12));
}

TEST(Priority, ShortTurnsAndNoHigherNice) {
  if (!KernelHasTurns()) GTEST_SKIP() << "NOT TESTED: needs Linux 6.12, which has turns";
  std::thread([] {
    const int nice = ::getpriority(PRIO_PROCESS, 0);
    ASSERT_TRUE(TakePriority(19).ok());
    EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), nice);
    std::array<uint64_t, 6> attr = {};  // struct sched_attr of 48 bytes: the fourth is its runtime
    ASSERT_EQ(::syscall(SYS_sched_getattr, 0, attr.data(), sizeof(attr), 0), 0);
    EXPECT_EQ(attr[3], 100'000);
  }).join();
}

TEST(Priority, LowersNice) {
  absl::Status taken;
  int nice = 0;
  std::thread([&] {
    taken = TakePriority(-7);
    nice = ::getpriority(PRIO_PROCESS, 0);
  }).join();
  if (absl::IsPermissionDenied(taken)) GTEST_SKIP() << "NOT TESTED: needs root with CAP_SYS_NICE";
  ASSERT_TRUE(taken.ok()) << taken;
  EXPECT_LE(nice, -7);
}

}  // namespace
}  // namespace cairn
