// Memory and descriptors run out: the process may end, the log may not suffer.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "absl/strings/str_cat.h"
#include "tests/fault/fault_log.h"

namespace {

// The allocation that fails, counted from now; 0: none.
std::atomic<int64_t> fail_at{0};

bool FailsNow() {
  return fail_at.load(std::memory_order_relaxed) != 0 && fail_at.fetch_sub(1) == 1;
}

}  // namespace

void* operator new(size_t size) {
  void* memory = FailsNow() ? nullptr : std::malloc(size != 0 ? size : 1);
  // What cairnd does of itself without memory: it ends (no code of ours catches bad_alloc).
  if (memory == nullptr) ::_exit(77);
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace cairn::ledger {
namespace {

// A child writes `log` and dies of the `at`th allocation. Its exit status.
int LiveAndDie(TestLog* log, int64_t at) {
  const pid_t child = ::fork();
  if (child == 0) {
    const LedgerOptions options = log->options();
    fail_at = at;
    auto opened = Ledger::Open(options, log->key());
    if (!opened.ok()) ::_exit(1);
    log->ledger = *std::move(opened);
    for (int i = 0; i < 20; ++i) {
      if (!log->Append(absl::StrCat("/n/", i)).ok()) ::_exit(2);
      log->ledger->Flush();
      if (i % 5 == 4 && !log->ledger->Sync().ok()) ::_exit(3);
    }
    const bool closed = log->ledger->Close("stop").ok();
    fail_at = 0;
    ::_exit(closed ? 0 : 4);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Memory, EveryAllocationFails) {
  int deaths = 0;
  // Each place at first, then wider apart: a life makes thousands.
  for (int64_t at = 1; at < 1'000'000; at += 1 + at / 40) {
    SCOPED_TRACE(testing::Message() << "allocation " << at);
    TestLog log;
    const int status = LiveAndDie(&log, at);
    ASSERT_TRUE(status == 0 || status == 77) << status;
    const absl::Status opened = log.Open();
    ASSERT_TRUE(opened.ok()) << opened;
    ASSERT_TRUE(log.ledger->Close("stop").ok());
    ASSERT_EQ(log.Verify().verdict, Verdict::kOk);
    if (status == 0) break;
    ++deaths;
  }
  EXPECT_GT(deaths, 20);
}

// Not the disk says so but the kernel: no descriptor is left for the next segment.
TEST(Descriptors, RunOutAndComeBack) {
  FaultLog log(1);
  ASSERT_TRUE(log.Open().ok());
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  ASSERT_GE(next, 0);
  ::close(next);
  const rlimit none = {.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  log.Live(24);
  EXPECT_GT(log.refused(), 0u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  log.MendAndClose();
  log.Check();
}

}  // namespace
}  // namespace cairn::ledger
