#include "tests/ship/site.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "base/io.h"
#include "collector/setup.h"
#include "ledger/segments.h"

namespace cairn::ship {

std::string Bytes(const wire::Frame& frame) {
  std::string out;
  wire::AppendFrame(frame, &out);
  return out;
}

HostWriter::HostWriter(std::string dir, std::string uuid, uint8_t key_seed)
    : dir_(std::move(dir)),
      origin_(absl::StrCat(kDeployment, "/h/", uuid, "/1")),
      key_seed_(key_seed) {
  subject_.process.set_pid(4242);
  subject_.process.set_start_ns(1);
  subject_.process.set_exe("/usr/bin/test");
}

namespace {

ledger::SigningKey KeyOf(uint8_t seed) {
  const uint8_t bytes[32] = {seed, 1, 2, 3};
  return ledger::SigningKey::FromSeed(Secret32(bytes));
}

}  // namespace

ledger::VerifierKey HostWriter::key() const {
  return {.name = origin_, .public_key = KeyOf(key_seed_).public_key()};
}

void HostWriter::Open() {
  ledger::LedgerOptions options;
  options.dir = dir_;
  options.origin = origin_;
  options.environment = "production";
  options.boot_id = "00000000-0000-4000-8000-00000000b007";
  options.binary_digest = std::string(32, 'b');
  auto opened = ledger::Ledger::Open(std::move(options), KeyOf(key_seed_));
  ASSERT_TRUE(opened.ok()) << opened.status();
  ledger_ = *std::move(opened);
}

void HostWriter::Append(int count, bool urgent) { Write(count, urgent, {}); }

void HostWriter::AppendFor(const std::string& rule, int count) {
  const std::string* const rules[] = {&rule};
  Write(count, false, rules);
}

void HostWriter::Write(int count, bool urgent, absl::Span<const std::string* const> rules) {
  Record record;
  record.set_type(FILE_OPEN);
  record.set_ret(3);
  for (int i = 0; i < count; ++i) {
    record.mutable_file()->set_path(absl::StrCat("/srv/data/file-", ++written_));
    const ledger::Entry entry{.time_ns = BootNs(),
                              .record = &record,
                              .subject = &subject_,
                              .rules = rules,
                              .urgent = urgent && i + 1 == count};
    ASSERT_TRUE(ledger_->Append(entry).ok());
    if (i % 50 == 49) ledger_->Flush();
    if (i % 50 == 49) ledger_->Tick();
  }
  ledger_->Flush();
  ledger_->Tick();
}

void HostWriter::Sync() { ASSERT_TRUE(ledger_->Sync().ok()); }
void HostWriter::Rotate() { ASSERT_TRUE(ledger_->Rotate("size").ok()); }
void HostWriter::Close() { ASSERT_TRUE(ledger_->Close("stop").ok()); }

Site::Site() : host(dir_.path() + "/log") {
  ::signal(SIGPIPE, SIG_IGN);  // as the programs do
  const absl::Status made = collector::InitCollector({.dir = path("collector"),
                                                      .deployment = kDeployment,
                                                      .name = "collector.example",
                                                      .hosts = {"127.0.0.1", "localhost"}});
  EXPECT_TRUE(made.ok()) << made;
  const absl::Status issued =
      collector::IssueHost(path("collector"), kDeployment, kUuid, path("host"));
  EXPECT_TRUE(issued.ok()) << issued;
  collector::Hosts hosts(path("collector/hosts"), false);
  EXPECT_TRUE(hosts.Add(kUuid, host.key()).ok());
}

TlsFiles Site::HostTls() const {
  return {path("host/host.crt"), path("host/host.key"), path("host/ca.crt"), ""};
}

TlsFiles Site::CollectorTls() const {
  return {path("collector/collector.crt"), path("collector/collector.key"),
          path("collector/ca.crt"), ""};
}

ledger::VerifierKey Site::CollectorKey() const {
  const auto text = ReadFile(path("collector/collector.vkey"), 4096);
  return *ledger::VerifierKey::Parse(absl::StripAsciiWhitespace(*text));
}

std::string Site::store() const {
  return absl::StrCat(path("collector/store"), "/", kDeployment, "/", kUuid, "/1");
}

void Site::StartCollector(std::function<void(collector::CoreOptions*)> change,
                          std::function<void(collector::ServerOptions*)> change_server) {
  auto key = ledger::SigningKey::Load(path("collector/signing.key"));
  ASSERT_TRUE(key.ok()) << key.status();
  collector::CoreOptions options{.deployment = kDeployment,
                                 .store = path("collector/store"),
                                 .hosts_dir = path("collector/hosts")};
  if (change) change(&options);
  auto core = collector::Core::Create(
      std::move(options),
      std::make_unique<collector::Cosigner>("collector.example", *std::move(key)));
  ASSERT_TRUE(core.ok()) << core.status();
  core_ = *std::move(core);
  collector::ServerOptions listen = {
      .listen = {"127.0.0.1", "0"}, .tls = CollectorTls(), .threads = 2};
  if (change_server) change_server(&listen);
  auto server = collector::Server::Start(std::move(listen), core_.get());
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

void Site::StopCollector() {
  server_.reset();
  core_.reset();
}

shipper::ShipperOptions Site::ShipperOptions() const {
  shipper::ShipperOptions options;
  options.log_dir = host.dir();
  options.collectors = {{.where = {"127.0.0.1", absl::StrCat(server_ ? server_->port() : 1)},
                         .key = CollectorKey().ToString()}};
  options.tls = HostTls();
  options.exposure_log = path("exposure.jsonl");
  options.backoff_min = absl::Milliseconds(10);
  options.backoff_max = absl::Milliseconds(200);
  return options;
}

bool Site::ShipAll(absl::Duration within) { return ShipAll(ShipperOptions(), within); }

bool Site::ShipAll(shipper::ShipperOptions options, absl::Duration within) {
  auto shipper = shipper::Shipper::Create(std::move(options));
  EXPECT_TRUE(shipper.ok()) << shipper.status();
  absl::Notification done;
  std::thread runs([&] {
    EXPECT_TRUE((*shipper)->Run(/*until_shipped=*/true).ok());
    done.Notify();
  });
  const bool shipped = done.WaitForNotificationWithTimeout(within);
  (*shipper)->Stop();
  runs.join();
  return shipped;
}

collector::Peer Site::HostPeer(const std::string& uuid) const {
  return {.address = "test", .uris = {absl::StrCat("cairn://", kDeployment, "/h/", uuid)}};
}

wire::Frame Site::Hello() const {
  wire::Frame frame;
  frame.mutable_hello()->set_version(wire::kVersion);
  frame.mutable_hello()->set_origin(host.origin());
  frame.mutable_hello()->set_log_key(host.key().ToString());
  const auto file = ledger::ReadCheckpointFile(host.dir());
  EXPECT_TRUE(file.ok()) << file.status();
  if (file.ok()) frame.mutable_hello()->set_checkpoint(file->note);
  return frame;
}

std::string Site::FirstSegment() const {
  return ledger::ReadAll(host.dir() + "/" + ledger::SegmentName(0));
}

::testing::AssertionResult Site::StoreMatches(bool whole) const {
  const auto ours = ledger::ListSegments(store());
  const auto theirs = ledger::ListSegments(host.dir());
  if (!ours.ok() || !theirs.ok()) return ::testing::AssertionFailure() << ours.status();
  if (whole && ours->size() != theirs->size()) {
    return ::testing::AssertionFailure() << ours->size() << " segments of " << theirs->size();
  }
  for (const ledger::SegmentInfo& segment : *ours) {
    const std::string copy = ledger::ReadAll(segment.path);
    const std::string name = segment.path.substr(segment.path.rfind('/') + 1);
    const std::string original = ledger::ReadAll(host.dir() + "/" + name);
    if (original.substr(0, copy.size()) != copy || (whole && original != copy)) {
      return ::testing::AssertionFailure() << name << ": " << copy.size() << " bytes stored, "
                                           << original.size() << " written, not the same";
    }
  }
  return ::testing::AssertionSuccess();
}

ledger::Report Site::VerifyStore() const {
  return ledger::VerifyLog(store(), {.key = host.key(), .collector_key = CollectorKey()});
}

}  // namespace cairn::ship
