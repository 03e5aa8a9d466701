#include "agent/recorder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/clock.h"
#include "base/log.h"
#include "policy/schema.h"
#include "proto/names.h"

namespace cairn::agent {
namespace {

constexpr size_t kMaxWaiting = 64;
constexpr size_t kMaxEvidence = 32 << 10;  // bytes of a quarantined record; a block holds 64 KiB

Process* ProcessOf(const capture::Captured& captured) {
  return captured.subject != nullptr ? &captured.subject->process : nullptr;
}

Record DiskLoss(absl::string_view reason, EventType type, uint64_t count, uint64_t from_ns,
                uint64_t to_ns) {
  Record record;
  record.set_type(AGENT_LOSS);
  record.set_source(SOURCE_AGENT);
  Loss* loss = record.mutable_loss();
  loss->set_source("disk");
  loss->set_reason(std::string(reason));
  loss->set_type(type);
  loss->set_count(count);
  loss->set_from_ns(from_ns);
  loss->set_to_ns(to_ns);
  return record;
}

}  // namespace

Recorder::Recorder(ledger::Ledger* ledger)
    : ledger_(ledger), wall_offset_ns_(WallNs() - BootNs()) {}

void Recorder::SetPolicy(std::shared_ptr<const policy::Policy> policy) {
  previous_ = std::exchange(policy_, std::move(policy));
}

void Recorder::CountLoss(const Loss& loss) {
  counts_.lost += loss.count();
  counts_.loss_by[{loss.source(), loss.reason()}] += loss.count();
}

void Recorder::CountLimit(const Record& record) {
  if (record.type() == AGENT_LIMIT_STOP && record.limit().types_size() != 0) {
    counts_.limited += record.limit().suppressed();
  }
}

void Recorder::Take(const capture::Captured& captured) {
  ++counts_.seen;
  if (captured.record->has_loss()) CountLoss(captured.record->loss());
  CountLimit(*captured.record);
  const char* fault = policy::SchemaFault(*captured.record);
  if (fault != nullptr) return Quarantine(captured, fault);
  decision_.verdict = policy::Verdict::kDrop;
  decision_.rules.clear();
  decision_.severity = SEVERITY_NONE;
  decision_.urgent = false;
  decision_.capture = policy::CaptureWish();
  policy_->Decide(
      {captured.time_ns, captured.record, ProcessOf(captured), captured.time_ns + wall_offset_ns_},
      &decision_);
  switch (decision_.verdict) {
    case policy::Verdict::kRecord:
      if (GivesUp(captured.record->type())) break;
      Prepare(captured);
      AppendJoined(captured);
      break;
    case policy::Verdict::kCount:
      ++counts_.counted;
      break;
    case policy::Verdict::kDrop:
      ++counts_.dropped;
      break;
  }
}

// Whether a record that is wanted must go because the disk is full.
bool Recorder::GivesUp(EventType type) {
  if (step_ < DiskStep::kFloorOnly) return false;
  const bool floor =
      std::any_of(decision_.rules.begin(), decision_.rules.end(),
                  [](const std::string* rule) { return rule->rfind("floor:", 0) == 0; });
  if (floor && step_ < DiskStep::kCountsOnly) return false;
  if (given_up_since_ns_ == 0) given_up_since_ns_ = BootNs();
  ++given_up_[static_cast<uint8_t>(type)];
  ++counts_.given_up;
  return true;
}

void Recorder::DeclareGivenUp() {
  if (given_up_since_ns_ == 0 || faulty() || step_ == DiskStep::kCountsOnly) return;
  decision_.rules.clear();
  const uint64_t now_ns = BootNs();
  for (size_t type = 0; type < given_up_.size(); ++type) {
    if (given_up_[type] == 0) continue;
    const Record record = DiskLoss("disk_full", static_cast<EventType>(type), given_up_[type],
                                   given_up_since_ns_, now_ns);
    if (!Try(now_ns, record, nullptr, true).ok()) return;
    CountLoss(record.loss());
    given_up_[type] = 0;
  }
  given_up_since_ns_ = 0;
}

// As much of it as the rules that wanted it ask for, without the secrets.
void Recorder::Prepare(const capture::Captured& captured) {
  Record* record = captured.record;
  record->set_severity(decision_.severity);
  if (decision_.capture.level == policy::LEVEL_MINIMAL && record->has_audit()) {
    record->mutable_audit()->clear_text();
    record->mutable_audit()->clear_text_length();
    record->mutable_audit()->clear_fields();
  }
  policy_->Redact(record, ProcessOf(captured));
}

// Redacted like any other: what does not fit may still hold a secret.
void Recorder::Quarantine(const capture::Captured& captured, const char* fault) {
  ++counts_.quarantined;
  policy_->Redact(captured.record, ProcessOf(captured));
  std::string bytes = captured.record->SerializeAsString();
  const size_t size = bytes.size();
  if (size > kMaxEvidence) bytes.resize(kMaxEvidence);
  Record record;
  record.set_type(AGENT_QUARANTINE);
  record.set_source(SOURCE_AGENT);
  record.mutable_notice()->set_what(fault);
  record.mutable_notice()->set_detail(
      absl::StrCat(EventName(captured.record->type()), ", a record of ", size, " bytes",
                   size > kMaxEvidence ? absl::StrCat(", cut to ", kMaxEvidence) : ""));
  record.mutable_notice()->set_evidence(std::move(bytes));
  decision_.rules.clear();
  policy_->Decide({captured.time_ns, &record, ProcessOf(captured)}, &decision_);
  Append(captured.time_ns, record, captured.subject, true);
}

// An audit event of an act that is in the log already becomes a link to it.
void Recorder::AppendJoined(const capture::Captured& captured) {
  const uint32_t pid = captured.subject != nullptr ? captured.subject->process.pid() : 0;
  const auto twin = join_.Match(captured.time_ns, pid, *captured.record);
  if (twin) capture::AuditJoin::Link(*twin, captured.record);
  const bool awake = join_.awake(captured.time_ns);
  const uint64_t sequence = awake ? ledger_->stats().next_sequence : 0;
  Append(captured.time_ns, *captured.record, captured.subject, decision_.urgent);
  if (awake && !faulty()) join_.Note(sequence, captured.time_ns, pid, *captured.record);
}

void Recorder::TakeOwn(const Record& record, ledger::Subject* subject, bool urgent) {
  const uint64_t now_ns = BootNs();
  if (record.has_loss()) CountLoss(record.loss());
  decision_.rules.clear();
  policy_->Decide({now_ns, &record, subject != nullptr ? &subject->process : nullptr}, &decision_);
  if (faulty()) {
    if (waiting_.size() == kMaxWaiting) waiting_.pop_front();
    waiting_.push_back(record);
    return;
  }
  Append(now_ns, record, subject, urgent);
}

void Recorder::TakeNotices(uint64_t now_ns, bool last) {
  wall_offset_ns_ = WallNs() - BootNs();
  policy_->TakeNotices(now_ns, last,
                       [this](const Record& record) { TakeOwn(record, nullptr, true); });
}

absl::Status Recorder::Try(uint64_t time_ns, const Record& record, ledger::Subject* subject,
                           bool urgent) {
  if (step_ == DiskStep::kCountsOnly) {
    return absl::ResourceExhaustedError("the disk is full, and so is the reserve");
  }
  ledger::Entry entry;
  entry.time_ns = time_ns;
  entry.record = &record;
  entry.subject = subject;
  entry.rules = absl::MakeConstSpan(decision_.rules);
  entry.urgent = urgent;
  const absl::Status status = ledger_->Append(entry);
  if (!status.ok()) return status;
  ++counts_.recorded;
  ++counts_.by_type[static_cast<uint8_t>(record.type())];
  return status;
}

void Recorder::Append(uint64_t time_ns, const Record& record, ledger::Subject* subject,
                      bool urgent) {
  const absl::Status status = Try(time_ns, record, subject, urgent);
  if (status.ok()) {
    if (faulty()) RetryAfterFault();
    return;
  }
  ++counts_.refused;
  ++refused_[static_cast<uint8_t>(record.type())];
  if (!faulty()) StartFault(status);
}

void Recorder::StartFault(const absl::Status& status) {
  fault_ = status;
  fault_since_ns_ = BootNs();
  LogError("the log does not take records: ", status.message(), "; they are counted until it does");
}

void Recorder::RetryAfterFault() {
  if (!faulty()) return;
  decision_.rules.clear();
  Record notice;
  notice.set_type(AGENT_STORAGE_FAULT);
  notice.set_source(SOURCE_AGENT);
  notice.mutable_notice()->set_what("storage fault over");
  notice.mutable_notice()->set_detail(
      absl::StrCat("since boot time ", fault_since_ns_, " ns: ", std::string(fault_.message())));
  const uint64_t now_ns = BootNs();
  if (!Try(now_ns, notice, nullptr, true).ok()) return;
  for (size_t type = 0; type < refused_.size(); ++type) {
    if (refused_[type] == 0) continue;
    const Record record = DiskLoss("storage_fault", static_cast<EventType>(type), refused_[type],
                                   fault_since_ns_, now_ns);
    if (!Try(now_ns, record, nullptr, true).ok()) return;
    CountLoss(record.loss());
    refused_[type] = 0;
  }
  while (!waiting_.empty() && Try(now_ns, waiting_.front(), nullptr, true).ok()) {
    waiting_.pop_front();
  }
  if (!waiting_.empty()) return;
  LogInfo("the log takes records again");
  fault_ = absl::OkStatus();
}

}  // namespace cairn::agent
