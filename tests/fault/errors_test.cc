// Every system call fails once, and from then on, at every place, with every error that it has.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tests/fault/fault_log.h"

namespace cairn::ledger {
namespace {

using simulators::DiskCall;
using simulators::DiskFault;

constexpr int kRecords = 24;
constexpr int kMaxPlaces = 2000;

struct Case {
  const char* name;
  DiskCall call;
  int error;
};

class EveryCallFails : public testing::TestWithParam<std::tuple<Case, bool>> {};

// Until the whole life passes without the fault, at places 1, 2, 3, …
TEST_P(EveryCallFails, NothingIsLostUnsaid) {
  const auto& [what, stuck] = GetParam();
  int hit = 0;
  for (uint64_t at = 1; at < kMaxPlaces; ++at) {
    SCOPED_TRACE(testing::Message() << what.name << " at call " << at);
    FaultLog log(at);
    log.disk().set_fault({.call = what.call, .at = at, .error = what.error, .stuck = stuck});
    if (!log.Open().ok()) {
      // A log that cannot be begun: the same start works when the disk does.
      log.disk().Mend();
      const absl::Status opened = log.Open();
      ASSERT_TRUE(opened.ok()) << opened;
    }
    log.Live(kRecords);
    const bool reached = log.disk().calls(what.call) >= at;
    log.MendAndClose();
    log.Check();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
    if (!reached) break;
    ++hit;
  }
  RecordProperty("places", hit);
  EXPECT_LT(hit, kMaxPlaces - 1) << "the run never completed without the fault";
  EXPECT_GT(hit, 0) << "the run makes no such call";
}

const Case kCases[] = {
    {"WriteEio", DiskCall::kWrite, EIO},
    {"WriteEnospc", DiskCall::kWrite, ENOSPC},
    {"WriteEdquot", DiskCall::kWrite, EDQUOT},
    {"WriteErofs", DiskCall::kWrite, EROFS},
    {"WriteShort", DiskCall::kWrite, 0},
    {"FdatasyncEio", DiskCall::kFdatasync, EIO},
    {"FdatasyncEnospc", DiskCall::kFdatasync, ENOSPC},
    {"FsyncEio", DiskCall::kFsync, EIO},
    {"RenameEio", DiskCall::kRename, EIO},
    {"RenameEnospc", DiskCall::kRename, ENOSPC},
    {"RenameErofs", DiskCall::kRename, EROFS},
    {"OpenEmfile", DiskCall::kOpen, EMFILE},
    {"OpenEnfile", DiskCall::kOpen, ENFILE},
    {"OpenEnospc", DiskCall::kOpen, ENOSPC},
    {"OpenErofs", DiskCall::kOpen, EROFS},
    {"OpenEio", DiskCall::kOpen, EIO},
    {"AnyEio", DiskCall::kAny, EIO},
};

std::string NameOf(const testing::TestParamInfo<std::tuple<Case, bool>>& info) {
  return std::string(std::get<0>(info.param).name) + (std::get<1>(info.param) ? "Stuck" : "Once");
}

INSTANTIATE_TEST_SUITE_P(Fault, EveryCallFails,
                         testing::Combine(testing::ValuesIn(kCases), testing::Bool()), NameOf);

// A signal breaks a call off: it is made again (for ever breaking off would be no signal).
INSTANTIATE_TEST_SUITE_P(
    FaultSignal, EveryCallFails,
    testing::Combine(testing::Values(Case{"WriteEintr", DiskCall::kWrite, EINTR},
                                     Case{"OpenEintr", DiskCall::kOpen, EINTR}),
                     testing::Values(false)),
    NameOf);

}  // namespace
}  // namespace cairn::ledger
