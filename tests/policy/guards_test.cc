#include "policy/guards.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "policy/compile.h"

namespace cairn::policy {
namespace {

Guards ReadGuards(const std::string& rules, const std::string& categories = "{file: \"off\"}") {
  std::vector<Problem> problems;
  std::vector<Source> sources = {
      ReadSource("x.yaml",
                 absl::StrCat("schema: cairn.policy/v1\nmetadata: {name: x, serial: 1}\n"
                              "categories: ",
                              categories, "\nrules:\n", rules),
                 &problems)};
  CompileOptions options;
  options.own_paths = {"/etc/cairn/"};
  const auto policy = CompilePolicy(std::move(sources), options, &problems);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return policy == nullptr ? Guards() : GuardsOf(*policy);
}

bool Guarded(const Guards& guards, EventType type) { return guards.guarded.test(type); }

TEST(Guards, ATypeIsGuardedWhenEveryRuleForItHasAGuard) {
  const char* path = "  - {id: a, on: [file.open], when: 'file.path.startsWith(\"/srv/\")'}\n";
  const char* user = "  - {id: b, on: [file.open], when: 'process.uid == 7 && file.mode > 0'}\n";
  const char* size = "  - {id: c, on: [file.open], when: 'file.mode > 0'}\n";
  const char* all = "  - {id: d, on: [file.open]}\n";
  EXPECT_TRUE(Guarded(ReadGuards(path), FILE_OPEN));
  EXPECT_TRUE(Guarded(ReadGuards(absl::StrCat(path, user)), FILE_OPEN));
  EXPECT_FALSE(Guarded(ReadGuards(absl::StrCat(path, size)), FILE_OPEN));
  EXPECT_FALSE(Guarded(ReadGuards(absl::StrCat(user, all)), FILE_OPEN));
  EXPECT_FALSE(Guarded(ReadGuards(path, "{file: verbose}"), FILE_OPEN));
  EXPECT_TRUE(ReadGuards(user).by_process().test(FILE_OPEN));
  EXPECT_TRUE(ReadGuards(user).by_path().test(FILE_OPEN)) << "the floor watches the agent's files";
}

TEST(Guards, WhatKeepsTheProcessTableIsNeverGuarded) {
  const Guards wanted = ReadGuards(
      "  - {id: a, on: [process.fork, process.exec, cred.setuid], when: 'process.uid == 7'}\n");
  for (const EventType type : {PROCESS_EXEC, PROCESS_FORK, CRED_SETUID, KERNEL_SYSCTL}) {
    EXPECT_FALSE(Guarded(wanted, type)) << type;
  }
}

TEST(Guards, AVerdictMutesWhatAllGuardsRefuse) {
  const Guards wanted = ReadGuards(
      "  - {id: a, on: [net.socket], when: 'process.uid in [1, 2]'}\n"
      "  - {id: b, on: [net.socket, net.listen], when: 'process.exe == \"/bin/nc\"'}\n");
  Process process;
  process.set_uid(3);
  process.set_exe("/bin/cat");
  EXPECT_TRUE(wanted.MutedFor(process).test(NET_SOCKET));
  EXPECT_TRUE(wanted.MutedFor(process).test(NET_LISTEN));
  process.set_uid(2);
  EXPECT_FALSE(wanted.MutedFor(process).test(NET_SOCKET));
  EXPECT_TRUE(wanted.MutedFor(process).test(NET_LISTEN));
  process.set_exe("/bin/nc");
  EXPECT_TRUE(wanted.MutedFor(process).none());
}

// Whatever the two are, the union guards a type only where neither wants it without a guard.
TEST(Guards, AUnionLetsThroughWhatEitherDoes) {
  const std::string rules[] = {
      "  - {id: a, on: [file.open], when: 'file.path == \"/x\"'}\n",
      "  - {id: b, on: [file.open]}\n",
      "  - {id: c, on: [file.read], when: 'file.path == \"/x\"'}\n",
      "  - {id: d, on: [file.open, file.read], when: 'process.uid == 1'}\n",
  };
  for (const std::string& one : rules) {
    for (const std::string& two : rules) {
      const Guards a = ReadGuards(one), b = ReadGuards(two), both = a.Union(b);
      EXPECT_EQ(both.types, a.types | b.types);
      EXPECT_EQ(both.list.size(), a.list.size() + b.list.size());
      for (size_t type = 0; type < 256; ++type) {
        const bool free = (a.types.test(type) && !a.guarded.test(type)) ||
                          (b.types.test(type) && !b.guarded.test(type));
        if (!both.types.test(type)) continue;
        EXPECT_EQ(both.guarded.test(type), !free) << type;
      }
    }
  }
}

TEST(Guards, APersonIsTold) {
  const std::string text = ExplainGuards(
      ReadGuards("  - {id: a, on: [file.read], when: 'file.path == \"/x\\u0007\"'}\n"));
  EXPECT_NE(text.find("file.read           file.path is /x\\x07\n"), std::string::npos) << text;
  EXPECT_NE(text.find("process.exec        all\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace cairn::policy
