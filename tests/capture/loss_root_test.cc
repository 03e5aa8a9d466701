// Produced = received + counted, exactly, against what the generator did.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "agent/capture/bpf_source.h"
#include "agent/capture/event_view.h"
#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

constexpr int kOpens = 200'000;

// A child that opens numbered names that do not exist, in order, once it is told to.
pid_t Flood(int* start) {
  int ends[2];
  (void)!pipe(ends);
  const pid_t child = fork();
  if (child == 0) {
    char go;
    close(ends[1]);
    (void)!read(ends[0], &go, 1);
    char name[32];
    for (int i = 0; i < kOpens; ++i) {
      snprintf(name, sizeof(name), "/cairn-oracle-%d", i);
      (void)!open(name, O_RDONLY);
    }
    _exit(0);
  }
  close(ends[0]);
  *start = ends[1];
  return child;
}

struct Tally {
  int64_t received = 0;
  int64_t lost = 0;
  int64_t exits = 0;
  int last = -1;
  bool in_order = true;
};

void Take(BpfSource* source, pid_t child, Tally* tally) {
  source->Drain([&](absl::string_view event) {
    EventView view;
    ASSERT_TRUE(ParseEvent(event, &view));
    if (view.header.pid != static_cast<uint32_t>(child)) return;
    if (view.header.type == PROCESS_EXIT) ++tally->exits;
    if (view.header.type != FILE_OPEN) return;
    const std::string path(view.strings[STRING_ARGUMENT].bytes);
    int number;
    if (sscanf(path.c_str(), "/cairn-oracle-%d", &number) != 1) return;
    tally->in_order &= number > tally->last;
    tally->last = number;
    ++tally->received;
  });
  source->DrainLoss([&](uint32_t, event_ring ring, EventType type, uint64_t count) {
    EXPECT_EQ(ring, RING_BULK);
    EXPECT_EQ(type, FILE_OPEN);
    tally->lost += static_cast<int64_t>(count);
  });
}

Tally RunFlood(uint32_t ring_bytes, bool starved) {
  policy::Wanted wanted;
  wanted.Add(FILE_OPEN);
  Tally tally;
  auto source = BpfSource::Open({.ring_bytes = ring_bytes});
  EXPECT_TRUE(source.ok()) << source.status();
  if (!source.ok()) return tally;
  int start = -1;
  const pid_t child = Flood(&start);
  EXPECT_TRUE((*source)->SetWanted(wanted).ok());
  close(start);
  if (starved) {
    waitpid(child, nullptr, 0);
  } else {
    while (waitpid(child, nullptr, WNOHANG) == 0) {
      usleep(500);
      Take(source->get(), child, &tally);
    }
  }
  for (int i = 0; i < 40; ++i) {
    usleep(10'000);
    Take(source->get(), child, &tally);
  }
  return tally;
}

TEST(Loss, NothingIsLostWhileTheReaderKeepsUp) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  const Tally tally = RunFlood(16 << 20, false);
  EXPECT_EQ(tally.received + tally.lost, kOpens);
  EXPECT_EQ(tally.lost, 0);
  EXPECT_TRUE(tally.in_order);
}

// The reader does not read at all: a small ring fills, and each loss is counted; the flood of
// bulk events takes nothing from the other rings. Others on this machine may open files too:
// their losses are in the count, so it may be larger but never smaller.
TEST(Loss, WhatDoesNotFitIsCountedExactly) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  const Tally tally = RunFlood(64 << 10, true);
  EXPECT_GE(tally.received + tally.lost, kOpens);
  EXPECT_LT(tally.received + tally.lost, kOpens + kOpens / 2);
  EXPECT_GT(tally.lost, kOpens / 2);
  EXPECT_EQ(tally.exits, 1);
  EXPECT_TRUE(tally.in_order);
}

}  // namespace
}  // namespace cairn::capture
