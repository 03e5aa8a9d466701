// What a run leaves pinned, and who takes it over.
#include <bpf/bpf.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/capture/bpf_source.h"
#include "agent/capture/event_view.h"
#include "bpf/event_maps.h"
#include "gtest/gtest.h"
#include "tests/capture/own_objects.h"

namespace cairn::capture {
namespace {

constexpr int kActs = 10;
constexpr uint32_t kRingBytes = 64 << 10;

class TakeOver : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to load BPF programs";
    source_ = Open();
    ASSERT_NE(source_, nullptr);
    ASSERT_EQ(source_->pins(), dir_) << "nothing is pinned";
    EXPECT_EQ(source_->resumed_from_ns(), 0u);
  }
  void TearDown() override {
    source_.reset();
    rmdir(dir_.c_str());
  }

  std::unique_ptr<BpfSource> Open() const {
    auto source = BpfSource::Open({.ring_bytes = kRingBytes, .pin_dir = dir_});
    EXPECT_TRUE(source.ok()) << source.status();
    if (!source.ok()) return nullptr;
    policy::Wanted wanted;
    wanted.types.set(FILE_UMOUNT);  // what nobody else does just now
    EXPECT_TRUE((*source)->SetWanted(wanted, {}).ok());
    return *std::move(source);
  }

  // By another process: this one's own acts are not captured.
  static void Act() {
    const pid_t child = fork();
    if (child == 0) {
      for (int i = 0; i < kActs; ++i) (void)!umount2("/cairn-takeover", 0);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }

  void Leave() {
    source_->Keep();
    source_.reset();
  }

  int Umounts() {
    absl::SleepFor(absl::Milliseconds(5));
    int count = 0;
    source_->Drain([&count](absl::string_view event) {
      EventView view;
      count += ParseEvent(event, &view) && view.header.type == FILE_UMOUNT;
    });
    source_->Settle();
    return count;
  }

  const std::string dir_ = absl::StrCat("/sys/fs/bpf/cairn-takeover-", getpid());
  std::unique_ptr<BpfSource> source_;
};

TEST_F(TakeOver, WhatTheRunBeforeDidNotSettleIsReadOnceMoreAndWhatItDidIsNot) {
  Act();
  EXPECT_EQ(Umounts(), kActs);
  Act();
  Leave();
  Act();  // nobody runs
  source_ = Open();
  ASSERT_NE(source_, nullptr);
  EXPECT_NE(source_->resumed_from_ns(), 0u);
  Act();
  EXPECT_EQ(Umounts(), 3 * kActs);
}

TEST_F(TakeOver, LanesThatProcessesCanWriteToAreNotTakenOver) {
  Act();
  bpf_map_info info = {};
  uint32_t size = sizeof(info);
  ASSERT_EQ(bpf_obj_get_info_by_fd(OwnMap("lanes"), &info, &size), 0);
  Leave();
  const std::string pin = absl::StrCat(dir_, "/lanes");
  ASSERT_EQ(unlink(pin.c_str()), 0);
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  const int forged = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lanes", info.key_size, info.value_size,
                                    info.max_entries, &options);
  ASSERT_GE(forged, 0);
  ASSERT_EQ(bpf_obj_pin(forged, pin.c_str()), 0);
  source_ = Open();
  ASSERT_NE(source_, nullptr);
  EXPECT_EQ(source_->resumed_from_ns(), 0u) << "begun afresh";
  Act();
  EXPECT_EQ(Umounts(), kActs);
  close(forged);
}

}  // namespace
}  // namespace cairn::capture
