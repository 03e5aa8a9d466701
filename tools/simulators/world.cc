#include "tools/simulators/world.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ledger/segments.h"
#include "ledger/verifier.h"

namespace cairn::simulators {
namespace {

constexpr char kDeployment[] = "sim.example";
constexpr char kHost[] = "sim.example/h/00000000-0000-4000-8000-000000000001";
constexpr int kSteps = 60;
constexpr int kSettleRounds = 2000;

ledger::SigningKey Key(uint8_t seed) {
  const uint8_t bytes[32] = {seed};
  return ledger::SigningKey::FromSeed(Secret32(bytes));
}

Secret32 Draw(std::mt19937_64* random) {
  Secret32 secret;
  for (size_t i = 0; i < Secret32::kSize; ++i) secret.data()[i] = static_cast<uint8_t>((*random)());
  return secret;
}

std::string Origin() { return absl::StrCat(kHost, "/1"); }
ledger::VerifierKey LogKey() { return {.name = Origin(), .public_key = Key(1).public_key()}; }
ledger::VerifierKey CollectorKey() {
  return {.name = "sim",
          .type = ledger::SignatureType::kCosignature,
          .public_key = Key(2).public_key()};
}

}  // namespace

World::World(uint64_t seed, std::string dir)
    : seed_(seed), dir_(std::move(dir)), random_(seed), disk_(&random_), host_disk_(&random_) {
  subject_.process.set_pid(7);
  subject_.process.set_start_ns(1);
}

absl::Status World::Violation(const std::string& what) const {
  return absl::DataLossError(absl::StrCat("seed ", seed_, ", step ", steps_, ": ", what));
}

void World::Trace(absl::string_view what) { trace_ = ledger::Sha256({ledger::View(trace_), what}); }

absl::Status World::OpenLog() {
  ledger::LedgerOptions options;
  options.dir = dir_ + "/log";
  options.origin = Origin();
  options.environment = "test";
  options.boot_id = "00000000-0000-4000-8000-00000000b007";
  options.binary_digest = std::string(32, 'b');
  options.io = &host_disk_;
  options.boot_time_ns = options.wall_time_ns = [this] { return NowNs(); };
  options.new_secret = [this] { return Draw(&random_); };
  ASSIGN_OR_RETURN(ledger_, ledger::Ledger::Open(std::move(options), Key(1)));
  RETURN_IF_ERROR(ledger_->Sync());
  ASSIGN_OR_RETURN(shipper::LogSource source, shipper::LogSource::Open(dir_ + "/log"));
  source_ = std::make_unique<shipper::LogSource>(std::move(source));
  receipts_ = std::make_unique<shipper::ReceiptBook>(dir_ + "/log/receipts", &host_disk_);
  return receipts_->Open();
}

absl::Status World::OpenCollector() {
  collector::CoreOptions options{.deployment = kDeployment,
                                 .store = dir_ + "/store",
                                 .hosts_dir = dir_ + "/hosts",
                                 .trust_on_first_use = true,
                                 .background = false,
                                 .io = &disk_,
                                 .now = [this] { return now_ + skew_; }};
  auto cosigner = std::make_unique<collector::Cosigner>(
      "sim", Key(2), [this] { return static_cast<uint64_t>(absl::ToUnixSeconds(now_ + skew_)); });
  ASSIGN_OR_RETURN(core_, collector::Core::Create(std::move(options), std::move(cosigner)));
  return absl::OkStatus();
}

absl::Status World::Start() {
  RETURN_IF_ERROR(OpenLog());
  return OpenCollector();
}

void World::Write() {
  Record record;
  record.set_type(FILE_OPEN);
  const int count = 1 + static_cast<int>(random_() % 40);
  for (int i = 0; i < count; ++i) {
    record.mutable_file()->set_path(absl::StrCat("/data/", ++written_));
    const ledger::Entry entry{.time_ns = NowNs(), .record = &record, .subject = &subject_};
    if (!ledger_->Append(entry).ok()) return;
    if (random_() % 4 == 0) ledger_->Flush();
  }
  if (random_() % 3 != 0) (void)ledger_->Sync().ok();
  if (random_() % 8 == 0) (void)ledger_->Rotate("size").ok();
}

void World::Connect() {
  Disconnect();
  if (core_ == nullptr || !source_->Refresh().ok()) return;
  uplink_ = std::make_unique<shipper::Uplink>(
      shipper::UplinkOptions{.collector_key = CollectorKey().ToString(),
                             .compress = random_() % 2 == 0,
                             .boot_time_ns = [] { return uint64_t{1}; }},
      source_.get(), receipts_.get(), &exposure_);
  session_ = std::make_unique<collector::Session>(
      core_.get(), collector::Peer{.address = "sim", .uris = {absl::StrCat("cairn://", kHost)}});
  if (!uplink_->Start(&to_collector_).ok()) Disconnect();
}

void World::Disconnect() {
  session_.reset();
  uplink_.reset();
  to_collector_.clear();
  to_host_.clear();
}

// Bytes move both ways in pieces of any size; now and then the connection breaks with some of
// them lost: a frame cut anywhere, a receipt that never arrives.
void World::Exchange(bool faults) {
  now_ += absl::Milliseconds(1);
  if (uplink_ == nullptr || session_ == nullptr) return Connect();
  (void)source_->Refresh().ok();
  uint64_t taken = 0;
  if (!uplink_->Fill(to_collector_.size() + 1, &to_collector_, &taken).ok()) return Disconnect();
  const size_t up = Cut(to_collector_.size());
  const bool open = session_->OnBytes(absl::string_view(to_collector_).substr(0, up), &to_host_) &&
                    session_->Commit(&to_host_) && session_->OnTick(&to_host_);
  Trace(absl::string_view(to_collector_).substr(0, up));
  to_collector_.erase(0, up);
  const size_t down = open ? Cut(to_host_.size()) : to_host_.size();
  const absl::Status heard =
      uplink_->OnBytes(absl::string_view(to_host_).substr(0, down), &to_collector_);
  Trace(absl::string_view(to_host_).substr(0, down));
  to_host_.erase(0, down);
  receipted_ = std::max(receipted_, uplink_->receipted());
  if (!open || !heard.ok()) return Disconnect();
  if (faults && random_() % 12 == 0) {
    ++faults_;
    Disconnect();
  }
}

void World::CrashCollector() {
  ++faults_;
  disk_.Die();
  Disconnect();
  core_.reset();
  disk_.Crash();
}

absl::Status World::CrashHost() {
  ++faults_;
  const bool power_cut = random_() % 2 == 0;
  if (power_cut) host_disk_.Die();
  Disconnect();
  ledger_.reset();
  if (power_cut) host_disk_.Crash();
  return OpenLog();
}

// What reached the host as a receipt is in the store, verified, and the host's own bytes.
absl::Status World::CheckStore(bool whole) {
  const std::string store =
      absl::StrCat(dir_, "/store/", kDeployment, "/00000000-0000-4000-8000-000000000001/1");
  const auto ours = ledger::ListSegments(store);
  if (!ours.ok()) return receipted_ == 0 ? absl::OkStatus() : Violation("the store is gone");
  for (const ledger::SegmentInfo& segment : *ours) {
    const std::string name = segment.path.substr(segment.path.rfind('/'));
    ASSIGN_OR_RETURN(const std::string copy, ReadFile(segment.path, 1 << 26));
    const auto original = ReadFile(dir_ + "/log" + name, 1 << 26);
    if (!original.ok() || original->substr(0, copy.size()) != copy) {
      return Violation(absl::StrCat(name, ": not the host's bytes"));
    }
    if (whole && original->size() != copy.size()) return Violation(name + ": not all of it");
  }
  const ledger::Report report = ledger::VerifyLog(store, {.key = LogKey(), .threads = 1});
  if (report.through < receipted_) {
    return Violation(absl::StrCat(receipted_, " blocks receipted, ", report.through,
                                  " in the store", report.findings.empty() ? "" : ": ",
                                  report.findings.empty() ? "" : report.findings[0].ToString()));
  }
  if (whole && report.verdict != ledger::Verdict::kOk)
    return Violation("the store does not verify");
  return absl::OkStatus();
}

absl::Status World::Step() {
  ++steps_;
  now_ += absl::Milliseconds(random_() % 2000);
  const uint64_t dice = random_() % 100;
  Trace(absl::StrCat(dice, " ", faults(), " ", receipted_));
  if (core_ == nullptr) RETURN_IF_ERROR(OpenCollector());
  if (dice < 25) Write();
  if (dice == 30 || dice == 31) {
    RETURN_IF_ERROR(CrashHost());
  } else if (dice >= 32 && dice < 37) {
    CrashCollector();
    RETURN_IF_ERROR(OpenCollector());
    // Opening the log again is what recovers it.
    Connect();
    for (int i = 0; i < 50 && uplink_ != nullptr && !uplink_->welcomed(); ++i) Exchange(false);
    RETURN_IF_ERROR(CheckStore(false));
  } else if (dice == 40) {
    skew_ = absl::Seconds(static_cast<int64_t>(random_() % 7200) - 3600);
  } else if (dice == 41) {
    disk_.set_errors(static_cast<int>(random_() % 100));
  } else if (dice == 42) {
    disk_.set_errors(0);
  } else if (dice >= 43 && dice < 48) {
    Trace(core_->own_log()->Publish().ok() ? "published" : "not published");
  } else {
    for (uint64_t i = random_() % 8; i > 0; --i) Exchange(true);
  }
  return absl::OkStatus();
}

absl::Status World::Settle() {
  disk_.set_errors(0);
  skew_ = absl::ZeroDuration();
  RETURN_IF_ERROR(ledger_->Close("stop"));
  if (core_ == nullptr) RETURN_IF_ERROR(OpenCollector());
  for (int i = 0; i < kSettleRounds; ++i) {
    Exchange(false);
    RETURN_IF_ERROR(source_->Refresh());
    if (uplink_ != nullptr && uplink_->receipted() == source_->size() &&
        uplink_->cursor() == source_->limit() && to_collector_.empty()) {
      Disconnect();
      return CheckStore(true);
    }
  }
  return Violation("without faults, not everything was receipted");
}

absl::Status World::Play() {
  RETURN_IF_ERROR(Start());
  for (int i = 0; i < kSteps; ++i) RETURN_IF_ERROR(Step());
  return Settle();
}

}  // namespace cairn::simulators
