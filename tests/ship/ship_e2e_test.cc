// A host's log on its way to a collector: everything arrives, once, bit for bit.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/io.h"
#include "collector/session.h"
#include "ledger/frame.h"
#include "tests/ship/site.h"
#include "tools/simulators/faulty_disk.h"

namespace cairn::ship {
namespace {

TEST(ShipE2e, ShipsStoresAndReceiptsTheWholeLogBitForBit) {
  Site site;
  site.host.Open();
  site.host.Append(5000);
  site.host.Rotate();
  site.host.Append(3000, /*urgent=*/true);
  site.host.Close();
  site.StartCollector();
  ASSERT_TRUE(site.ShipAll());
  EXPECT_TRUE(site.StoreMatches(/*whole=*/true));
  const ledger::Report report = site.VerifyStore();
  EXPECT_EQ(report.verdict, ledger::Verdict::kOk);
  EXPECT_EQ(report.through, site.host.size());
  // The host's own copy verifies with the receipt beside it.
  const ledger::Report own = ledger::VerifyLog(
      site.host.dir(), {.key = site.host.key(), .collector_key = site.CollectorKey()});
  EXPECT_EQ(own.verdict, ledger::Verdict::kOk);
  EXPECT_GE(own.receipts, 1u);
  EXPECT_EQ(own.receipted, site.host.size());
}

TEST(ShipE2e, FollowsALogThatGrowsAndReceiptsWithinASecond) {
  Site site;
  site.host.Open();
  site.StartCollector();
  auto shipper = shipper::Shipper::Create(site.ShipperOptions());
  ASSERT_TRUE(shipper.ok());
  std::thread runs([&] { EXPECT_TRUE((*shipper)->Run().ok()); });
  for (int i = 0; i < 20; ++i) {
    site.host.Append(100, /*urgent=*/true);
    absl::SleepFor(absl::Milliseconds(20));
  }
  site.host.Sync();
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  uint64_t receipted = 0;
  while (receipted < site.host.size() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(20));
    receipted = ledger::VerifyLog(site.host.dir(),
                                  {.key = site.host.key(), .collector_key = site.CollectorKey()})
                    .receipted;
  }
  EXPECT_EQ(receipted, site.host.size());
  (*shipper)->Stop();
  runs.join();
  EXPECT_TRUE(site.StoreMatches(/*whole=*/false));
  const std::string exposure = ledger::ReadAll(site.path("exposure.jsonl"));
  EXPECT_NE(exposure.find("\"exposure_p99_ms\":"), std::string::npos) << exposure;
}

TEST(ShipE2e, AReconnectGoesOnWhereTheCollectorStands) {
  Site site;
  site.host.Open();
  site.host.Append(2000);
  site.host.Sync();
  site.StartCollector();
  ASSERT_TRUE(site.ShipAll());
  const uint64_t first = site.core()->counters()->bytes;
  site.host.Append(10);
  site.host.Sync();
  ASSERT_TRUE(site.ShipAll());
  EXPECT_LT(site.core()->counters()->bytes - first, 8000u);
  EXPECT_TRUE(site.StoreMatches(/*whole=*/false));
  EXPECT_EQ(site.VerifyStore().through, site.host.size());
}

// The collector committed and said so, and the connection broke with its word on the way.
TEST(ShipE2e, AReceiptThatIsLostComesWithTheNextWelcomeAndNothingIsSentAgain) {
  Site site;
  site.host.Open();
  site.host.Append(2000);
  site.host.Sync();
  site.StartCollector();
  {
    collector::Session session(site.core(), site.HostPeer());
    wire::Frame append;
    append.mutable_append()->set_data(site.FirstSegment());
    std::string lost;
    ASSERT_TRUE(session.OnBytes(Bytes(site.Hello()) + Bytes(append), &lost));
    ASSERT_TRUE(session.Commit(&lost));
  }
  const uint64_t stored = site.core()->counters()->bytes;
  ASSERT_EQ(site.core()->counters()->receipts, 1u);
  ASSERT_TRUE(site.ShipAll());
  EXPECT_EQ(site.core()->counters()->bytes, stored);
  const ledger::Report own = ledger::VerifyLog(
      site.host.dir(), {.key = site.host.key(), .collector_key = site.CollectorKey()});
  EXPECT_EQ(own.receipted, site.host.size());
}

// Full at every call that takes room, in turn; then there is room again.
TEST(ShipE2e, AFullDiskGivesNoReceiptAndRoomAgainGivesOneForAll) {
  for (const simulators::DiskCall call :
       {simulators::DiskCall::kWrite, simulators::DiskCall::kFdatasync,
        simulators::DiskCall::kRename}) {
    std::mt19937_64 random(1);
    simulators::FaultyDisk disk(&random);
    Site site;
    site.host.Open();
    site.host.Append(500);
    site.host.Sync();
    site.StartCollector([&](collector::CoreOptions* options) { options->io = &disk; });
    disk.set_fault({.call = call, .error = ENOSPC, .stuck = true});
    EXPECT_FALSE(site.ShipAll(absl::Seconds(1)));
    EXPECT_EQ(site.core()->counters()->receipts, 0u);
    EXPECT_GT(site.core()->counters()->alarms, 0u);
    EXPECT_TRUE(std::filesystem::is_empty(site.host.dir() + "/receipts"));
    disk.Mend();
    EXPECT_TRUE(site.ShipAll());
    EXPECT_TRUE(site.StoreMatches(/*whole=*/true));
  }
}

TEST(ShipE2e, ACollectorRestartedFromItsStoreGoesOn) {
  Site site;
  site.host.Open();
  for (int round = 0; round < 4; ++round) {
    site.host.Append(500);
    site.host.Sync();
    if (round == 2) site.host.Rotate();
    site.StartCollector();
    ASSERT_TRUE(site.ShipAll()) << round;
    site.StopCollector();
  }
  EXPECT_TRUE(site.StoreMatches(/*whole=*/false));
  EXPECT_EQ(site.VerifyStore().verdict, ledger::Verdict::kOk);
  EXPECT_EQ(site.VerifyStore().through, site.host.size());
}

TEST(ShipE2e, AHostThatCrashedShipsWhatItRecovered) {
  Site site;
  site.host.Open();
  site.StartCollector();
  for (int round = 0; round < 3; ++round) {
    site.host.Append(700);
    site.host.Sync();
    site.host.Append(300);  // may not be committed when the crash comes
    site.host.Crash();
    site.host.Open();
    site.host.Sync();
    ASSERT_TRUE(site.ShipAll()) << round;
  }
  EXPECT_TRUE(site.StoreMatches(/*whole=*/false));
  EXPECT_EQ(site.VerifyStore().verdict, ledger::Verdict::kOk);
}

TEST(ShipE2e, ACollectorWithATornTailDropsItAndAsksForTheRest) {
  Site site;
  site.host.Open();
  site.host.Append(1000);
  site.host.Sync();
  site.StartCollector();
  ASSERT_TRUE(site.ShipAll());
  site.host.Append(1000);
  site.host.Sync();
  ASSERT_TRUE(site.ShipAll());
  site.StopCollector();
  // As after a crash before fdatasync: the newest receipt's bytes stay, what followed is torn.
  const std::string segment = site.store() + "/" + ledger::SegmentName(0);
  const std::string whole = ledger::ReadAll(segment);
  ledger::WriteAllTo(segment, whole + std::string(100, '\0'));
  site.host.Append(10);
  site.host.Sync();
  site.StartCollector();
  ASSERT_TRUE(site.ShipAll());
  EXPECT_TRUE(site.StoreMatches(/*whole=*/false));
  EXPECT_EQ(site.VerifyStore().through, site.host.size());
}

TEST(ShipE2e, AStoreThatLostReceiptedBytesIsNeverContinued) {
  Site site;
  site.host.Open();
  site.host.Append(1000);
  site.host.Sync();
  site.StartCollector();
  ASSERT_TRUE(site.ShipAll());
  site.StopCollector();
  const std::string segment = site.store() + "/" + ledger::SegmentName(0);
  const std::string whole = ledger::ReadAll(segment);
  ledger::WriteAllTo(segment, whole.substr(0, whole.size() / 2));
  site.StartCollector();
  EXPECT_FALSE(site.ShipAll(absl::Seconds(1)));
  EXPECT_GE(site.core()->counters()->alarms, 1u);
  EXPECT_EQ(ledger::ReadAll(segment), whole.substr(0, whole.size() / 2)) << "evidence was changed";
}

TEST(ShipE2e, ASecondCollectorTakesOverWhenTheFirstIsGone) {
  Site site;
  site.host.Open();
  site.host.Append(100);
  site.host.Sync();
  site.StartCollector();
  shipper::ShipperOptions options = site.ShipperOptions();
  options.collectors.insert(options.collectors.begin(), {.where = {"127.0.0.1", "1"}});
  EXPECT_TRUE(site.ShipAll(std::move(options)));
}

TEST(ShipE2e, AnOlderDiskIsRefusedAndTheHostLearnsWhy) {
  Site site;
  site.host.Open();
  site.host.Append(300);
  site.host.Sync();
  ledger::CopyLog(site.host.dir(), site.path("old"));
  site.host.Append(300);
  site.host.Sync();
  site.StartCollector();
  ASSERT_TRUE(site.ShipAll());
  const uint64_t size = site.host.size();
  site.host.Crash();
  std::filesystem::remove_all(site.host.dir());
  ledger::CopyLog(site.path("old"), site.host.dir());
  EXPECT_FALSE(site.ShipAll(absl::Seconds(1)));
  EXPECT_GE(site.core()->counters()->alarms, 1u);
  // The larger note that our own key signed is now beside the log: the fork rule starts there.
  const ledger::Report report = ledger::VerifyLog(
      site.host.dir(), {.key = site.host.key(), .collector_key = site.CollectorKey()});
  EXPECT_NE(report.verdict, ledger::Verdict::kOk);
  EXPECT_EQ(report.receipted, size);
  EXPECT_TRUE(std::filesystem::exists(site.store() + "/evidence/00-fork/shown.note"));
}

TEST(ShipE2e, ACollectorThatNeverSawTheBeginningStartsLater) {
  Site site;
  site.host.Open();
  site.host.Append(300);
  site.host.Rotate();
  site.host.Append(300);
  site.host.Rotate();
  site.host.Append(300);
  site.host.Sync();
  std::filesystem::remove(site.host.dir() + "/" + ledger::SegmentName(0));
  std::filesystem::remove(site.host.dir() + "/" + ledger::SegmentName(1));
  site.StartCollector();
  ASSERT_TRUE(site.ShipAll());
  const ledger::Report report = site.VerifyStore();
  EXPECT_EQ(report.verdict, ledger::Verdict::kIncomplete);
  EXPECT_EQ(report.incomplete_from, 0u);
  EXPECT_EQ(report.through, site.host.size());
}

}  // namespace
}  // namespace cairn::ship
