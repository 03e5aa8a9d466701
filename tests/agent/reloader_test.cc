// A policy changes while events flow: none is lost, doubled or judged by a mix.
#include "agent/reloader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/io.h"
#include "ledger/note.h"
#include "ledger/reader.h"
#include "ledger/verifier.h"
#include "tests/ledger/test_log.h"

namespace cairn::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
constexpr char kOrigin[] = "test/h/00000000-0000-4000-8000-000000000001/1";

// The kernel's side: takes filters, knows some processes.
class FakeCapture : public capture::Capture {
 public:
  int wait_fd() const override { return -1; }
  uint64_t look_ns() const override { return UINT64_MAX; }
  bool busy() const override { return false; }
  size_t Drain(absl::FunctionRef<void(const capture::Captured&)>) override { return 0; }
  absl::Status SetWanted(const policy::Wanted& wanted, const policy::Guards&) override {
    if (refuse) return absl::InternalError("no room in the map");
    filters.push_back(wanted);
    return absl::OkStatus();
  }
  bool more() const override { return false; }
  void Settle() override {}
  void Detach() override {}
  void Keep() override {}
  uint64_t resumed_from_ns() const override { return 0; }
  void Told(const Record&) override {}
  const std::string& pins() const override { return name_; }
  const std::string& canary() const override { return name_; }
  absl::Status LetOthersWrite(const std::string&) override { return absl::OkStatus(); }
  const std::string& protection() const override { return name_; }
  const std::string& audit_reason() const override { return name_; }
  ledger::Subject* FindProcess(uint32_t pid) override {
    const auto found = processes.find(pid);
    return found == processes.end() ? nullptr : &found->second;
  }
  void FillHeartbeat(Heartbeat*) override {}
  const std::string& backend() const override { return name_; }
  const std::string& backend_reason() const override { return name_; }
  const std::string& audit_mode() const override { return name_; }
  size_t snapshot_processes() const override { return 0; }

  bool refuse = false;
  std::vector<policy::Wanted> filters;
  std::map<uint32_t, ledger::Subject> processes;

 private:
  const std::string name_ = "fake";
};

std::string PolicyOf(const std::string& rule) {
  return absl::StrCat("schema: cairn.policy/v1\nrules: [{id: ", rule, ", on: [file.open]}]\n");
}

class ReloaderTest : public testing::Test {
 protected:
  ReloaderTest() {
    ledger::LedgerOptions options;
    options.dir = dir_.path() + "/log";
    options.origin = kOrigin;
    options.boot_time_ns = BootNs;
    options.wall_time_ns = WallNs;
    EXPECT_TRUE(MakeDirectories(Io::Real(), options.dir, 0755).ok());
    EXPECT_TRUE(MakeDirectories(Io::Real(), PolicyPath(), 0755).ok());
    ledger_ = *ledger::Ledger::Open(options, log_key_.Clone());
    recorder_ = std::make_unique<Recorder>(ledger_.get());
    WritePolicy(PolicyOf("a"));
  }

  std::string PolicyPath() const { return dir_.path() + "/policy.d"; }
  void WritePolicy(const std::string& text) const {
    ledger::WriteAllTo(PolicyPath() + "/.next", text);
    ASSERT_EQ(::rename((PolicyPath() + "/.next").c_str(), (PolicyPath() + "/p.yaml").c_str()), 0);
  }

  void Open(std::vector<ledger::VerifierKey> collectors = {}, bool watch = false) {
    const ledger::VerifierKey key = {kOrigin, ledger::SignatureType::kEd25519,
                                     log_key_.public_key()};
    receipts_ = *Receipts::Watch(dir_.path() + "/receipts", key, std::move(collectors));
    Reloader::Options options;
    options.load.dir = PolicyPath();
    options.wait_ns = kWaitNs;
    options.watch = watch;
    policy::LoadResult first = policy::LoadPolicy(options.load, nullptr);
    ledger_->SetPolicy(1, first.policy->digest());
    recorder_->SetPolicy(first.policy);
    digest_of_[1] = first.policy->digest();
    Reloader::Parts parts;
    parts.recorder = recorder_.get();
    parts.ledger = ledger_.get();
    parts.capture = &capture_;
    parts.receipts = receipts_.get();
    parts.witness = &witness_;
    parts.drain = [this] { Feed(drained_); };
    reloader_ = *Reloader::Create(std::move(options), parts, std::move(first));
  }

  // The next `count` numbered events.
  void Feed(int count) {
    for (int i = 0; i < count; ++i) {
      Record record;
      record.set_type(FILE_OPEN);
      record.mutable_file()->set_path(absl::StrCat("/n/", next_++));
      recorder_->Take({BootNs(), &record, nullptr});
    }
  }
  static Requester Hup(uint32_t pid = 0) {
    Requester requester;
    requester.trigger = "SIGHUP";
    requester.pid = pid;
    return requester;
  }
  void LoadAndWait() {
    reloader_->Request(Hup());
    for (int i = 0; i < 20000 && reloader_->loads() < reloader_->requests(); ++i) {
      reloader_->Poll(BootNs());
      ::usleep(1000);
    }
    ASSERT_EQ(reloader_->loads(), reloader_->requests());
  }

  struct Seen {
    std::map<std::string, int> numbers;  // path: how often
    std::map<std::string, int> by_rule;  // "a" …: how many
    std::vector<PolicyChange> changes;
    int degraded = 0;
  };
  // Reads the log back, and checks that each record was judged by the policy of its generation.
  Seen ReadBack() {
    EXPECT_TRUE(ledger_->Close("stop").ok());
    Seen seen;
    auto reader = ledger::LogReader::Open(dir_.path() + "/log");
    EXPECT_TRUE(reader.ok()) << reader.status();
    ledger::LoggedRecord logged;
    while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
      seen.degraded += logged.record->type() == AGENT_DEGRADED;
      if (logged.record->has_policy()) {
        const PolicyChange& change = logged.record->policy();
        EXPECT_EQ(logged.policy_generation, change.old_generation()) << "told by the old policy";
        digest_of_[change.new_generation()] = change.new_digest();
        seen.changes.push_back(change);
      }
      if (logged.record->type() != FILE_OPEN) continue;
      ++seen.numbers[logged.record->file().path()];
      EXPECT_EQ(logged.rules.size(), 1u) << absl::StrJoin(logged.rules, ",");
      const std::string rule(logged.rules[0]);
      ++seen.by_rule[rule];
      EXPECT_EQ(digest_of_[logged.policy_generation], rule_digest_[rule])
          << "record " << logged.sequence << " of generation " << logged.policy_generation;
    }
    ledger::VerifyOptions options;
    options.self_key = true;
    EXPECT_EQ(ledger::VerifyLog(dir_.path() + "/log", options).verdict, ledger::Verdict::kOk);
    return seen;
  }
  // So that ReadBack knows which digest is which rule's.
  void Learn(const std::string& rule) {
    WritePolicy(PolicyOf(rule));
    rule_digest_[rule] = policy::LoadPolicy(PolicyPath(), "", nullptr).policy->digest();
  }

  static constexpr uint64_t kWaitNs = 3'000'000'000;
  ledger::TempDir dir_;
  const ledger::SigningKey log_key_ = ledger::SigningKey::Generate();
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<Recorder> recorder_;
  FakeCapture capture_;
  PolicyWitness witness_{PolicyPath()};
  std::unique_ptr<Receipts> receipts_;
  std::unique_ptr<Reloader> reloader_;
  int next_ = 0;
  int drained_ = 0;  // events that come out of the kernel at the moment of change
  std::map<uint64_t, std::string> digest_of_;  // of a generation
  std::map<std::string, std::string> rule_digest_;
};

TEST_F(ReloaderTest, AStormOfReloadsUnderLoadLosesDoublesAndMixesNothing) {
  for (const char* rule : {"a", "b", "c"}) Learn(rule);
  WritePolicy(PolicyOf("a"));
  Open();
  drained_ = 17;
  std::mt19937 random(11);
  int broken = 0;
  while (reloader_->loads() < 200 || reloader_->generation() <= 20) {
    Feed(static_cast<int>(random() % 300));
    if (random() % 3 == 0) ledger_->Flush();
    switch (random() % 6) {
      case 0:
        WritePolicy("schema: cairn.policy/v1\nrules: [\n");
        ++broken;
        break;
      case 1:
        break;  // asked for without a change
      default:
        WritePolicy(PolicyOf(std::string(1, static_cast<char>('a' + random() % 3))));
    }
    for (size_t i = 0; i <= random() % 4; ++i) reloader_->Request(Hup());
    reloader_->Poll(BootNs());
    ledger_->Tick();
  }
  LoadAndWait();
  Feed(100);
  ASSERT_GT(broken, 0);
  const Seen seen = ReadBack();
  EXPECT_EQ(seen.numbers.size(), static_cast<size_t>(next_)) << "none lost";
  for (const auto& [path, count] : seen.numbers) ASSERT_EQ(count, 1) << path;
  for (const char* rule : {"a", "b", "c"}) EXPECT_GT(seen.by_rule.at(rule), 0) << rule;
}

// Files are read on another thread: events go on being judged meanwhile.
TEST_F(ReloaderTest, ALoadThatTakesLongHoldsNothingUp) {
  Learn("a");
  Open();
  std::string large = "schema: cairn.policy/v1\nrules:\n";
  for (int i = 0; i < 15000; ++i) {
    absl::StrAppend(&large, "  - {id: r", i, ", on: [file.open], when: \"file.path == '/", i,
                    "'\"}\n");
  }
  WritePolicy(large);
  reloader_->Request(Hup());
  Feed(1000);
  reloader_->Poll(BootNs());
  EXPECT_EQ(reloader_->loads(), 0u) << "still being compiled, after a thousand events";
  LoadAndWait();
  EXPECT_EQ(reloader_->generation(), 2u);
  const Seen seen = ReadBack();
  EXPECT_EQ(seen.by_rule.at("a"), 1000);
}

TEST_F(ReloaderTest, TheChangeIsReceiptedBeforeItTakesEffectOrWaitsNoLonger) {
  const ledger::SigningKey collector = ledger::SigningKey::Generate();
  for (const char* rule : {"a", "b", "c"}) Learn(rule);
  WritePolicy(PolicyOf("a"));
  Open({{"c.example/1", ledger::SignatureType::kCosignature, collector.public_key()}});
  const auto loaded = [&] {  // until its record is durable
    for (int i = 0; i < 20000; ++i) {
      if (reloader_->Poll(BootNs()) != UINT64_MAX) return;
      ::usleep(1000);
    }
    FAIL() << "never loaded";
  };
  WritePolicy(PolicyOf("b"));
  reloader_->Request(Hup());
  loaded();
  EXPECT_EQ(reloader_->generation(), 1u) << "no receipt yet";
  Feed(10);
  ledger::Note note;
  note.text =
      ledger::Checkpoint{kOrigin, ledger_->stats().checkpoint_size, std::string(32, 'r')}.ToText();
  note.signatures = {ledger::SignNote(note.text, kOrigin, log_key_),
                     ledger::CosignNote(note.text, "c.example/1", collector, 1790000000)};
  ASSERT_TRUE(
      WriteFileDurably(Io::Real(), dir_.path() + "/receipts", "r", note.ToString(), 0644).ok());
  std::string error;
  receipts_->Read(ledger_->stats().size, &error);
  reloader_->Poll(BootNs());
  EXPECT_EQ(reloader_->generation(), 2u) << error;
  Feed(10);

  WritePolicy(PolicyOf("c"));
  reloader_->Request(Hup());
  loaded();
  const uint64_t deadline_ns = reloader_->Poll(BootNs());
  Feed(10);
  EXPECT_EQ(reloader_->generation(), 2u);
  reloader_->Poll(deadline_ns);
  EXPECT_EQ(reloader_->generation(), 3u) << "it waited long enough";
  Feed(10);
  const Seen seen = ReadBack();
  EXPECT_EQ(seen.by_rule, (std::map<std::string, int>{{"a", 10}, {"b", 20}, {"c", 10}}));
}

TEST_F(ReloaderTest, ABrokenFileIsRefusedSaidOnceAndMended) {
  Learn("a");
  Open();
  WritePolicy("schema: cairn.policy/v1\nruls: []\n");
  LoadAndWait();
  EXPECT_EQ(reloader_->current().rung, policy::Rung::kLastKnownGood);
  EXPECT_THAT(reloader_->errors(), ElementsAre(HasSubstr("did you mean 'rules'?")));
  EXPECT_EQ(reloader_->generation(), 1u);
  LoadAndWait();
  WritePolicy(PolicyOf("a"));
  LoadAndWait();
  EXPECT_EQ(reloader_->current().rung, policy::Rung::kConfigured);
  EXPECT_TRUE(reloader_->errors().empty());
  const Seen seen = ReadBack();
  ASSERT_EQ(seen.changes.size(), 3u);
  EXPECT_EQ(seen.changes[0].rung(), "last-known-good");
  EXPECT_EQ(seen.changes[2].rung(), "configured");
  EXPECT_EQ(seen.degraded, 1) << "once, when it began";
}

TEST_F(ReloaderTest, TheKernelsFilterIsTriedFirstAndIsTheUnionMeanwhile) {
  Open();
  WritePolicy("schema: cairn.policy/v1\nrules: [{id: d, on: [net.connect]}]\n");
  capture_.refuse = true;
  LoadAndWait();
  EXPECT_EQ(reloader_->generation(), 1u);
  EXPECT_EQ(reloader_->current().rung, policy::Rung::kLastKnownGood);
  EXPECT_THAT(reloader_->errors(), ElementsAre(HasSubstr("kernel filter: no room in the map")));
  capture_.refuse = false;
  LoadAndWait();
  EXPECT_EQ(reloader_->generation(), 2u);
  ASSERT_EQ(capture_.filters.size(), 2u);
  EXPECT_TRUE(capture_.filters[0].Has(FILE_OPEN) && capture_.filters[0].Has(NET_CONNECT));
  EXPECT_TRUE(capture_.filters[1].Has(NET_CONNECT));
}

TEST_F(ReloaderTest, TheRecordSaysWhoAskedAndWhoWrote) {
  Open();
  ledger::Subject vim, systemctl;
  vim.process.set_pid(41);
  vim.process.set_exe("/usr/bin/vim");
  vim.process.set_auid(1000);
  Record wrote;
  wrote.set_type(FILE_WRITE);
  wrote.mutable_file()->set_path(PolicyPath() + "/p.yaml");
  witness_.See({BootNs(), &wrote, &vim});
  capture_.processes[500].process.set_pid(500);
  capture_.processes[500].process.set_exe("/usr/bin/kill");
  capture_.processes[500].process.set_auid(1001);
  capture_.processes[500].process.set_ppid(400);
  reloader_->Request(Hup(500));
  LoadAndWait();

  systemctl.process.set_pid(42);
  systemctl.process.set_exe("/usr/bin/systemctl");
  systemctl.process.set_auid(1002);
  for (const char* word : {"systemctl", "reload", "cairnd"}) systemctl.process.add_argv(word);
  Record exec;
  exec.set_type(PROCESS_EXEC);
  witness_.See({BootNs(), &exec, &systemctl});
  capture_.processes[500].process.set_ppid(1);  // the kill that process 1 ran
  WritePolicy(PolicyOf("b"));
  reloader_->Request(Hup(500));
  for (int i = 0; i < 20000 && reloader_->loads() < reloader_->requests(); ++i) {
    reloader_->Poll(BootNs());
    ::usleep(1000);
  }
  rule_digest_.clear();
  const Seen seen = ReadBack();
  ASSERT_GE(seen.changes.size(), 2u);
  const PolicyChange& direct = seen.changes.front();
  EXPECT_EQ(direct.requester_exe(), "/usr/bin/kill");
  EXPECT_EQ(direct.requester_auid(), 1001u);
  EXPECT_FALSE(direct.requester_inferred());
  ASSERT_EQ(direct.writer_size(), 1);
  EXPECT_EQ(direct.writer(0).exe(), "/usr/bin/vim");
  const PolicyChange& inferred = seen.changes.back();
  EXPECT_EQ(inferred.requester_exe(), "/usr/bin/systemctl");
  EXPECT_EQ(inferred.requester_auid(), 1002u);
  EXPECT_TRUE(inferred.requester_inferred());
  EXPECT_EQ(inferred.writer_size(), 0) << "unknown: nobody was seen";
}

TEST_F(ReloaderTest, AChangedFileIsLoadedByItselfOnce) {
  for (const char* rule : {"a", "b"}) Learn(rule);
  WritePolicy(PolicyOf("a"));
  Open({}, /*watch=*/true);
  const auto until = [&](uint64_t generation) {
    for (int i = 0; i < 3000 && reloader_->generation() < generation; ++i) {
      reloader_->Poll(BootNs());
      ::usleep(10'000);
    }
    ASSERT_EQ(reloader_->generation(), generation);
  };
  WritePolicy(PolicyOf("b"));
  until(2);
  // A directory put in its place is seen as well.
  const std::string next = dir_.path() + "/next.d";
  ASSERT_TRUE(MakeDirectories(Io::Real(), next, 0755).ok());
  ledger::WriteAllTo(next + "/p.yaml", PolicyOf("a"));
  ASSERT_EQ(::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, PolicyPath().c_str(), RENAME_EXCHANGE),
            0);
  until(3);
  // SIGHUP came first: the change that inotify tells is the one that was loaded.
  WritePolicy(PolicyOf("b"));
  LoadAndWait();
  const uint64_t before = reloader_->loads();
  for (int i = 0; i < 3000 && reloader_->loads() == before; ++i) {
    reloader_->Poll(BootNs());
    ::usleep(10'000);
  }
  const Seen seen = ReadBack();
  ASSERT_EQ(seen.changes.size(), 3u);
  EXPECT_EQ(seen.changes[0].trigger(), "inotify");
  EXPECT_EQ(seen.changes[2].trigger(), "SIGHUP");
}

}  // namespace
}  // namespace cairn::agent
