// Generated = received + counted + declared lost, exactly, against what the generators did; and
// no flood takes an event of another class with it.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>

#include "agent/capture/bpf_source.h"
#include "agent/capture/event_view.h"
#include "gtest/gtest.h"

namespace cairn::capture {
namespace {

constexpr int kOpens = 200'000;

// A child that does `work` once it is told to, and nothing else.
class Child {
 public:
  explicit Child(const std::function<void()>& work) {
    int ends[2];
    (void)!pipe(ends);
    pid_ = fork();
    if (pid_ == 0) {
      char go;
      close(ends[1]);
      (void)!read(ends[0], &go, 1);
      work();
      _exit(0);
    }
    close(ends[0]);
    start_ = ends[1];
  }
  void Start() const { (void)!write(start_, "x", 1); }
  bool Ended() const { return waitpid(pid_, nullptr, WNOHANG) != 0; }
  void Wait() const { waitpid(pid_, nullptr, 0); }
  uint32_t pid() const { return static_cast<uint32_t>(pid_); }

 private:
  pid_t pid_;
  int start_;
};

// Opens numbered names that do not exist, in order.
void Flood(int opens) {
  char name[32];
  for (int i = 0; i < opens; ++i) {
    snprintf(name, sizeof(name), "/cairn-oracle-%d", i);
    (void)!open(name, O_RDONLY);
  }
}

struct Tally {
  std::map<std::pair<uint32_t, int>, int64_t> received;   // by process and type
  std::map<std::pair<int, int>, int64_t> lost;            // by ring and type
  std::map<std::string, std::map<int, int64_t>> limited;  // by limit's key and type
  int starts = 0, stops = 0;
  int last = -1;
  bool in_order = true;

  int64_t All(const std::map<std::pair<int, int>, int64_t>& counts, int type) const {
    int64_t sum = 0;
    for (const auto& [key, count] : counts) sum += key.second == type ? count : 0;
    return sum;
  }
  int64_t Lost(int type) const { return All(lost, type); }
  int64_t Limited(const std::string& key, int type) { return limited[key][type]; }
};

void TakeOnce(BpfSource* source, Tally* tally) {
  source->Drain([&](absl::string_view event) {
    EventView view;
    ASSERT_TRUE(ParseEvent(event, &view));
    ++tally->received[{view.header.pid, view.header.type}];
    const std::string path(view.strings[STRING_ARGUMENT].bytes);
    int number;
    if (sscanf(path.c_str(), "/cairn-oracle-%d", &number) != 1) return;
    tally->in_order &= number > tally->last;
    tally->last = number;
  });
  source->DrainLoss([&](const RingLoss& loss) {
    tally->lost[{loss.ring, loss.type}] += static_cast<int64_t>(loss.count);
  });
  source->DrainLimits([&](const Record& record, uint32_t pid) {
    EXPECT_EQ(record.limit().key(), "pid " + std::to_string(pid));
    ++(record.type() == AGENT_LIMIT_START ? tally->starts : tally->stops);
    uint64_t sum = 0;
    for (const TypeCount& counted : record.limit().types()) {
      tally->limited[record.limit().key()][counted.type()] += static_cast<int64_t>(counted.count());
      sum += counted.count();
    }
    EXPECT_EQ(sum, record.limit().suppressed());
  });
  source->Settle();
}

void Take(BpfSource* source, Tally* tally) {
  do {
    TakeOnce(source, tally);
  } while (source->more());
}

// Everything that was produced is in the ring's count, lost, or limited: for each ring.
void ExpectBalance(const BpfSource& source) {
  Heartbeat heartbeat;
  source.FillHeartbeat(&heartbeat);
  EXPECT_GT(heartbeat.rings_size(), 0);
  for (const RingState& ring : heartbeat.rings()) {
    EXPECT_EQ(ring.produced(), ring.consumed() + ring.dropped() + ring.limited())
        << "cpu " << ring.cpu() << " " << ring.ring();
  }
}

class Loss : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
  }
  void Open(const BpfOptions& options, std::initializer_list<EventType> types) {
    auto source = BpfSource::Open(options);
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
    for (const EventType type : types) wanted_.Add(type);
  }
  void Want() { ASSERT_TRUE(source_->SetWanted(wanted_).ok()); }
  void Finish() {
    source_->Detach();
    Take(source_.get(), &tally_);
    ExpectBalance(*source_);
  }

  policy::Wanted wanted_;
  std::unique_ptr<BpfSource> source_;
  Tally tally_;
};

TEST_F(Loss, NothingIsLostWhileTheReaderKeepsUp) {
  Open({.ring_bytes = 16 << 20}, {FILE_OPEN});
  const Child child([] { Flood(kOpens); });
  Want();
  child.Start();
  while (!child.Ended()) {
    usleep(500);
    Take(source_.get(), &tally_);
  }
  Finish();
  EXPECT_EQ((tally_.received[{child.pid(), FILE_OPEN}]), kOpens);
  EXPECT_EQ(tally_.Lost(FILE_OPEN), 0);
  EXPECT_TRUE(tally_.in_order);
}

// The reader does not read at all, as if stopped: a small ring fills, and each loss is counted.
// Others on this machine may open files too: their losses are in the count, so it may be larger
// but never smaller.
TEST_F(Loss, WhatDoesNotFitIsCountedExactly) {
  Open({.ring_bytes = 64 << 10, .process_rate = 0}, {FILE_OPEN});
  const Child child([] { Flood(kOpens); });
  Want();
  child.Start();
  child.Wait();
  Finish();
  const int64_t all = tally_.received[{child.pid(), FILE_OPEN}] + tally_.Lost(FILE_OPEN);
  EXPECT_GE(all, kOpens);
  EXPECT_LT(all, kOpens + kOpens / 2);
  EXPECT_GT(tally_.Lost(FILE_OPEN), kOpens / 2);
  EXPECT_EQ((tally_.received[{child.pid(), PROCESS_EXIT}]), 1);
  EXPECT_TRUE(tally_.in_order);
}

// A process that makes more than its rate is counted, exactly, and the half of the ring that
// it cannot have is there for everybody else.
TEST_F(Loss, AFloodOfOneProcessBecomesACountAndTakesNothingFromAnother) {
  Open({.ring_bytes = 8 << 20, .process_rate = 1000}, {FILE_OPEN});
  const Child flood([] { Flood(kOpens); });
  const Child other([] {
    for (int i = 0; i < 50; ++i) (void)!open("/cairn-other", O_RDONLY);
  });
  Want();
  flood.Start();
  flood.Wait();
  other.Start();
  other.Wait();
  Finish();
  const std::string key = "pid " + std::to_string(flood.pid());
  EXPECT_EQ((tally_.received[{flood.pid(), FILE_OPEN}]) + tally_.Limited(key, FILE_OPEN), kOpens);
  EXPECT_GT(tally_.Limited(key, FILE_OPEN), kOpens / 2);
  EXPECT_EQ(tally_.Lost(FILE_OPEN), 0);
  EXPECT_EQ((tally_.received[{other.pid(), FILE_OPEN}]), 50);
  EXPECT_GE(tally_.starts, 1);
  EXPECT_EQ(tally_.stops, tally_.starts);
}

// Bulk and normal rings overflow; of what is critical, and of what was attempted, all arrives.
TEST_F(Loss, AFloodOfAnotherClassTakesNoExecNoCredentialsNoKernelEvent) {
  constexpr int kExecs = 20, kFailed = 20, kSetuid = 20;
  Open({.ring_bytes = 128 << 10, .process_rate = 0},
       {FILE_OPEN, FILE_CHMOD, PROCESS_EXEC, CRED_SETUID});
  const Child flood([] {
    Flood(kOpens / 4);
    for (int i = 0; i < kOpens / 4; ++i) (void)!chmod("/cairn-oracle", 0600);
  });
  const Child execs([] {
    for (int i = 0; i < kExecs; ++i) {
      const pid_t child = fork();
      if (child == 0) execl("/bin/true", "true", nullptr);
      waitpid(child, nullptr, 0);
    }
    for (int i = 0; i < kFailed; ++i) execl("/cairn-no-such", "x", nullptr);
    for (int i = 0; i < kSetuid; ++i) (void)!setuid(0);
  });
  Want();
  flood.Start();
  flood.Wait();
  execs.Start();
  execs.Wait();
  Finish();
  EXPECT_GT(tally_.Lost(FILE_OPEN), 0);
  EXPECT_GT(tally_.Lost(FILE_CHMOD), 0);
  for (const auto& [key, count] : tally_.lost) {
    EXPECT_NE(key.first, RING_CRITICAL) << count;
    EXPECT_NE(key.first, RING_ATTEMPT) << count;
  }
  EXPECT_EQ((tally_.received[{execs.pid(), PROCESS_EXEC}]), kFailed);
  EXPECT_EQ((tally_.received[{execs.pid(), CRED_SETUID}]), kSetuid);
  int64_t ran = 0;
  for (const auto& [key, count] : tally_.received) ran += key.second == PROCESS_EXEC ? count : 0;
  EXPECT_GE(ran, kExecs + kFailed);
}

}  // namespace
}  // namespace cairn::capture
