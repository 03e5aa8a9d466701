// Who waits for capture: woken by what comes while nothing is expected, and by nothing else.
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "agent/capture/bpf_source.h"
#include "base/clock.h"
#include "gtest/gtest.h"
#include "tests/capture/own_objects.h"

namespace cairn::capture {
namespace {

class Wake : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
    auto source = BpfSource::Open({});
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
    policy::Wanted wanted;
    wanted.types.set(FILE_UMOUNT);  // what nobody else does just now
    ASSERT_TRUE(source_->SetWanted(wanted).ok());
    StartActor();
    quiet_ = Quiet();
  }
  void TearDown() override {
    if (actor_ <= 0) return;
    close(orders_);
    close(answers_);
    waitpid(actor_, nullptr, 0);
  }

  // What this process itself does is not captured.
  void StartActor() {
    int orders[2], answers[2];
    ASSERT_EQ(pipe(orders), 0);
    ASSERT_EQ(pipe(answers), 0);
    actor_ = fork();
    ASSERT_GE(actor_, 0);
    if (actor_ == 0) {
      close(orders[1]);
      char byte;
      while (read(orders[0], &byte, 1) == 1) {
        (void)!umount2("/cairn-wake", 0);
        (void)!write(answers[1], &byte, 1);
      }
      _exit(0);
    }
    close(orders[0]);
    close(answers[1]);
    orders_ = orders[1];
    answers_ = answers[0];
  }
  void Act() const {
    char byte = 'x';
    EXPECT_EQ(write(orders_, &byte, 1), 1);
    EXPECT_EQ(read(answers_, &byte, 1), 1);
  }
  bool Woken(int ms) const {
    pollfd fd = {.fd = source_->wait_fd(), .events = POLLIN, .revents = 0};
    return poll(&fd, 1, ms) == 1;
  }
  size_t Drain() {
    return source_->Drain([](absl::string_view) {});
  }
  // Others on this machine act too: looks until nothing is expected.
  bool Quiet() {
    for (int i = 0; i < 2000; ++i) {
      Drain();
      source_->Settle();
      if (source_->look_ns() == UINT64_MAX) return true;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return false;
  }

  std::unique_ptr<BpfSource> source_;
  bool quiet_ = false;
  pid_t actor_ = -1;
  int orders_ = -1, answers_ = -1;
};

TEST_F(Wake, AnActWakesWhoSleeps) {
  ASSERT_TRUE(quiet_);
  Act();
  EXPECT_TRUE(Woken(1000));
  if (Drain() > 0) return;  // else it is younger than the watermark
  EXPECT_LE(source_->look_ns(), BootNs() + BpfOptions().watermark_ns);
  absl::SleepFor(absl::Milliseconds(1));
  EXPECT_GE(Drain(), 1u);
}

TEST_F(Wake, WhoeverLooksByHimselfIsNotWoken) {
  ASSERT_TRUE(quiet_);
  for (int i = 0; i < 10; ++i) Act();
  absl::SleepFor(absl::Milliseconds(1));
  EXPECT_GE(Drain(), 10u);
  EXPECT_LE(source_->look_ns(), BootNs() + 1'000'000) << "more is expected";
  for (int i = 0; i < 10; ++i) Act();
  EXPECT_FALSE(Woken(20));
  EXPECT_GE(Drain(), 10u);
}

TEST_F(Wake, WhatCameAloneIsNotFollowed) {
  ASSERT_TRUE(quiet_);
  bool slept = false;
  for (int i = 0; i < 20 && !slept; ++i) {  // somebody else may act at the same time
    absl::SleepFor(absl::Milliseconds(10));
    if (!Quiet()) continue;
    absl::SleepFor(absl::Milliseconds(6));
    Act();
    absl::SleepFor(absl::Milliseconds(1));
    slept = Drain() == 1 && source_->look_ns() == UINT64_MAX;
  }
  EXPECT_TRUE(slept);
}

// In some virtual machines a page's first touch takes as long as all the events that fit into it.
TEST(Warm, EachPageOfARingWasTouchedBeforeItsFirstRecord) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  constexpr uint32_t kBytes = 1 << 20;
  auto source = BpfSource::Open({.ring_bytes = kBytes});
  ASSERT_TRUE(source.ok()) << source.status();
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const void* producer = mmap(nullptr, page, PROT_READ, MAP_SHARED, OwnMap("cairn_ring"),
                              static_cast<off_t>(page));  // kernel/bpf/ringbuf.c
  ASSERT_NE(producer, MAP_FAILED);
  EXPECT_GE(__atomic_load_n(static_cast<const uint64_t*>(producer), __ATOMIC_RELAXED),
            kBytes - 4096);
  (*source)->Drain([](absl::string_view) { ADD_FAILURE() << "nothing was asked for"; });
}

}  // namespace
}  // namespace cairn::capture
