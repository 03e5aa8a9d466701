// How cairnd comes up: log, policy, kernel, doors, in that order.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/pins.h"
#include "agent/daemon.h"
#include "agent/own_records.h"
#include "base/clock.h"
#include "base/host.h"
#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/status.h"
#include "ledger/incarnation.h"
#include "ledger/key.h"
#include "ledger/note.h"
#include "policy/load.h"

namespace cairn::agent {
namespace {

constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr const char* kRingsKept =
    "kernel events that were not written yet are in the pinned rings and follow, or are counted; "
    "audit messages and the agent's own records since then are unknown";
constexpr const char* kRingsGone =
    "the pinned rings were not taken over: all since the time that agent.recovery names is unknown";

absl::StatusOr<Fd> TakeSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGHUP, SIGUSR1, SIGTERM, SIGINT}) sigaddset(&set, number);
  ::signal(SIGPIPE, SIG_IGN);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return ErrnoStatus(errno, "block signals");
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "signalfd");
  return fd;
}

ledger::LedgerOptions OptionsOf(const config::AgentConfig& config) {
  ledger::LedgerOptions options;
  options.dir = config.log().dir();
  options.environment = config.environment();
  options.boot_id = BootId();
  options.binary_digest = FileDigest("/proc/self/exe");
  for (const std::string& recipient : config.log().recipients()) {
    options.recipients.push_back(absl::HexStringToBytes(recipient));
  }
  options.limits.segment_bytes = config.log().segment_bytes();
  options.limits.segment_age = absl::Seconds(config.log().segment_age_s());
  options.limits.commit_age = absl::Milliseconds(config.log().commit_age_ms());
  options.limits.checkpoint_age = absl::Milliseconds(config.log().checkpoint_age_ms());
  options.boot_time_ns = BootNs;
  options.wall_time_ns = WallNs;
  return options;
}

// Readers are the group `cairn`, where there is one.
void ShareWithReaders(const std::string& dir) {
  const group* readers = ::getgrnam("cairn");
  if (readers == nullptr || ::geteuid() != 0) return;
  // The set-group-id bit hands the group on to what is made in it, so this is done once at most:
  // under systemd tmpfiles.d has done it, and the unit may not (RestrictSUIDSGID).
  struct stat st;
  if (::stat(dir.c_str(), &st) == 0 && st.st_gid == readers->gr_gid &&
      (st.st_mode & 07777) == 02750) {
    return;
  }
  if (::chown(dir.c_str(), static_cast<uid_t>(-1), readers->gr_gid) != 0 ||
      ::chmod(dir.c_str(), 02750) != 0) {
    LogWarning(dir, ": cannot be shared with group cairn: ", std::strerror(errno));
  }
}

capture::AuditMode AuditModeOf(absl::string_view name) {
  if (name == "unicast") return capture::AuditMode::kUnicast;
  if (name == "multicast") return capture::AuditMode::kMulticast;
  if (name == "off") return capture::AuditMode::kOff;
  return capture::AuditMode::kAuto;
}

// Where it cannot be had, capture goes on without.
std::string StateDir(const config::Capture& config) {
  const absl::Status made = MakeDirectories(Io::Real(), config.state_dir(), 0700);
  if (made.ok()) return config.state_dir();
  LogWarning("nothing of capture outlives a crash: ", made.message());
  return "";
}

// The shipper writes receipts into the log directory.
capture::ShieldOptions ShieldOf(const config::AgentConfig& config, const std::string& log_dir) {
  return {.paths = {config.log().dir(), config.keys().dir(), config.capture().state_dir(),
                    config.policy().state_dir()},
          .open_paths = {log_dir + "/receipts"}};
}

std::string ParentOf(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

bool Watch(int epoll, int fd, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const Configuration& from,
                                                      const std::string& config_path) {
  auto daemon = absl::WrapUnique(new Daemon(from));
  daemon->started_wall_ns_ = WallNs();
  ASSIGN_OR_RETURN(daemon->signals_, TakeSignals());
  RETURN_IF_ERROR(daemon->OpenDoors());
  RETURN_IF_ERROR(daemon->OpenLog());
  RETURN_IF_ERROR(daemon->OpenKernel());
  daemon->RecordStart(config_path);
  return daemon;
}

// First, since it says whether another cairnd is already here.
absl::Status Daemon::OpenDoors() {
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), ParentOf(config_.control().socket()), 0755));
  ASSIGN_OR_RETURN(control_,
                   ControlServer::Listen(config_.control().socket(),
                                         [this](const Peer& peer, const control::Request& request) {
                                           return Answer(peer, request);
                                         }));
  epoll_.Reset(::epoll_create1(EPOLL_CLOEXEC));
  committed_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.valid() || !committed_.valid() || !Watch(epoll_.get(), committed_.get(), EPOLLIN) ||
      !Watch(epoll_.get(), control_->wait_fd(), EPOLLIN) ||
      !Watch(epoll_.get(), signals_.get(), EPOLLIN)) {
    return ErrnoStatus(errno, "epoll");
  }
  return absl::OkStatus();
}

// Without its TPM the daemon starts all the same, unless the key is sealed to it.
absl::Status Daemon::OpenTpm() {
  if (config_.keys().tpm().empty() || tpm_ != nullptr) return absl::OkStatus();
  auto tpm = ledger::Tpm::Open(config_.keys().tpm());
  if (tpm.ok()) {
    tpm_ = *std::move(tpm);
  } else {
    LogError(tpm.status().message(), "; epochs are not counted");
  }
  return absl::OkStatus();
}

// `key` receives the log's key. Where `cairn key rotate` left a next key, that takes over.
absl::StatusOr<ledger::OpenedLog> Daemon::OpenNewestLog(ledger::SigningKey* key) {
  const std::string& keys = config_.keys().dir();
  const std::string path = absl::StrCat(keys, "/", kLogKeyName);
  const std::string next_path = absl::StrCat(path, kNextKeySuffix);
  ASSIGN_OR_RETURN(const std::string uuid, LoadHostUuid(keys));
  ASSIGN_OR_RETURN(*key, ledger::SigningKey::Load(path, tpm_.get()));
  ledger::LedgerOptions options = OptionsOf(config_);
  if (rings_left_) options.kept = kRingsKept;
  options.origin = absl::StrCat(config_.deployment(), "/h/", uuid);
  options.tpm = tpm_.get();
  options.committed = [this] { ::eventfd_write(committed_.get(), 1); };
  absl::StatusOr<ledger::SigningKey> next = ledger::SigningKey::Load(next_path, tpm_.get());
  if (absl::IsNotFound(next.status())) {
    return ledger::OpenNewestIncarnation(std::move(options), *key);
  }
  if (!next.ok()) return next.status();
  ASSIGN_OR_RETURN(ledger::OpenedLog opened, ledger::RotateKey(std::move(options), *key, *next));
  if (Io::Real()->Rename(next_path.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rename ", next_path, " to ", path));
  }
  RETURN_IF_ERROR(SyncDirectory(Io::Real(), keys));
  *key = *std::move(next);
  LogInfo("the log goes on as ", opened.origin, " under a new key");
  return opened;
}

absl::Status Daemon::OpenLog() {
  RETURN_IF_ERROR(MakeDirectories(Io::Real(), config_.log().dir(), 0750));
  const config::Capture& capture = config_.capture();
  rings_left_ = capture_ == nullptr && !capture.pin_dir().empty() &&
                capture.backend() != "audit-only" &&
                capture::Pins::Left(capture.pin_dir(), capture.ring_bytes()) != 0;
  ShareWithReaders(config_.log().dir());
  RETURN_IF_ERROR(OpenTpm());
  ledger::SigningKey key = ledger::SigningKey::Generate();
  ASSIGN_OR_RETURN(ledger::OpenedLog opened, OpenNewestLog(&key));
  ledger_ = std::move(opened.ledger);
  log_dir_ = opened.dir;
  origin_ = opened.origin;
  ShareWithReaders(log_dir_);

  std::vector<ledger::VerifierKey> collectors;
  for (const std::string& text : config_.receipts().collectors()) {
    ASSIGN_OR_RETURN(ledger::VerifierKey vkey, ledger::VerifierKey::Parse(text));
    collectors.push_back(std::move(vkey));
  }
  const ledger::VerifierKey log_key = {origin_, ledger::SignatureType::kEd25519, key.public_key()};
  ASSIGN_OR_RETURN(receipts_, Receipts::Watch(log_dir_ + "/receipts", log_key, collectors,
                                              config_.receipts().archived()));
  if (!Watch(epoll_.get(), receipts_->wait_fd(), EPOLLIN)) return ErrnoStatus(errno, "epoll");
  return absl::OkStatus();
}

absl::Status Daemon::OpenKernel() {
  policy::LoadOptions policy_options = policy::LoadOptionsOf(config_);
  policy::LoadResult policy = policy::LoadPolicy(policy_options, nullptr);
  for (const std::string& error : policy.change.errors()) LogError(error);
  ledger_->SetPolicy(1, policy.policy->digest());
  recorder_ = std::make_unique<Recorder>(ledger_.get());
  recorder_->SetPolicy(policy.policy);
  own_traffic_ = std::make_unique<OwnTraffic>(config_.log().dir());
  witness_ = std::make_unique<PolicyWitness>(config_.policy().dir());

  capture::CaptureOptions options;
  options.audit = AuditModeOf(config_.capture().audit());
  options.bpf = config_.capture().backend() != "audit-only";
  options.ring_bytes = config_.capture().ring_bytes();
  options.pin_dir = config_.capture().pin_dir();
  options.push_down = !config_.capture().no_push_down();
  options.process_rate = config_.capture().process_rate();
  options.own_paths = {config_.log().dir(), config_.keys().dir(), config_.policy().dir()};
  options.env = {config_.capture().env().begin(), config_.capture().env().end()};
  options.state_dir = StateDir(config_.capture());
  if (config_.capture().protect()) options.shield = ShieldOf(config_, log_dir_);
  ASSIGN_OR_RETURN(capture_, capture::Capture::Start(options));
  TakeOver();
  RETURN_IF_ERROR(capture_->SetWanted(policy.policy->wanted(), policy::GuardsOf(*policy.policy)));
  RETURN_IF_ERROR(OpenReloader(std::move(policy_options), std::move(policy)));
  keeper_ = std::make_unique<RoomKeeper>(config_.log());
  ConnectLog();
  if (!Watch(epoll_.get(), capture_->wait_fd(), EPOLLONESHOT)) return ErrnoStatus(errno, "epoll");
  return absl::OkStatus();
}

absl::Status Daemon::OpenReloader(policy::LoadOptions load, policy::LoadResult first) {
  Reloader::Options options;
  options.load = std::move(load);
  options.wait_ns = config_.receipts().wait_ms() * kMillisecondNs;
  options.watch = config_.policy().reload() != "manual";
  Reloader::Parts parts;
  parts.recorder = recorder_.get();
  parts.ledger = ledger_.get();
  parts.capture = capture_.get();
  parts.receipts = receipts_.get();
  parts.witness = witness_.get();
  parts.drain = [this] { DrainAll(); };
  ASSIGN_OR_RETURN(reloader_, Reloader::Create(std::move(options), parts, std::move(first)));
  if (!Watch(epoll_.get(), reloader_->wait_fd(), EPOLLIN)) return ErrnoStatus(errno, "epoll");
  return absl::OkStatus();
}

// What the kernel kept while no cairnd ran comes out of the rings next.
void Daemon::TakeOver() {
  const uint64_t from_ns = capture_->resumed_from_ns();
  if (from_ns == 0 && rings_left_) {
    Record record;
    record.set_type(AGENT_RECOVERY);
    record.set_source(SOURCE_AGENT);
    record.mutable_recovery()->set_how("interrupted");
    record.mutable_recovery()->set_detail(absl::StrCat(kRingsGone, ": ", capture_->pins()));
    TakeOwn(record, true);
  }
  if (from_ns == 0) return;
  const absl::Status read = resume_.Read(log_dir_, BootId(), from_ns);
  if (!read.ok()) LogError("what was recorded since ", from_ns, " ns: ", read.message());
  for (const Record& record : resume_.told()) capture_->Told(record);
  LogInfo("going on with the rings of the run before, from boot time ", from_ns, " ns");
}

void Daemon::RecordStart(const std::string& config_path) {
  TakeOwn(StartRecord(config_, *capture_, FileDigest("/proc/self/exe"), ConfigDigest(config_path)),
          true);
  policy::LoadResult first = reloader_->current();
  first.change.set_new_generation(1);
  Requester nobody;
  nobody.trigger = "start";
  TakeOwn(PolicyRecord(first, nobody), true);
  if (first.rung != policy::Rung::kConfigured) TakeOwn(DegradedRecord(first), true);
  if (capture_->backend() == "audit-only" && config_.capture().backend() != "audit-only") {
    TakeOwn(NoticeRecord(AGENT_DEGRADED, "no BPF", capture_->backend_reason()), true);
  }
  if (config_.capture().protect() && capture_->protection() != "on") {
    TakeOwn(NoticeRecord(AGENT_DEGRADED, "not protected", capture_->protection()), true);
  }
  if (config_error_.empty()) {
    const absl::Status kept = SaveLastConfig(config_);
    if (!kept.ok()) LogWarning("keep the configuration for later: ", kept.message());
  } else {
    LogError(config_error_, "; the last good configuration holds");
    TakeOwn(NoticeRecord(AGENT_DEGRADED, "the last good configuration holds", config_error_), true);
  }
  KeepRoom();
  suspended_ns_ = SuspendedNs();
  watchdog_ns_ = WatchdogNs();
  next_beat_ns_ = BootNs();
}

}  // namespace cairn::agent
