// No allocation per decision: operator new is counted.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "policy/compile.h"
#include "proto/names.h"
#include "tests/allocations.h"
#include "tests/paths.h"

namespace cairn::policy {
namespace {

// Each thing that a condition can do, in rules, exceptions and noise, beside a thousand rules that
// cannot match.
std::string Everything() {
  std::string text = R"(schema: cairn.policy/v1
lists: {internal: ["10.0.0.0/8", "::1/128"], tools: [/usr/bin/rsync]}
categories: {file: verbose, net: standard}
rules:
  - {id: regex, on: [file.open], when: 'file.path.matches("^/usr/.*so[.0-9]*$")'}
  - {id: words, on: [file.open], when: '"read" in file.access && file.path.endsWith(".so")'}
  - {id: net, on: ["net.*"], when: '!lists.internal.exists(n, cidr(n).containsIP(net.dst_ip))'}
  - {id: ancestors, on: [process.exec], when: 'process.ancestors.exists(a, a.exe == "/bin/sh")'}
  - {id: argv, on: [process.exec], when: 'process.argv.exists(a, a.contains("pass"))'}
  - {id: size, on: [process.exec], when: 'size(process.argv) > 3 || process.argv[0] == "x"'}
  - {id: error, on: [file.open], when: 'process.argv[100] == "x"'}
  - {id: time, on: [file.open], when: 'time > timestamp("2020-01-01T00:00:00Z")'}
  - {id: few, on: [file.open], limit: {per: [process.exe], events: 1, every: 1m, then: count}}
exceptions:
  - {id: e, rule: words, when: 'process.exe in lists.tools', reason: r, owner: o, expires: 2099-01-01}
noise: [{id: n, on: [file.open], when: 'file.path.startsWith("/usr/lib/")'}]
)";
  const size_t rules = text.find("exceptions:");
  std::string cold;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&cold, "  - {id: r", i, ", on: [file.open], when: 'file.path == \"/opt/", i,
                    "\"'}\n");
  }
  return text.insert(rules, cold);
}

// What is in each record so that no field reads as absent.
void Fill(Record* record, Process* process) {
  record->set_ret(3);
  record->mutable_file()->set_path("/usr/lib/x86_64-linux-gnu/libc.so.6");
  record->mutable_file()->set_access(1);
  record->mutable_target()->set_path("/usr/lib/other");
  record->mutable_net()->set_dst_ip(std::string("\xc0\x00\x02\x01", 4));
  record->mutable_net()->set_dst_port(443);
  record->mutable_cred()->set_uid(0);
  record->mutable_peer()->set_pid(1);
  process->set_pid(7);
  process->set_start_ns(9);
  process->set_exe("/usr/bin/a-program-with-a-long-name");
  for (const char* word : {"a-program", "--password", "a-secret-that-is-long-enough"}) {
    process->add_argv(word);
  }
  process->add_ancestors()->set_exe("/bin/sh");
}

size_t AllocationsOf(const Policy& policy) {
  Record record;
  Process process;
  Fill(&record, &process);
  Decision decision;
  const auto decide = [&](int round) {
    for (int type = 1; type < 256; ++type) {
      record.set_type(static_cast<EventType>(type));
      if (EventName(record.type()) == "unknown") continue;
      policy.Decide(
          {static_cast<uint64_t>(1000 + round), &record, &process, 1'700'000'000'000'000'000},
          &decision);
    }
  };
  for (int round = 0; round < 3; ++round) decide(round);  // a limit's key, and what grows once
  const uint64_t before = Allocations();
  for (int round = 3; round < 100; ++round) decide(round);
  return Allocations() - before;
}

std::shared_ptr<const Policy> Compiled(std::vector<std::pair<std::string, std::string>> files) {
  std::vector<Problem> problems;
  std::vector<Source> sources;
  for (auto& [name, text] : files) sources.push_back(ReadSource(name, std::move(text), &problems));
  std::shared_ptr<const Policy> policy =
      CompilePolicy(std::move(sources), CompileOptions(), &problems);
  EXPECT_TRUE(problems.empty()) << problems[0].ToString();
  return policy;
}

TEST(DecideAlloc, NoneWhateverTheConditionAndTheEvent) {
  const auto policy = Compiled({{"all.yaml", Everything()}});
  ASSERT_NE(policy, nullptr);
  EXPECT_EQ(AllocationsOf(*policy), 0u);
}

TEST(DecideAlloc, NoneForAnyShippedPack) {
  for (const char* pack :
       {"baseline", "audit", "provenance", "stig", "pci-dss", "ospp", "attack"}) {
    const std::string path = SourcePath(absl::StrCat("config/policy/", pack, ".yaml"));
    const auto text = ReadFile(path, 1 << 20);
    ASSERT_TRUE(text.ok()) << text.status();
    const auto policy = Compiled({{path, *text}});
    ASSERT_NE(policy, nullptr) << pack;
    EXPECT_EQ(AllocationsOf(*policy), 0u) << pack;
  }
}

}  // namespace
}  // namespace cairn::policy
