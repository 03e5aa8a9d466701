// A file system of 16 MiB fills up: what is given up, in which order, and that each step and every
// record given up is in the log. Needs root: it mounts (in a mount namespace of its own).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/room_keeper.h"
#include "base/io.h"
#include "ledger/segments.h"
#include "tests/ledger/each_record.h"
#include "tests/ledger/test_log.h"

namespace cairn::agent {
namespace {

constexpr char kOrigin[] = "test.example/h/00000000-0000-4000-8000-000000000001/1";
constexpr uint64_t kMiB = 1 << 20;

// Execs are on the floor, opens are wanted by a rule of the site.
class FloorAndMore : public policy::Policy {
 public:
  void Decide(const policy::Event& event, policy::Decision* decision) const override {
    decision->verdict = policy::Verdict::kRecord;
    decision->rules.push_back(event.record->type() == PROCESS_EXEC ? &floor_ : &site_);
  }
  const policy::Wanted& wanted() const override { return wanted_; }
  const std::string& digest() const override { return digest_; }

 private:
  const std::string floor_ = "floor:exec";
  const std::string site_ = "opens";
  const std::string digest_ = std::string(32, 'd');
  const policy::Wanted wanted_;
};

class DiskFullTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root to mount a small file system";
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
        ::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, "size=16m")) {
      GTEST_SKIP() << "SKIPPED: a file system cannot be mounted here: " << std::strerror(errno);
    }
    mounted_ = true;
    limits_.set_dir(dir_.path());
    limits_.set_keep_bytes(uint64_t{1} << 40);
    limits_.set_min_free_bytes(8 * kMiB);
    limits_.set_reserve_bytes(1 * kMiB);
    ledger::LedgerOptions options;
    options.dir = LogDir();
    options.origin = kOrigin;
    options.limits.compress = false;
    options.limits.segment_bytes = 2 * kMiB;
    auto opened = ledger::Ledger::Open(options, key_.Clone());
    ASSERT_TRUE(opened.ok()) << opened.status();
    ledger_ = *std::move(opened);
    recorder_ = std::make_unique<Recorder>(ledger_.get());
    recorder_->SetPolicy(std::make_shared<FloorAndMore>());
    auto receipts = Receipts::Watch(LogDir() + "/receipts", LogKey(), {CollectorKey()});
    ASSERT_TRUE(receipts.ok()) << receipts.status();
    receipts_ = *std::move(receipts);
    keeper_ = std::make_unique<RoomKeeper>(limits_);
    keeper_->Connect({LogDir(), ledger_.get(), recorder_.get(), receipts_.get()});
    Keep();
  }

  void TearDown() override {
    keeper_.reset();
    recorder_.reset();
    ledger_.reset();
    receipts_.reset();
    if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
  }

  std::string LogDir() const { return dir_.path() + "/1"; }
  ledger::VerifierKey LogKey() const {
    return {kOrigin, ledger::SignatureType::kEd25519, key_.public_key()};
  }
  ledger::VerifierKey CollectorKey() const {
    return {"c.example/1", ledger::SignatureType::kCosignature, collector_.public_key()};
  }

  void Take(EventType type) {
    Record record;
    record.set_type(type);
    record.mutable_file()->set_path("/" + std::string(1000, 'x'));
    recorder_->Take({++now_ns_, &record, nullptr});
    ++taken_[type];
  }
  // `count` of each, as the daemon's loop would.
  void Work(int count) {
    for (int i = 0; i < count; ++i) {
      Take(PROCESS_EXEC);
      Take(FILE_OPEN);
      if (i % 50 != 49) continue;
      ledger_->Flush();
      absl::SleepFor(
          absl::Milliseconds(1));  // closed blocks wait for the next write so long at most
      ledger_->Tick();
    }
  }
  void Keep() { keeper_->Keep(1'700'000'000'000'000'000, nullptr); }
  DiskStep step() const { return keeper_->room().step(); }

  // Somebody else fills the disk, all but `free` bytes.
  void FillUntil(uint64_t free) {
    struct statvfs fs;
    ASSERT_EQ(::statvfs(dir_.path().c_str(), &fs), 0);
    const uint64_t have = uint64_t{fs.f_bavail} * fs.f_frsize;
    if (have <= free) return;
    const std::string path = absl::StrCat(dir_.path(), "/filler", fillers_++);
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::posix_fallocate(fd.get(), 0, static_cast<off_t>(have - free)), 0);
  }
  void RemoveFillers() {
    while (fillers_ > 0) {
      ASSERT_EQ(::unlink(absl::StrCat(dir_.path(), "/filler", --fillers_).c_str()), 0);
    }
  }

  // The newest checkpoint comes back cosigned.
  void Receipt() {
    ASSERT_TRUE(ledger_->Sync().ok());
    const auto file = ledger::ReadCheckpointFile(LogDir());
    ASSERT_TRUE(file.ok());
    auto note = ledger::Note::Parse(file->note);
    ASSERT_TRUE(note.ok());
    note->signatures.push_back(
        ledger::CosignNote(note->text, "c.example/1", collector_, 1'790'000'000));
    ASSERT_TRUE(
        WriteFileDurably(Io::Real(), LogDir() + "/receipts", "c.receipt", note->ToString(), 0644)
            .ok());
    std::string error;
    receipts_->Read(ledger_->stats().size, &error);
    ASSERT_EQ(error, "");
  }

  bool ReserveIsThere() const { return ::access((dir_.path() + "/reserve").c_str(), F_OK) == 0; }

  struct Seen {
    std::map<EventType, uint64_t> records;
    std::map<EventType, uint64_t> declared_lost;
    std::vector<std::string> steps;
  };
  Seen ReadBack() {
    Seen seen;
    ledger::ForEachRecord(LogDir(), [&seen](const ledger::LoggedRecord& logged) {
      const Record& record = *logged.record;
      ++seen.records[record.type()];
      if (record.has_loss()) seen.declared_lost[record.loss().type()] += record.loss().count();
      if (record.type() == AGENT_DEGRADED) {
        const std::string& detail = record.notice().detail();
        seen.steps.push_back(detail.substr(0, detail.find(' ')));
      }
    });
    return seen;
  }

  ledger::TempDir dir_;
  bool mounted_ = false;
  config::Log limits_;
  const ledger::SigningKey key_ = ledger::SigningKey::Generate();
  const ledger::SigningKey collector_ = ledger::SigningKey::Generate();
  uint64_t now_ns_ = 1'000'000'000;
  int fillers_ = 0;
  std::map<EventType, uint64_t> taken_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Receipts> receipts_;
  std::unique_ptr<RoomKeeper> keeper_;
};

TEST_F(DiskFullTest, EverythingIsGivenUpInOrderAndCounted) {
  EXPECT_TRUE(ReserveIsThere());
  Work(200);
  Keep();
  EXPECT_EQ(step(), DiskStep::kNormal);

  FillUntil(6 * kMiB);
  Keep();
  EXPECT_EQ(step(), DiskStep::kFloorOnly);
  Work(200);
  EXPECT_TRUE(ReserveIsThere());

  FillUntil(1 * kMiB);
  Keep();
  EXPECT_EQ(step(), DiskStep::kReserve);
  EXPECT_FALSE(ReserveIsThere());
  Work(200);

  FillUntil(64 << 10);
  Keep();
  EXPECT_EQ(step(), DiskStep::kCountsOnly);
  Work(200);

  RemoveFillers();
  Keep();
  EXPECT_EQ(step(), DiskStep::kNormal);
  EXPECT_TRUE(ReserveIsThere());
  Work(200);
  recorder_->DeclareGivenUp();
  ASSERT_TRUE(ledger_->Close("stop").ok());

  const Seen seen = ReadBack();
  for (const EventType type : {PROCESS_EXEC, FILE_OPEN}) {
    const auto lost = seen.declared_lost.find(type);
    ASSERT_NE(lost, seen.declared_lost.end());
    EXPECT_EQ(seen.records.at(type) + lost->second, taken_[type]) << type;
  }
  // The floor's records were kept until there was no room at all.
  EXPECT_EQ(seen.declared_lost.at(PROCESS_EXEC), 200u);
  EXPECT_EQ(seen.declared_lost.at(FILE_OPEN), 600u);
  EXPECT_EQ(seen.steps,
            (std::vector<std::string>{"floor-only", "reserve", "counts-only", "normal"}));
  EXPECT_EQ(ledger::VerifyLog(LogDir(), {.key = LogKey()}).verdict, ledger::Verdict::kOk);
}

// Segments that a collector has go first, and then nothing else need.
TEST_F(DiskFullTest, ReceiptedSegmentsGoFirst) {
  for (int i = 0; i < 5; ++i) {
    Work(300);
    ASSERT_TRUE(ledger_->Rotate("size").ok());
  }
  Receipt();
  FillUntil(7 * kMiB);
  Keep();
  EXPECT_EQ(step(), DiskStep::kNormal);
  EXPECT_GT(keeper_->room().first_epoch(), 0u);
  ASSERT_TRUE(ledger_->Close("stop").ok());
  const ledger::Report report =
      ledger::VerifyLog(LogDir(), {.key = LogKey(), .collector_key = CollectorKey()});
  EXPECT_EQ(report.verdict, ledger::Verdict::kOk);
  EXPECT_GT(report.first_block, 0u);
  EXPECT_EQ(ReadBack().records[AGENT_RETENTION], 1u);
}

// The disk is full before anybody looked: the ledger is refused, and comes back with the reserve.
TEST_F(DiskFullTest, ADiskThatIsSuddenlyFullLosesNothingUnsaid) {
  Work(50);
  FillUntil(0);
  Work(3000);
  EXPECT_TRUE(recorder_->faulty());
  RemoveFillers();
  for (int i = 0; i < 50 && recorder_->faulty(); ++i) {
    ::usleep(100'000);  // the ledger tries once a second
    ledger_->Tick();
    Keep();
    recorder_->RetryAfterFault();
  }
  ASSERT_FALSE(recorder_->faulty());
  recorder_->DeclareGivenUp();
  ASSERT_TRUE(ledger_->Close("stop").ok());
  const Seen seen = ReadBack();
  for (const EventType type : {PROCESS_EXEC, FILE_OPEN}) {
    const auto lost = seen.declared_lost.find(type);
    const uint64_t declared = lost == seen.declared_lost.end() ? 0 : lost->second;
    EXPECT_EQ(seen.records.at(type) + declared, taken_[type]) << type;
  }
}

}  // namespace
}  // namespace cairn::agent
