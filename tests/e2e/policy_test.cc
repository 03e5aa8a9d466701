// Policy as its users meet it, on a host with real events: broken, changed, explained, simulated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ledger/reader.h"
#include "tests/e2e/host.h"
#include "tests/paths.h"

namespace cairn {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHead[] = "schema: cairn.policy/v1\n";

class PolicyE2e : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: not root: cairnd cannot load BPF programs";
    ASSERT_TRUE(host_.Prepare());
    secret_ = host_.Path("secret");
    host_.Write("secret", "x");
  }

  // A rule that wants each open of `secret_`.
  std::string Rule(const std::string& id, const std::string& more = "") const {
    return absl::StrCat("  - {id: ", id, ", on: [file.open], when: 'file.path == \"", secret_,
                        "\"'", more, "}\n");
  }
  void Policy(const std::string& text, const std::string& name = "10") const {
    host_.Write("policy.d/" + name + ".yaml", text);
  }
  std::string Said(const std::string& arguments, int want = 0) const {
    std::string output;
    EXPECT_EQ(host_.Cairn(arguments, &output), want) << arguments << "\n" << output;
    return output;
  }
  std::string Log() const { return host_.Path("log/1"); }
  std::string Rung() const {
    const std::string status = Said("status -o json");
    const std::string key = "\"policy_rung\":\"";
    const size_t begin = status.find(key) + key.size();
    return status.substr(begin, status.find('"', begin) - begin);
  }
  // Exit code and words of cairnd's answer.
  void Load(int want, const std::string& words) const {
    EXPECT_THAT(Said("policy load 2>&1", want), HasSubstr(words));
  }
  // By `cairn`, and by cairnd itself.
  void Refused(const std::string& words) {
    Load(6, words);
    host_.cairnd().Signal(SIGHUP);
  }
  // The rung that is reached, with an exec of its own on it.
  void Reaches(const std::string& want) {
    Host::Mark(absl::StrCat("rung-", marks_++));
    for (int i = 0; i < 200 && Rung() != want; ++i) ::usleep(50'000);
    EXPECT_EQ(Rung(), want) << "after mark " << marks_;
    EXPECT_THAT(Said("status"), HasSubstr(want));
  }
  // With nothing remembered of what was in force.
  void RestartAfresh() {
    Stop();
    Shell("rm -rf " + host_.Path("state"));
    ASSERT_TRUE(host_.Start());
  }
  void Stop() { EXPECT_EQ(host_.cairnd().Stop(SIGTERM), 0); }
  void ExpectExplained(uint64_t sequence, const std::string& policy);
  void ExpectHistory();
  void ExpectSimulated();
  uint64_t SequenceOf(const std::string& rule) const {
    const std::string json = Said("events --rule " + rule + " -o json " + Log());
    const std::string key = "\"sequence\":";
    const size_t begin = json.find(key) + key.size();
    uint64_t sequence = 0;
    EXPECT_TRUE(absl::SimpleAtoi(
        absl::string_view(json).substr(begin, json.find_first_not_of("0123456789", begin) - begin),
        &sequence))
        << json;
    return sequence;
  }

  Host host_;
  std::string secret_;
  int marks_ = 0;
};

// Each rung at start and at reload; all the while what the floor wants is in the log.
TEST_F(PolicyE2e, EachRungIsSeenInStatusAndLogAndNoFloorEventIsMissing) {
  const std::string good = absl::StrCat(kHead, "rules:\n", Rule("secret-read"));
  const std::string no_program =
      "\x7f"
      "ELF";
  Policy(good);
  ASSERT_TRUE(host_.Start());
  Reaches("configured");
  Program flow;  // of the floor's events, while files break
  flow.Start(
      {"/bin/sh", "-c", "i=0; while [ $i -lt 300 ]; do /bin/true flow-$i; i=$((i+1)); done"});
  for (int i = 0; i < 5; ++i) {
    Policy(good + "ruls: []\n");
    Refused("10.yaml:4:1: unknown key 'ruls' (did you mean 'rules'?)");
    Reaches("last-known-good");
    Policy(good);
    Load(0, "in force");
    Reaches("configured");
  }
  EXPECT_EQ(flow.Wait(), 0);
  Policy(good + "ruls: []\n");
  Stop();
  ASSERT_TRUE(host_.Start());  // from its state directory
  Reaches("last-known-good");

  Policy(good + "  - {id: wrong, on: [no.such]}\n");
  RestartAfresh();
  Reaches("additive");
  Policy(good);
  Load(0, "in force");
  Reaches("configured");

  Policy(no_program);
  RestartAfresh();
  Reaches("floor");
  Refused("10.yaml:1:1:");
  Reaches("floor");
  Policy(good + "  - {id: wrong, on: [no.such]}\n");
  Refused("no event 'no.such'");
  Reaches("additive");
  Stop();

  const std::string rejected = Said("events --type agent.policy_rejected -o json " + Log());
  for (const char* name : {"last-known-good", "additive", "floor", "unknown key 'ruls'"}) {
    EXPECT_THAT(rejected, HasSubstr(name));
  }
  EXPECT_EQ(host_.Verify().verdict, ledger::Verdict::kOk);
  auto seen = host_.ReadLog();
  for (int i = 0; i < marks_; ++i) EXPECT_EQ(seen[absl::StrCat("rung-", i)], 1) << i;
  for (int i = 0; i < 300; ++i) EXPECT_EQ(seen[absl::StrCat("flow-", i)], 1) << i;
  EXPECT_GE(seen[absl::StrCat("event ", AGENT_DEGRADED)], 3);
}

// 32 KiB of empty arguments are more than a block holds once they are encoded.
TEST_F(PolicyE2e, WhatFitsNoBlockIsQuarantinedAndNothingStops) {
  ASSERT_TRUE(host_.Start());
  Host::Mark("before");
  std::string none;
  std::vector<char*> arguments(40000, none.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execv("/bin/true", arguments.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  Host::Mark("after");
  ::sleep(1);
  const std::string said = Said("status -o json");
  EXPECT_THAT(said, Not(HasSubstr("\"quarantined\":0")));
  EXPECT_THAT(said, HasSubstr("\"storage_fault\":\"\""));
  Stop();
  const std::string table = Said("events --type agent.quarantine " + Log());
  EXPECT_THAT(table, HasSubstr(absl::StrCat("too large for a block: details of process ", child)));
  const std::string execs = Said("events --type process.exec -o json " + Log());
  EXPECT_THAT(execs, HasSubstr(absl::StrCat("\"pid\":", child)));
  EXPECT_EQ(host_.Verify().verdict, ledger::Verdict::kOk);
  auto seen = host_.ReadLog();
  EXPECT_EQ(seen["before"], 1);
  EXPECT_EQ(seen["after"], 1);
  EXPECT_EQ(seen[absl::StrCat("event ", AGENT_STORAGE_FAULT)], 0);
}

// Record `sequence` of the log, wanted by the rule secret-read; `policy` is what cairnd has in
// force.
void PolicyE2e::ExpectExplained(uint64_t sequence, const std::string& policy) {
  const std::string from = " --log " + Log();
  std::string text = Said(absl::StrCat("policy explain ", sequence, from));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("\"sequence\":", sequence)));
  EXPECT_THAT(text, HasSubstr("why it was recorded (policy generation 1): "));
  EXPECT_THAT(text, HasSubstr("  matches   secret-read  ("));
  EXPECT_THAT(text, HasSubstr("recorded by "));
  EXPECT_EQ(Said(absl::StrCat("policy explain ", sequence)), text) << "the configured log";
  Policy("ruless: []\n");  // cairnd would go on by what it last loaded whole
  EXPECT_EQ(Said(absl::StrCat("policy explain ", sequence, " 2>", host_.Path("messages"))), text);
  EXPECT_THAT(ledger::ReadAll(host_.Path("messages")), HasSubstr("did you mean 'rules'?"));
  EXPECT_THAT(ledger::ReadAll(host_.Path("messages")), HasSubstr("instead: last-known-good\n"));
  Policy(policy);
  host_.Write("candidate.yaml",
              absl::StrCat(kHead,
                           "rules:\n  - {id: other, on: [file.open], when: 'file.path == "
                           "\"/nowhere\" && process.uid == 0'}\n"));
  text = Said(
      absl::StrCat("policy explain ", sequence, from, " --policy ", host_.Path("candidate.yaml")));
  EXPECT_THAT(text, HasSubstr("  does not  other"));
  EXPECT_THAT(text, HasSubstr("false  file.path == \"/nowhere\"\n"));
  EXPECT_THAT(text, HasSubstr("not recorded: nothing asks for it"));
  EXPECT_THAT(Said("policy explain 99999999" + from + " 2>&1", 3), HasSubstr("no record 99999999"));
  Said("policy explain abc" + from + " 2>/dev/null", 5);
}

void PolicyE2e::ExpectHistory() {
  const std::string text = Said("policy history " + Log());
  EXPECT_THAT(text, HasSubstr("agent.policy_loaded  configured"));
  EXPECT_THAT(text, HasSubstr("by start"));
  EXPECT_THAT(text, HasSubstr("by control"));
  EXPECT_THAT(text, HasSubstr("added rule second"));
  EXPECT_THAT(text, HasSubstr(absl::StrCat(" ", ProgramPath("cairn"), "\n")));
}

// The candidate instead of what recorded the log.
void PolicyE2e::ExpectSimulated() {
  const std::string simulate =
      absl::StrCat("policy simulate --log ", Log(), " ", host_.Path("candidate.yaml"));
  const std::string text = Said(simulate + " 2>" + host_.Path("messages"));
  EXPECT_THAT(text, testing::ContainsRegex("secret-read +1,?501 +0\n"));
  EXPECT_THAT(text, testing::ContainsRegex("/cat +[0-9]+ +[0-9]+\n"));
  EXPECT_THAT(text, testing::ContainsRegex("floor:own-files +([0-9]+) +[1-9]"))
      << "no file lowers it";
  EXPECT_EQ(ledger::ReadAll(host_.Path("messages")), "") << "no terminal, no bar";
  std::string shown;
  EXPECT_EQ(Shell(absl::StrCat("script -qec \"", ProgramPath("cairn"), " ", simulate, " --config ",
                               host_.Path("agent.yaml"), " > ", host_.Path("out"),
                               "\" /dev/null </dev/null"),
                  &shown),
            0);
  EXPECT_THAT(shown, HasSubstr("simulate ["));
  EXPECT_EQ(ledger::ReadAll(host_.Path("out")), text) << "the same with and without a terminal";
}

TEST_F(PolicyE2e, ALogIsExplainedItsChangesToldAndACandidateSimulated) {
  Policy(absl::StrCat(kHead, "rules:\n", Rule("secret-read")));
  ASSERT_TRUE(host_.Start());
  Shell(absl::StrCat("i=0; while [ $i -lt 1500 ]; do read x < ", secret_, "; i=$((i+1)); done"));
  Shell("cat " + secret_);
  const std::string second = absl::StrCat(kHead, "rules:\n", Rule("secret-read"), Rule("second"));
  Policy(second);
  Load(0, "in force: generation 2");
  Stop();
  ExpectExplained(SequenceOf("secret-read"), second);
  ExpectHistory();
  ExpectSimulated();
}

std::string FileHash(const std::string& path) {
  const std::string bytes = ledger::ReadAll(path);
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
         reinterpret_cast<uint8_t*>(hash.data()));
  return hash;
}

// What `capture` asks for stands with the records of a process that starts while a rule asks.
TEST_F(PolicyE2e, CaptureOptionsActOnRealRecords) {
  const std::string plain = absl::StrCat(kHead, "rules:\n", Rule("plain"));
  Policy(plain);
  ASSERT_TRUE(host_.Start());
  const std::string read =
      "CAIRN_E2E=told HIDDEN=untold sh -c 'sh -c \"cat " + secret_ + "; :\"; :'";
  Shell(read);
  Policy(absl::StrCat(kHead, "rules:\n",
                      Rule("all", ", capture: {ancestors: 3, exe_hash: true, env: [CAIRN_E2E]}")));
  Load(0, "in force");
  Shell(read);  // reading a program is never waited for long: the hash is there from the next exec
  ::sleep(2);
  Shell(read);
  Policy(absl::StrCat(kHead, "rules:\n", Rule("verbose", ", capture: {level: verbose}")));
  Load(0, "in force");
  Shell(read);
  Stop();

  std::map<std::string, Process> by;
  auto reader = ledger::LogReader::Open(Log());
  ASSERT_TRUE(reader.ok());
  ledger::LoggedRecord logged;
  while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
    if (logged.record->file().path() != secret_ || logged.process == nullptr) continue;
    for (const absl::string_view rule : logged.rules) by[std::string(rule)] = *logged.process;
  }
  const std::string hash = FileHash("/bin/cat");
  EXPECT_EQ(by["plain"].exe_hash(), "");
  EXPECT_EQ(by["plain"].env_size(), 0);
  EXPECT_EQ(by["all"].exe_hash(), hash);
  ASSERT_EQ(by["all"].env_size(), 1);
  EXPECT_EQ(by["all"].env(0), "CAIRN_E2E=told");
  EXPECT_GE(by["all"].ancestors_size(), 3);
  EXPECT_EQ(by["verbose"].exe_hash(), hash);
  EXPECT_EQ(by["verbose"].env_size(), 0);
}

}  // namespace
}  // namespace cairn
