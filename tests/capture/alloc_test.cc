// No allocation per event once things have grown: operator new is counted.
#include <chrono>

#include "agent/capture/decode.h"
#include "agent/capture/process_table.h"
#include "gtest/gtest.h"
#include "tests/allocations.h"
#include "tests/capture/event_bytes.h"

namespace cairn::capture {
namespace {

struct Case {
  const char* name;
  std::string bytes;
};

std::vector<Case> Cases() {
  event_file file = {};
  file.ret = 3;
  file.inode = 7;
  event_net net = {};
  net.family = 2;
  net.source = PATH_OBJECT;
  event_args args = {};
  args.args[0] = 100;
  args.args[1] = 9;
  const std::string path = String(STRING_PATH, "a-rather-long-file-name.txt/directory/var/");
  return {
      {"open", Bytes(Header(FILE_OPEN, LAYOUT_FILE)) + Bytes(file) + path},
      {"failed", Bytes(Header(FILE_OPEN, LAYOUT_FILE)) + Bytes(file) +
                     String(STRING_ARGUMENT, "a-rather-long-file-name.txt") +
                     String(STRING_BASE, "a-rather-long-directory/var/")},
      {"rename", Bytes(Header(FILE_RENAME, LAYOUT_FILE)) + Bytes(file) +
                     String(STRING_ARGUMENT, "a-rather-long-file-name.txt") +
                     String(STRING_TARGET_ARGUMENT, "another-rather-long-file-name")},
      {"connect", Bytes(Header(NET_CONNECT, LAYOUT_NET)) + Bytes(net)},
      {"setuid", Bytes(Header(CRED_SETUID, LAYOUT_CRED)) + Bytes(event_cred{})},
      {"signal", Bytes(Header(PROCESS_SIGNAL, LAYOUT_CALL)) + Bytes(args)},
      {"pipe", Bytes(Header(FILE_WRITE, LAYOUT_FILE)) + Bytes(file) +
                   String(STRING_PATH, "/", 0, STRING_DETACHED)},
  };
}

TEST(Alloc, NoneForAnyEventOfAKnownProcess) {
  Decoder decoder;
  ProcessTable table({}, "/nonexistent");
  EventView view;
  std::string scratch;
  uint64_t sum = 0;
  for (const Case& one : Cases()) {
    const auto once = [&] {
      if (!ParseEvent(one.bytes, &view)) std::abort();
      sum += table.Find(view.header)->process.pid() + decoder.Decode(view)->type();
    };
    for (int i = 0; i < 10; ++i) once();
    const uint64_t before = Allocations();
    const auto start = std::chrono::steady_clock::now();
    constexpr int kRounds = 100'000;
    for (int i = 0; i < kRounds; ++i) once();
    const auto end = std::chrono::steady_clock::now();
    EXPECT_EQ(Allocations() - before, 0u) << one.name;
    printf("%-8s %4.0f ns an event\n", one.name,
           std::chrono::duration<double, std::nano>(end - start).count() / kRounds);
  }
  EXPECT_GT(sum, 0u);
}

}  // namespace
}  // namespace cairn::capture
