// Collectors that hold soft state only: kill one, and its disk, in the middle of a segment.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/io.h"
#include "ledger/segments.h"
#include "tests/paths.h"
#include "tests/program.h"
#include "tests/s3/s3_site.h"
#include "tests/ship/site.h"

namespace cairn::ship {
namespace {

class TakeoverTest : public archive::S3Test {
 protected:
  void SetUp() override {
    archive::S3Test::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ledger::WriteAllTo(site_.path("s3.keys"),
                       absl::StrCat(service_.access_key, "\n", service_.secret_key, "\n"));
    for (int i = 0; i < 2; ++i) {
      const auto socket = Listen({"127.0.0.1", "0"});
      ASSERT_TRUE(socket.ok());
      port_[i] = *ListeningPort(socket->get());
    }
    const TlsFiles tls = site_.HostTls();
    std::string shipper = absl::StrCat("log_dir: ", site_.host.dir(), "\ncollectors:\n");
    for (int i = 0; i < 2; ++i) {
      absl::StrAppend(&shipper, "  - address: \"127.0.0.1:", port_[i],
                      "\"\n    key: ", site_.CollectorKey().ToString(), "\n");
    }
    absl::StrAppend(&shipper, "tls:\n  certificate: ", tls.certificate, "\n  key: ", tls.key,
                    "\n  ca: ", tls.ca, "\nbackoff_max: 200ms\n");
    ledger::WriteAllTo(site_.path("shipper.yaml"), shipper);
    ::setenv("AWS_ENDPOINT_URL", service_.endpoint.c_str(), 1);
    ::setenv("AWS_ACCESS_KEY_ID", service_.access_key.c_str(), 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", service_.secret_key.c_str(), 1);
  }

  std::string Disk(int i) const { return site_.path(absl::StrCat("disk", i)); }
  void StartCollector(int i, const std::string& receipt_after) {
    std::string config = *ReadFile(site_.path("collector/collector.yaml"), 65536);
    config.replace(config.find("0.0.0.0:7443"), 12, absl::StrCat("127.0.0.1:", port_[i]));
    const std::string store = absl::StrCat("store: ", site_.path("collector/store"));
    config.replace(config.find(store), store.size(), "store: " + Disk(i));
    absl::StrAppend(&config, "receipt_after: ", receipt_after,
                    "\ns3:\n  endpoint: ", service_.endpoint, "\n  bucket: ", bucket_,
                    "\n  claims_bucket: ", claims_, "\n  credentials: ", site_.path("s3.keys"),
                    "\n  retain: 1h\n");
    ledger::WriteAllTo(site_.path(absl::StrCat("c", i, ".yaml")), config);
    collector_[i].Start(
        {ProgramPath("cairn-collectord"), "--config", site_.path(absl::StrCat("c", i, ".yaml"))},
        site_.path(absl::StrCat("c", i, ".log")));
  }
  void StartShipper() {
    shipper_.Start({ProgramPath("cairn-shipper"), "--config", site_.path("shipper.yaml")},
                   site_.path("s.log"));
  }
  // Of the note in receipts/<id>SUFFIX.
  uint64_t Receipted(const char* suffix) const {
    const auto text =
        ReadFile(absl::StrCat(site_.host.dir(), "/receipts/",
                              absl::StrFormat("%08x", site_.CollectorKey().Id()), suffix),
                 65536);
    const auto note = text.ok() ? ledger::Note::Parse(*text) : text.status();
    const auto checkpoint = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
    return checkpoint.ok() ? checkpoint->size : 0;
  }
  bool WaitFor(const char* suffix, uint64_t size) const {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (absl::Now() < deadline) {
      if (Receipted(suffix) >= size) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  }
  std::string Logs() const {
    return absl::StrCat("c0:\n", ledger::ReadAll(site_.path("c0.log")), "c1:\n",
                        ledger::ReadAll(site_.path("c1.log")), "shipper:\n",
                        ledger::ReadAll(site_.path("s.log")));
  }
  // `cairn verify s3://…`, from the archive alone.
  std::string Verify(int* code) {
    std::string out;
    *code = Shell(absl::StrCat(ProgramPath("cairn"), " verify --key ", site_.host.key().ToString(),
                               " --collector-key ", site_.CollectorKey().ToString(), " s3://",
                               bucket_, "/", kDeployment, "/", kUuid, "/1 2>&1"),
                  &out);
    return out;
  }

  Site site_;
  int port_[2] = {0, 0};
  Program collector_[2];
  Program shipper_;
};

TEST_F(TakeoverTest, KilledWithItsDiskInTheMiddleOfASegmentAnotherGoesOn) {
  site_.host.Open();
  StartCollector(0, "disk");
  StartShipper();
  site_.host.Append(500);
  site_.host.Rotate();
  const uint64_t first = site_.host.size();
  site_.host.Append(500);
  site_.host.Sync();
  // Receipted on the first one's disk, half a segment of it; the segment before is archived.
  ASSERT_TRUE(WaitFor(".receipt", site_.host.size())) << Logs();
  ASSERT_TRUE(WaitFor(".archived", first - 1)) << Logs();
  ASSERT_LT(Receipted(".archived"), site_.host.size());
  collector_[0].Kill();
  std::filesystem::remove_all(Disk(0));
  StartCollector(1, "disk");
  site_.host.Append(500);
  site_.host.Sync();
  ASSERT_TRUE(WaitFor(".receipt", site_.host.size())) << Logs();
  site_.host.Rotate();
  site_.host.Append(100);
  site_.host.Close();
  ASSERT_TRUE(WaitFor(".archived", site_.host.size())) << Logs();
  int code = -1;
  const std::string text = Verify(&code);
  EXPECT_EQ(code, 0) << text << Logs();
  EXPECT_NE(text.find(absl::StrCat("OK through ", site_.host.size())), std::string::npos) << text;
  std::printf("%s", text.c_str());
}

TEST_F(TakeoverTest, OneThatFellBehindGoesOnFromTheArchive) {
  site_.host.Open();
  StartCollector(0, "disk");
  StartShipper();
  site_.host.Append(300);
  site_.host.Sync();
  ASSERT_TRUE(WaitFor(".receipt", site_.host.size())) << Logs();
  collector_[0].Kill();  // keeps its disk, with half of segment 0
  StartCollector(1, "disk");
  for (int i = 0; i < 3; ++i) {
    site_.host.Append(300);
    site_.host.Rotate();
  }
  const uint64_t archived = site_.host.size() - 1;  // the opening of the next one is not
  ASSERT_TRUE(WaitFor(".archived", archived)) << Logs();
  collector_[1].Kill();
  std::filesystem::remove_all(Disk(1));
  StartCollector(0, "disk");
  site_.host.Append(300);
  site_.host.Close();
  ASSERT_TRUE(WaitFor(".archived", site_.host.size())) << Logs();
  int code = -1;
  const std::string text = Verify(&code);
  EXPECT_EQ(code, 0) << text << Logs();
  EXPECT_NE(text.find(absl::StrCat("OK through ", site_.host.size())), std::string::npos) << text;
}

TEST_F(TakeoverTest, WithReceiptsAfterTheArchiveNothingIsReceiptedBefore) {
  site_.host.Open();
  StartCollector(0, "archive");
  StartShipper();
  site_.host.Append(500);
  site_.host.Sync();
  absl::SleepFor(absl::Seconds(2));  // it may not come, however long one waits
  EXPECT_EQ(Receipted(".receipt"), 0u) << Logs();
  site_.host.Close();
  ASSERT_TRUE(WaitFor(".receipt", site_.host.size())) << Logs();
  ASSERT_TRUE(WaitFor(".archived", site_.host.size())) << Logs();
  int code = -1;
  const std::string text = Verify(&code);
  EXPECT_EQ(code, 0) << text;
}

TEST_F(TakeoverTest, WhatIsMissingOrForgedInTheArchiveIsSaid) {
  int code = -1;
  EXPECT_NE(Verify(&code).find("nothing is archived there"), std::string::npos);
  EXPECT_EQ(code, 3);
}

}  // namespace
}  // namespace cairn::ship
