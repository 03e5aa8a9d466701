// Every event about the kernel itself and namespaces (acts_system.cc).
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/capture/event_fixture.h"

namespace cairn::capture {
namespace {

using SystemEvents = Events;

TEST_F(SystemEvents, AModuleLoadNamesItsFile) {
  const Said said = Do("module-refused");
  const Seen* seen = One(KERNEL_MODULE_LOAD, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.file().path(), dir_ + "/old");
  const Said memory = Do("init-module-refused");
  seen = One(KERNEL_MODULE_LOAD, memory.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), memory.ret);
  EXPECT_EQ(seen->record.file().path(), "");
}

TEST_F(SystemEvents, AModuleUnloadNamesTheModule) {
  const Said said = Do("delete-module");
  const Seen* seen = One(KERNEL_MODULE_UNLOAD, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.kernel().name(), "no_such_module");
}

TEST_F(SystemEvents, BpfNamesItsCommand) {
  const Said said = Do("bpf-map");
  const Seen* seen = One(KERNEL_BPF, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.kernel().command(), 0u);
  const Said refused = Do("bpf-refused");
  seen = One(KERNEL_BPF, refused.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_LT(seen->record.ret(), 0);
  EXPECT_EQ(seen->record.ret(), refused.ret);
  EXPECT_EQ(seen->record.kernel().command(), 5u);
  EXPECT_EQ(seen->record.kernel().program_type(), 1u);
  EXPECT_EQ(seen->record.kernel().name(), "cairn_acts");
}

TEST_F(SystemEvents, ASysctlHasItsNameAndValue) {
  const Said said = Do("sysctl");
  const Seen* seen = One(KERNEL_SYSCTL, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.kernel().name(), "kernel.core_uses_pid");
  EXPECT_EQ(seen->record.kernel().value().size(), static_cast<size_t>(said.ret));
}

TEST_F(SystemEvents, TheRestOfProcIsFilesLikeAnyOther) {
  const Said said = Do("write-own-proc");
  EXPECT_GT(said.ret, 0);
  const std::string path = absl::StrCat("/proc/", said.pid, "/oom_score_adj");
  const Seen* seen = One(FILE_WRITE, said.pid,
                         [&path](const Record& record) { return record.file().path() == path; });
  ASSERT_NE(seen, nullptr);
  EXPECT_FALSE(seen->record.has_kernel());
}

TEST_F(SystemEvents, AClockThatCannotBeSet) {
  const Said said = Do("clock-refused");
  EXPECT_EQ(said.ret, -EINVAL);
  const Seen* seen = One(KERNEL_CLOCK_SET, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), -EINVAL);
  EXPECT_EQ(seen->record.kernel().value(), "1.-5");
}

TEST_F(SystemEvents, AClockThatWasSetSaysByHowMuch) {
  if (getenv("CAIRN_BACKEND") == nullptr) {
    GTEST_SKIP() << "the clock is set in the virtual machines only (tools/vm events)";
  }
  for (const auto& [act, seconds] : {std::pair("clock-ahead", 2), std::pair("clock-back", -2)}) {
    const Said said = Do(act);
    ASSERT_EQ(said.ret, 0);
    const Seen* seen = One(KERNEL_CLOCK_SET, said.pid);
    ASSERT_NE(seen, nullptr);
    EXPECT_NEAR(static_cast<double>(seen->record.kernel().clock_step_ns()) / 1e9, seconds, 0.2);
  }
}

TEST_F(SystemEvents, AKexecHasItsFlags) {
  const Said said = Do("kexec-refused");
  const Seen* seen = One(KERNEL_KEXEC, said.pid);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->record.ret(), said.ret);
  EXPECT_EQ(seen->record.flags(), 12345678u);
}

TEST_F(SystemEvents, NamespacesLeftAndJoined) {
  struct Case {
    const char* act;
    EventType type;
    uint64_t flags;
  };
  for (const Case& want :
       {Case{"unshare", NS_UNSHARE, CLONE_NEWUTS}, Case{"unshare-refused", NS_UNSHARE, 1},
        Case{"setns", NS_SETNS, CLONE_NEWUTS}, Case{"setns-refused", NS_SETNS, 0}}) {
    SCOPED_TRACE(want.act);
    const Said said = Do(want.act);
    const Seen* seen = One(want.type, said.pid);
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->record.ret(), said.ret);
    EXPECT_EQ(seen->record.flags(), want.flags);
  }
}

}  // namespace
}  // namespace cairn::capture
