#include "agent/capture/process_table.h"

#include <cstring>

#include "gtest/gtest.h"
#include "tests/capture/event_bytes.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kStart = 1'230'000'007;

std::string ForkBytes(uint32_t parent, uint64_t parent_start, uint32_t child, uint64_t start) {
  event_header header = Header(PROCESS_FORK, LAYOUT_TASK, parent);
  header.start_ns = parent_start;
  event_task task = {};
  task.pid = child;
  task.start_ns = start;
  task.ppid = parent;
  strcpy(task.comm, "sh");
  return Bytes(header) + Bytes(task);
}

std::string ExecBytes(uint32_t pid, uint64_t start, uint32_t uid = 0) {
  event_header header = Header(PROCESS_EXEC, LAYOUT_TASK, pid);
  header.start_ns = start;
  event_task task = {};
  task.pid = pid;
  task.start_ns = start;
  task.links = 1;
  task.creds.uid = task.creds.euid = uid;
  strcpy(task.comm, "prog");
  return Bytes(header) + Bytes(task) + String(STRING_EXE, "prog/bin/") +
         String(STRING_CWD, "tmp/") + String(STRING_ARGV, std::string("prog\0-x\0\0", 9)) +
         String(STRING_CGROUP, "a.service/system.slice/");
}

EventView View(const std::string& bytes) {
  EventView view;
  EXPECT_TRUE(ParseEvent(bytes, &view));
  return view;
}

event_header At(uint32_t pid, uint64_t start) {
  event_header header = Header(FILE_OPEN, LAYOUT_FILE, pid);
  header.start_ns = start;
  return header;
}

ProcessTable Empty(ProcessLimits limits = {}) { return ProcessTable(limits, "/nonexistent"); }

TEST(ProcessTable, SelectedVariablesAreKeptAndACutEnvironmentSaysSo) {
  ProcessTable table = Empty();
  const std::string env("A=1\0B=\0AB=2\0A\0", 14);
  const std::string bytes = ExecBytes(10, kStart);
  EXPECT_EQ(table.Exec(View(bytes + String(STRING_ENV, env)))->process.env_size(), 0);
  table.SetEnvironment({"A", "B"});
  const Process& process = table.Exec(View(bytes + String(STRING_ENV, env, 9000)))->process;
  ASSERT_EQ(process.env_size(), 3);
  EXPECT_EQ(process.env(0), "A=1");
  EXPECT_EQ(process.env(1), "B=");
  EXPECT_EQ(process.env(2), "A");
  EXPECT_EQ(process.env_length(), 9000u);
  EXPECT_EQ(table.Exec(View(bytes))->process.env_size(), 0) << "the next image has its own";
}

TEST(ProcessTable, ExecFillsTheImage) {
  ProcessTable table = Empty();
  const std::string bytes = ExecBytes(10, kStart);
  const Process& process = table.Exec(View(bytes))->process;
  EXPECT_EQ(process.exe(), "/bin/prog");
  EXPECT_EQ(process.cwd(), "/tmp");
  ASSERT_EQ(process.argv_size(), 3);
  EXPECT_EQ(process.argv(1), "-x");
  EXPECT_EQ(process.argv(2), "");
  EXPECT_EQ(process.unit(), "a.service");
  EXPECT_EQ(process.start_ns(), kStart);
}

TEST(ProcessTable, AChildInheritsTheImageAndItsAncestry) {
  ProcessTable table = Empty();
  const std::string exec = ExecBytes(10, kStart);
  table.Exec(View(exec));
  const std::string first = ForkBytes(10, kStart, 11, kStart + 50);
  table.Fork(View(first));
  const std::string second = ForkBytes(11, kStart + 50, 12, kStart + 90);
  table.Fork(View(second));
  const Process& process = table.Find(At(12, kStart + 90))->process;
  EXPECT_EQ(process.exe(), "/bin/prog");
  EXPECT_EQ(process.comm(), "sh");
  ASSERT_EQ(process.ancestors_size(), 2);
  EXPECT_EQ(process.ancestors(0).pid(), 11u);
  EXPECT_EQ(process.ancestors(1).pid(), 10u);
  EXPECT_EQ(process.ancestors(1).exe(), "/bin/prog");
}

TEST(ProcessTable, AReusedPidIsAnotherProcess) {
  ProcessTable table = Empty();
  const std::string exec = ExecBytes(10, kStart);
  ledger::Subject* old = table.Exec(View(exec));
  // Its exit was lost; the pid comes back a second later.
  ledger::Subject* now = table.Find(At(10, kStart + 1'000'000'000));
  EXPECT_NE(now, old);
  EXPECT_EQ(now->process.exe(), "");
  EXPECT_EQ(old->process.exe(), "/bin/prog");
  EXPECT_EQ(table.FindPid(10), now);
}

TEST(ProcessTable, AChangeNobodyToldOfRaisesTheGeneration) {
  ProcessTable table = Empty();
  ledger::Subject* subject = table.Find(At(10, kStart));
  subject->block = 7;
  event_header header = At(10, kStart);
  header.euid = 5;
  EXPECT_EQ(table.Find(header), subject);
  EXPECT_EQ(subject->process.euid(), 5u);
  EXPECT_EQ(subject->process.generation(), 1u);
  EXPECT_EQ(subject->block, 0u);
}

TEST(ProcessTable, AnEndedProcessIsKnownForAWhileThenReused) {
  ProcessTable table = Empty({.linger_ns = 1000});
  const std::string exec = ExecBytes(10, kStart);
  ledger::Subject* subject = table.Exec(View(exec));
  event_header exit = At(10, kStart);
  exit.time_ns = 5000;
  table.Exit(exit);
  EXPECT_EQ(table.live(), 0u);
  EXPECT_EQ(table.FindPid(10), subject);
  const std::string other = ExecBytes(11, kStart);
  table.Exec(View(other));
  exit = At(11, kStart);
  exit.time_ns = 9000;
  table.Exit(exit);
  EXPECT_EQ(table.FindPid(10), nullptr);
}

TEST(ProcessTable, MemoryIsBoundedWhenNoExitEverComes) {
  ProcessTable table = Empty({.live = 100, .lingering = 10});
  for (uint32_t pid = 1; pid <= 100'000; ++pid) table.Find(At(pid, kStart + pid));
  EXPECT_LE(table.live(), 100u);
  EXPECT_NE(table.FindPid(100'000), nullptr);
  EXPECT_EQ(table.FindPid(1), nullptr);
}

TEST(ProcessTable, CredentialsChangeOnce) {
  ProcessTable table = Empty();
  ledger::Subject* subject = table.Find(At(10, kStart));
  event_cred body = {};
  body.creds.uid = body.creds.euid = 1000;
  const std::string bytes = Bytes(Header(CRED_SETUID, LAYOUT_CRED, 10)) + Bytes(body);
  table.Credentials(View(bytes));
  table.Credentials(View(bytes));
  EXPECT_EQ(subject->process.uid(), 1000u);
  EXPECT_EQ(subject->process.generation(), 1u);
}

}  // namespace
}  // namespace cairn::capture
