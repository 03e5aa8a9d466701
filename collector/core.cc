#include "collector/core.h"

#include <fcntl.h>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/status.h"
#include "collector/origin.h"
#include "ledger/format.h"
#include "policy/event_json.h"
#include "policy/json.h"

namespace cairn::collector {
namespace {

constexpr size_t kMaxSaid = 4096;

}  // namespace

LogClaim& LogClaim::operator=(LogClaim&& other) noexcept {
  Release();
  core_ = std::exchange(other.core_, nullptr);
  origin_ = std::move(other.origin_);
  log_ = std::move(other.log_);
  return *this;
}

void LogClaim::Drop() {
  log_.reset();
  Release();
}

absl::Status LogClaim::Open(const Origin& origin, const ledger::VerifierKey& log_key) {
  // Until it is given back, nobody but the claim writes there.
  core_->saver_->Finish(core_->DirOf(origin));
  if (log_ != nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(log_, HostLog::Open(core_->options_.io, core_->DirOf(origin), log_key,
                                       core_->cosigner_.get()));
  // A crash may have come between its last receipt and the own log's next checkpoint.
  core_->EnterInOwnLog(origin_, log_->receipt().note);
  return absl::OkStatus();
}

void LogClaim::Release() {
  if (core_ == nullptr) return;
  if (log_ != nullptr) core_->SaveCheckpoint(log_.get());
  core_->GiveBack(origin_, std::move(log_));
  core_ = nullptr;
}

Core::Core(CoreOptions options, std::unique_ptr<Cosigner> cosigner)
    : options_(std::move(options)),
      cosigner_(std::move(cosigner)),
      hosts_(options_.hosts_dir, options_.trust_on_first_use) {}

absl::StatusOr<std::unique_ptr<Core>> Core::Create(CoreOptions options,
                                                   std::unique_ptr<Cosigner> cosigner) {
  if (options.deployment == "tlog") {
    return absl::InvalidArgumentError("deployment: 'tlog' is where the collector's own log is");
  }
  auto core = absl::WrapUnique(new Core(std::move(options), std::move(cosigner)));
  RETURN_IF_ERROR(MakeDirectories(core->options_.io, core->options_.store, 0750));
  if (!core->options_.receipts_log.empty()) {
    ASSIGN_OR_RETURN(core->receipts_log_, LineLog::Open(core->options_.receipts_log));
  }
  if (!core->options_.alarms_log.empty()) {
    ASSIGN_OR_RETURN(core->alarms_log_, LineLog::Open(core->options_.alarms_log));
  }
  if (!core->options_.webhook.empty()) {
    core->webhook_ = std::make_unique<Webhook>(core->options_.webhook);
  }
  ASSIGN_OR_RETURN(core->own_log_,
                   OwnLog::Open(core->options_.io, absl::StrCat(core->options_.store, "/tlog"),
                                core->cosigner_.get()));
  if (core->options_.background) core->own_log_->Start(core->options_.publish_every);
  core->saver_ = std::make_unique<CheckpointSaver>(
      core->options_.io, core->options_.background, [raw = core.get()](const absl::Status& why) {
        raw->Alarm("storage", raw->options_.deployment, why.message());
      });
  if (core->options_.enrolment.has_value()) {
    ASSIGN_OR_RETURN(core->enrolment_, Enrolment::Create(*core->options_.enrolment, &core->hosts_,
                                                         core->cosigner_.get()));
  }
  if (core->options_.archiver.has_value()) {
    const auto alarm = [raw = core.get()](absl::string_view kind, absl::string_view origin,
                                          absl::string_view text) {
      raw->Alarm(kind, origin, text);
    };
    ASSIGN_OR_RETURN(core->archiver_,
                     Archiver::Create(*core->options_.archiver, core->cosigner_.get(), alarm));
    core->NoticeStored();
  }
  core->ExpectStored();
  return core;
}

// What was closed before a crash goes to the archive although its host may not come again.
void Core::NoticeStored() {
  const std::string all = absl::StrCat(options_.store, "/", options_.deployment);
  const auto hosts = ListDirectory(all);
  if (!hosts.ok()) return;
  for (const std::string& host : *hosts) {
    const auto incarnations = ListDirectory(absl::StrCat(all, "/", host));
    if (!IsHostUuid(host) || !incarnations.ok()) continue;
    for (const std::string& incarnation : *incarnations) {
      const Origin origin{options_.deployment, host, incarnation};
      const auto text = ReadFile(absl::StrCat(DirOf(origin), "/", ledger::kKeyFile), 4096);
      if (!text.ok()) continue;
      const auto key = ledger::VerifierKey::Parse(absl::StripAsciiWhitespace(*text));
      if (key.ok()) archiver_->Notice(origin, DirOf(origin), *key);
    }
  }
}

std::string Core::DirOf(const Origin& origin) const {
  return absl::StrCat(options_.store, "/", origin.Path());
}

void Core::Retain() {
  // With an archive what is not archived stays, and the rest goes as the archiver says.
  if (!options_.retention.deletes() || archiver_ != nullptr) return;
  const absl::StatusOr<Retained> retained = ApplyRetention(
      options_.retention, options_.store, options_.deployment, hosts_, options_.io, options_.now());
  if (!retained.ok()) {
    Alarm("storage", options_.deployment, retained.status().message());
  } else if (retained->over) {
    Alarm("storage", options_.deployment,
          absl::StrCat("the store has ", retained->stored_bytes,
                       " bytes, more than max_bytes, and "
                       "nothing more may be deleted"));
  }
}

// Whoever has a log here is expected to go on.
void Core::ExpectStored() {
  const std::string all = absl::StrCat(options_.store, "/", options_.deployment);
  const auto hosts = ListDirectory(all);
  if (!hosts.ok()) return;
  const absl::MutexLock lock(&mutex_);
  for (const std::string& host : *hosts) {
    if (IsHostUuid(host)) {
      heard_[absl::StrCat(options_.deployment, "/h/", host)].last = options_.now();
    }
  }
}

void Core::Hear(absl::string_view origin) {
  const std::string host(origin.substr(0, origin.rfind('/')));
  const absl::MutexLock lock(&mutex_);
  Heard& heard = heard_[host];
  heard.last = options_.now();
  if (heard.silent) LogInfo("host ", host, ": heard again");
  heard.silent = false;
}

void Core::CheckSilence() {
  std::vector<std::pair<std::string, absl::Duration>> silent;
  {
    const absl::MutexLock lock(&mutex_);
    for (auto& [host, heard] : heard_) {
      const absl::Duration since = options_.now() - heard.last;
      if (heard.silent || since < options_.silence_after) continue;
      heard.silent = true;
      silent.emplace_back(host, since);
    }
  }
  for (const auto& [host, since] : silent) {
    if (hosts_.revoked(host.substr(host.rfind('/') + 1))) continue;  // decommissioned
    Alarm("silence", host,
          absl::StrCat("no receipt asked for since ", absl::ToInt64Seconds(since), " seconds"));
  }
}

absl::StatusOr<LogClaim> Core::Claim(const Origin& origin) {
  LogClaim claim;
  {
    const absl::MutexLock lock(&mutex_);
    const auto [entry, fresh] = logs_.try_emplace(origin.Text());
    if (!fresh && entry->second == nullptr) {
      ++contests_[origin.Text()].challenges;
      return absl::UnavailableError(
          absl::StrCat("another session of ", origin.Text(), " is alive"));
    }
    claim.log_ = std::move(entry->second);
  }
  claim.core_ = this;
  claim.origin_ = origin.Text();
  if (archiver_ != nullptr) saver_->Finish(DirOf(origin));  // it may write there next
  return claim;
}

absl::Time Core::Spend(const Origin& origin, size_t bytes) {
  const double rate = static_cast<double>(options_.host_bytes_per_second);
  if (rate <= 0) return absl::InfinitePast();
  const absl::Time now = options_.now();
  const absl::MutexLock lock(&mutex_);
  const auto [entry, fresh] = buckets_.try_emplace(origin.host, Bucket{rate, now});
  Bucket& bucket = entry->second;
  const double filled =
      rate * absl::ToDoubleSeconds(std::max(now - bucket.filled, absl::ZeroDuration()));
  bucket.left = std::min(rate, bucket.left + filled) - static_cast<double>(bytes);
  bucket.filled = now;
  return bucket.left < 0 ? now + absl::Seconds(-bucket.left / rate) : now;
}

void Core::SaveCheckpoint(HostLog* log) {
  std::optional<ledger::CheckpointFile> file = log->TakeUnsaved();
  if (file.has_value()) saver_->Save(log->dir(), *std::move(file));
}

void Core::EnterInOwnLog(absl::string_view origin, absl::string_view note) {
  if (note.empty()) return;
  absl::StatusOr<std::string> leaf = LeafOf(note);
  const absl::Status added = leaf.ok() ? own_log_->Add(*std::move(leaf)) : leaf.status();
  if (!added.ok()) Alarm("own_log", origin, added.message());
}

uint64_t Core::challenges(const std::string& origin) const {
  const absl::MutexLock lock(&mutex_);
  const auto contest = contests_.find(origin);
  return contest == contests_.end() ? 0 : contest->second.challenges;
}

void Core::ProveAlive(const std::string& origin, absl::string_view address) {
  const absl::MutexLock lock(&mutex_);
  Contest& contest = contests_[origin];
  contest.proved = options_.now();
  contest.address = std::string(address);
}

std::string Core::AliveAt(const std::string& origin) const {
  const absl::MutexLock lock(&mutex_);
  const auto contest = contests_.find(origin);
  if (contest == contests_.end()) return "";
  return options_.now() - contest->second.proved < absl::Minutes(1) ? contest->second.address : "";
}

void Core::GiveBack(const std::string& origin, std::unique_ptr<HostLog> log) {
  const absl::MutexLock lock(&mutex_);
  contests_.erase(origin);
  // With an archive another collector may get further meanwhile: it is opened anew.
  if (log == nullptr || archiver_ != nullptr) {
    logs_.erase(origin);
  } else {
    logs_[origin] = std::move(log);
  }
}

void Core::Alarm(absl::string_view kind, absl::string_view origin, absl::string_view text) {
  ++counters_.alarms;
  {
    // The same again and again is said once a minute.
    const absl::MutexLock lock(&mutex_);
    const absl::Time now = options_.now();
    absl::Time& said = said_[absl::StrCat(kind, " ", origin, " ", text)];
    if (said != absl::Time() && now - said < absl::Minutes(1)) return;
    if (said_.size() > kMaxSaid) said_.clear();
    said_[absl::StrCat(kind, " ", origin, " ", text)] = now;
  }
  LogError("alarm ", kind, " ", origin, ": ", text);
  WriteAlarm(kind, origin, text);
  if (options_.on_alarm) options_.on_alarm(kind, origin, text);
  if (webhook_ != nullptr) webhook_->Post(kind, origin, text, options_.now());
}

void Core::WriteAlarm(absl::string_view kind, absl::string_view origin, absl::string_view text) {
  if (alarms_log_ == nullptr) return;
  policy::JsonObject json;
  json.Text("time",
            policy::FormatWallTime(static_cast<uint64_t>(absl::ToUnixNanos(options_.now()))));
  json.Text("kind", kind);
  json.Text("origin", origin);
  json.Text("text", text);
  const absl::Status written = alarms_log_->Append(json.Done());
  if (!written.ok()) LogWarning("alarms log: ", written.message());
}

void Core::CountReceipt(absl::string_view origin, const GivenReceipt& receipt,
                        uint64_t new_records) {
  Hear(origin);
  EnterInOwnLog(origin, receipt.note);
  ++counters_.receipts;
  counters_.records += new_records;
  if (options_.on_receipt) options_.on_receipt(origin, receipt);
  if (receipts_log_ == nullptr) return;
  const int64_t now_ns = absl::ToUnixNanos(options_.now());
  const double age_ms =
      (static_cast<double>(now_ns) - static_cast<double>(receipt.newest_ns)) / 1e6;
  const std::string line = absl::StrFormat(
      "{\"time_ns\":%d,\"origin\":\"%s\",\"size\":%d,\"records\":%d,\"new_records\":%d,"
      "\"newest_ns\":%d,\"newest_age_ms\":%.3f}",
      now_ns, origin, receipt.size, receipt.records, new_records, receipt.newest_ns, age_ms);
  const absl::Status written = receipts_log_->Append(line);
  if (!written.ok()) LogWarning("receipts log: ", written.message());
}

}  // namespace cairn::collector
