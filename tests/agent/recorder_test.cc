#include "agent/recorder.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>

#include "absl/strings/str_cat.h"
#include "ledger/reader.h"
#include "ledger/verifier.h"
#include "tests/ledger/test_log.h"

namespace cairn::agent {
namespace {

// Records execs by one rule, counts opens, drops the rest.
class ThreeWays : public policy::Policy {
 public:
  void Decide(const policy::Event& event, policy::Decision* decision) const override {
    switch (event.record->type()) {
      case PROCESS_EXEC:
        decision->verdict = policy::Verdict::kRecord;
        decision->rules.push_back(&rule_);
        decision->severity = SEVERITY_HIGH;
        break;
      case AUTH_LOGIN:
        decision->verdict = policy::Verdict::kRecord;
        decision->capture.level = policy::LEVEL_MINIMAL;
        break;
      case FILE_OPEN:
        decision->verdict = policy::Verdict::kCount;
        break;
      case AGENT_LOSS:
      case AGENT_TAMPER_ATTEMPT:
        decision->verdict = policy::Verdict::kRecord;
        break;
      default:
        decision->verdict = policy::Verdict::kDrop;
    }
  }
  const policy::Wanted& wanted() const override { return wanted_; }
  const std::string& digest() const override { return digest_; }

 private:
  const std::string rule_ = "execs";
  const std::string digest_ = std::string(32, 'd');
  const policy::Wanted wanted_;
};

// A disk that refuses every write while `full`.
class FillingDisk : public Io {
 public:
  ssize_t Write(int fd, const void* data, size_t size) override {
    if (!full) return Io::Write(fd, data, size);
    errno = ENOSPC;
    return -1;
  }
  int Open(const char* path, int flags, mode_t mode) override {
    if (!full || (flags & O_CREAT) == 0) return Io::Open(path, flags, mode);
    errno = ENOSPC;
    return -1;
  }
  bool full = false;
};

class RecorderTest : public testing::Test {
 protected:
  RecorderTest() {
    ledger::LedgerOptions options;
    options.dir = dir_.path();
    options.origin = "test/h/00000000-0000-4000-8000-000000000001/1";
    options.io = &disk_;
    options.boot_time_ns = [this] { return now_ns_; };
    options.wall_time_ns = [this] { return now_ns_ + 1'700'000'000'000'000'000; };
    auto opened = ledger::Ledger::Open(options, ledger::SigningKey::Generate());
    EXPECT_TRUE(opened.ok()) << opened.status();
    ledger_ = *std::move(opened);
    recorder_ = std::make_unique<Recorder>(ledger_.get());
    recorder_->SetPolicy(std::make_shared<ThreeWays>());
  }

  void Take(EventType type) {
    Record record;
    record.set_type(type);
    if (type == AGENT_LOSS) {
      record.mutable_loss()->set_source("ebpf");
      record.mutable_loss()->set_reason("ring_full");
      record.mutable_loss()->set_count(7);
    }
    recorder_->Take({now_ns_, &record, nullptr});
  }

  // How often each event stands in the log, and the sum of losses of type exec.
  std::map<EventType, int> ReadBack(uint64_t* lost_execs = nullptr) {
    std::map<EventType, int> counts;
    auto reader = ledger::LogReader::Open(dir_.path());
    EXPECT_TRUE(reader.ok());
    ledger::LoggedRecord logged;
    while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
      ++counts[logged.record->type()];
      const bool exec_loss =
          logged.record->has_loss() && logged.record->loss().type() == PROCESS_EXEC;
      if (lost_execs != nullptr && exec_loss) *lost_execs += logged.record->loss().count();
      if (logged.record->type() == PROCESS_EXEC) {
        EXPECT_EQ(logged.rules, std::vector<absl::string_view>{"execs"});
        EXPECT_EQ(logged.record->severity(), SEVERITY_HIGH);
      }
      if (logged.record->type() == AGENT_TAMPER_ATTEMPT) {
        EXPECT_EQ(logged.record->severity(), SEVERITY_CRITICAL);
      }
    }
    return counts;
  }

  ledger::TempDir dir_;
  FillingDisk disk_;
  uint64_t now_ns_ = 1'000'000'000;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<Recorder> recorder_;
};

TEST_F(RecorderTest, EachVerdictGoesItsWayAndIsCounted) {
  for (const EventType type : {PROCESS_EXEC, FILE_OPEN, PROCESS_EXEC, FILE_CLOSE, AGENT_LOSS}) {
    Take(type);
  }
  const Counts& counts = recorder_->counts();
  EXPECT_EQ(counts.seen, 5u);
  EXPECT_EQ(counts.recorded, 3u);
  EXPECT_EQ(counts.counted, 1u);
  EXPECT_EQ(counts.dropped, 1u);
  EXPECT_EQ(counts.lost, 7u);
  EXPECT_EQ(counts.by_type[PROCESS_EXEC], 2u);
  ASSERT_TRUE(ledger_->Close("stop").ok());
  EXPECT_EQ(ReadBack()[PROCESS_EXEC], 2);
}

// The rule that wants it says nothing of how severe it is.
TEST_F(RecorderTest, WhatCaptureKnowsToBeCriticalStaysCritical) {
  Record record;
  record.set_type(AGENT_TAMPER_ATTEMPT);
  record.set_severity(SEVERITY_CRITICAL);
  record.mutable_notice()->set_what("capture was tampered with");
  recorder_->Take({now_ns_, &record, nullptr});
  ASSERT_TRUE(ledger_->Close("stop").ok());
  EXPECT_EQ(ReadBack()[AGENT_TAMPER_ATTEMPT], 1);
}

// One act told twice: the second record is a link to the first one's sequence number.
TEST_F(RecorderTest, AuditEventOfAKnownActBecomesALink) {
  ledger::Subject subject;
  subject.process.set_pid(77);
  const auto take = [&](Source source, int64_t ret) {
    Record record;
    record.set_type(PROCESS_EXEC);
    record.set_source(source);
    record.set_ret(ret);
    if (source == SOURCE_AUDIT) record.mutable_audit()->set_arch(0xc000003e);
    recorder_->Take({now_ns_, &record, &subject});
  };
  take(SOURCE_AUDIT, -1);  // the first audit event wakes the joining up, and has no twin
  const uint64_t sequence = ledger_->stats().next_sequence;
  take(SOURCE_EBPF, 0);
  take(SOURCE_AUDIT, 0);
  take(SOURCE_AUDIT, 0);
  ASSERT_TRUE(ledger_->Close("stop").ok());
  auto reader = ledger::LogReader::Open(dir_.path());
  ASSERT_TRUE(reader.ok());
  std::vector<uint64_t> links;
  int execs = 0;
  ledger::LoggedRecord logged;
  while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
    execs += logged.record->type() == PROCESS_EXEC;
    if (logged.record->type() != AUDIT_LINK) continue;
    links.push_back(logged.record->audit().linked_sequence());
  }
  EXPECT_EQ(links, std::vector<uint64_t>{sequence});
  EXPECT_EQ(execs, 3);
}

// "minimal" leaves out the kernel's words and what has no field of its own, nothing else.
TEST_F(RecorderTest, MinimalRecordsHaveNoRawText) {
  for (const EventType type : {AUTH_LOGIN, PROCESS_EXEC}) {
    Record record;
    record.set_type(type);
    record.set_source(SOURCE_AUDIT);
    record.mutable_audit()->set_account("alice");
    record.mutable_audit()->set_text("type=USER_LOGIN msg=…");
    record.mutable_audit()->set_text_length(21);
    (*record.mutable_audit()->mutable_fields())["id"] = "0";
    recorder_->Take({now_ns_, &record, nullptr});
  }
  ASSERT_TRUE(ledger_->Close("stop").ok());
  auto reader = ledger::LogReader::Open(dir_.path());
  ASSERT_TRUE(reader.ok());
  int seen = 0;
  ledger::LoggedRecord logged;
  while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
    if (!logged.record->has_audit()) continue;
    const Audit& audit = logged.record->audit();
    const bool minimal = logged.record->type() == AUTH_LOGIN;
    EXPECT_EQ(audit.text().empty(), minimal);
    EXPECT_EQ(audit.text_length() == 0, minimal);
    EXPECT_EQ(audit.fields().empty(), minimal);
    EXPECT_EQ(audit.account(), "alice");
    ++seen;
  }
  EXPECT_EQ(seen, 2);
}

TEST_F(RecorderTest, OwnRecordsAreKeptWhateverThePolicySays) {
  Record record;
  record.set_type(AGENT_HEARTBEAT);  // dropped by the policy above
  recorder_->TakeOwn(record, nullptr, true);
  ASSERT_TRUE(ledger_->Close("stop").ok());
  EXPECT_EQ(ReadBack()[AGENT_HEARTBEAT], 1);
}

TEST_F(RecorderTest, AFullDiskIsCountedExactlyAndSaidAfterwards) {
  Take(PROCESS_EXEC);
  ASSERT_TRUE(ledger_->Sync().ok());
  disk_.full = true;
  uint64_t taken = 1;
  for (int i = 0; i < 1000; ++i) {
    now_ns_ += 1'000'000;
    const uint64_t refused = recorder_->counts().refused;
    Take(PROCESS_EXEC);
    taken += recorder_->counts().refused == refused ? 1 : 0;
    ledger_->Flush();
    ledger_->Tick();
  }
  Record start;
  start.set_type(AGENT_START);
  recorder_->TakeOwn(start, nullptr, true);
  EXPECT_TRUE(recorder_->faulty());
  EXPECT_GT(recorder_->counts().refused, 0u);

  disk_.full = false;
  for (int i = 0; i < 50 && recorder_->faulty(); ++i) {
    now_ns_ += 100'000'000;
    ledger_->Tick();
    recorder_->RetryAfterFault();
  }
  EXPECT_FALSE(recorder_->faulty());
  ASSERT_TRUE(ledger_->Close("stop").ok());
  uint64_t lost = 0;
  auto counts = ReadBack(&lost);
  EXPECT_EQ(static_cast<uint64_t>(counts[PROCESS_EXEC]), taken);
  EXPECT_EQ(taken + lost, 1001u) << "recorded + declared lost = done";
  EXPECT_GE(counts[AGENT_STORAGE_FAULT], 1);
  EXPECT_EQ(counts[AGENT_START], 1) << "the agent's own record waited for the disk";
  ledger::VerifyOptions options;
  options.self_key = true;
  EXPECT_EQ(ledger::VerifyLog(dir_.path(), options).verdict, ledger::Verdict::kOk);
}

// What stands in the log as agent.quarantine, and of each exec the number of its arguments.
struct Misfits {
  std::vector<Notice> notices;
  std::vector<std::pair<int, uint32_t>> execs;  // arguments, and their whole length
};

class QuarantineTest : public RecorderTest {
 protected:
  Misfits ReadMisfits() {
    EXPECT_FALSE(recorder_->faulty()) << recorder_->fault();
    EXPECT_TRUE(ledger_->Close("stop").ok());
    Misfits misfits;
    auto reader = ledger::LogReader::Open(dir_.path());
    EXPECT_TRUE(reader.ok());
    ledger::LoggedRecord logged;
    while (*(*reader)->Next(&logged) == ledger::ReadEnd::kRecord) {
      const Record& record = *logged.record;
      if (record.type() == AGENT_QUARANTINE) misfits.notices.push_back(record.notice());
      if (record.type() != PROCESS_EXEC) continue;
      EXPECT_EQ(logged.rules, std::vector<absl::string_view>{"execs"});
      const Process process = logged.process != nullptr ? *logged.process : Process();
      misfits.execs.emplace_back(process.argv_size(), process.argv_length());
    }
    return misfits;
  }
};

TEST_F(QuarantineTest, WhatDoesNotFitItsSchemaIsKeptWithTheReason) {
  Record record;
  record.set_type(FILE_CLOSE);  // which the policy drops
  record.mutable_net()->set_dst_port(443);
  recorder_->Take({now_ns_, &record, nullptr});
  record.set_type(static_cast<EventType>(250));
  record.clear_net();
  recorder_->Take({now_ns_, &record, nullptr});
  EXPECT_EQ(recorder_->counts().quarantined, 2u);
  const Misfits misfits = ReadMisfits();
  ASSERT_EQ(misfits.notices.size(), 2u);
  EXPECT_EQ(misfits.notices[0].what(), "an event that has no address");
  EXPECT_EQ(misfits.notices[1].what(), "an event type without a name");
  Record kept;
  ASSERT_TRUE(kept.ParseFromString(misfits.notices[0].evidence()));
  EXPECT_EQ(kept.net().dst_port(), 443u);
}

TEST_F(QuarantineTest, ARecordOfAnySizeIsInTheLogOrItsHeadIs) {
  std::vector<size_t> too_large;
  for (size_t size = 60'000; size < 70'000; size += 500) {
    Record record;
    record.set_type(PROCESS_EXEC);
    (*record.mutable_audit()->mutable_fields())["x"] = std::string(size, 'x');
    ledger::Subject subject;
    subject.process.set_pid(7);
    recorder_->Take({now_ns_, &record, &subject});
    if (recorder_->counts().quarantined > too_large.size()) too_large.push_back(size);
    Take(PROCESS_EXEC);
  }
  for (uint64_t size : {1'000'000, 5'000'000}) {
    Record record;
    record.set_type(AGENT_HEARTBEAT);
    record.mutable_heartbeat()->set_canary(std::string(size, 'x'));
    recorder_->TakeOwn(record, nullptr, true);
    too_large.push_back(size);
  }
  const Misfits misfits = ReadMisfits();
  ASSERT_EQ(misfits.notices.size(), too_large.size());
  EXPECT_EQ(misfits.execs.size(), 20 + (20 - (too_large.size() - 2)));
  for (size_t i = 0; i < too_large.size(); ++i) {
    EXPECT_EQ(misfits.notices[i].what(), "too large for a block");
    EXPECT_EQ(misfits.notices[i].evidence().size(), 32u << 10);
    EXPECT_NE(misfits.notices[i].detail().find(", cut to 32768"), std::string::npos);
  }
}

// 32 KiB of empty arguments are three times that in a block: nobody hides by them.
TEST_F(QuarantineTest, AProcessTooLargeIsCutOnceAndItsRecordsStay) {
  ledger::Subject subject;
  subject.process.set_pid(7);
  subject.process.set_exe("/usr/bin/true");
  for (int i = 0; i < 32768; ++i) subject.process.add_argv();
  for (int i = 0; i < 3; ++i) {
    Record record;
    record.set_type(PROCESS_EXEC);
    recorder_->Take({now_ns_, &record, &subject});
  }
  EXPECT_EQ(recorder_->counts().quarantined, 1u);
  const Misfits misfits = ReadMisfits();
  ASSERT_EQ(misfits.notices.size(), 1u);
  EXPECT_EQ(misfits.notices[0].detail(), "details of process 7, 98321 bytes, cut to 32768");
  ASSERT_EQ(misfits.execs.size(), 3u);
  for (const auto& [arguments, length] : misfits.execs) {
    EXPECT_GT(arguments, 0);
    EXPECT_EQ(length, 32768u);
  }
}

// Storage at fault meanwhile: it goes into the log when that is over.
TEST_F(QuarantineTest, AnOwnRecordTooLargeDoesNotProlongAFault) {
  Take(PROCESS_EXEC);
  ASSERT_TRUE(ledger_->Sync().ok());
  disk_.full = true;
  for (int i = 0; i < 1000 && !recorder_->faulty(); ++i) {
    now_ns_ += 1'000'000;
    Take(PROCESS_EXEC);
    ledger_->Flush();
    ledger_->Tick();
  }
  ASSERT_TRUE(recorder_->faulty());
  Record record;
  record.set_type(AGENT_HEARTBEAT);
  record.mutable_heartbeat()->set_canary(std::string(100'000, 'x'));
  recorder_->TakeOwn(record, nullptr, true);
  disk_.full = false;
  for (int i = 0; i < 50 && recorder_->faulty(); ++i) {
    now_ns_ += 100'000'000;
    ledger_->Tick();
    recorder_->RetryAfterFault();
  }
  ASSERT_EQ(ReadMisfits().notices.size(), 1u);
}

}  // namespace
}  // namespace cairn::agent
