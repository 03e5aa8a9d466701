#include "agent/recorder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "policy/schema.h"
#include "proto/names.h"

namespace cairn::agent {
namespace {

constexpr size_t kMaxWaiting = 64;
constexpr size_t kMaxEvidence = 32 << 10;  // bytes of a quarantined record; a block holds 64 KiB
constexpr size_t kMaxProcess = 16 << 10;   // bytes of one that was cut
constexpr char kTooLarge[] = "too large for a block";

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

// agent.quarantine in the place of `what`, which is called `name`.
Record Quarantined(absl::string_view why, absl::string_view name,
                   const google::protobuf::Message& what) {
  std::string bytes = what.SerializeAsString();
  const size_t size = bytes.size();
  if (size > kMaxEvidence) bytes.resize(kMaxEvidence);
  Record record;
  record.set_type(AGENT_QUARANTINE);
  record.set_source(SOURCE_AGENT);
  Notice* notice = record.mutable_notice();
  notice->set_what(std::string(why));
  notice->set_detail(
      absl::StrCat(name, ", ", size, " bytes",
                   size > kMaxEvidence ? absl::StrCat(", cut to ", kMaxEvidence) : ""));
  notice->set_evidence(std::move(bytes));
  return record;
}

template <typename T>
void Halve(google::protobuf::RepeatedPtrField<T>* list) {
  list->DeleteSubrange(list->size() / 2, list->size() - list->size() / 2);
}

// Paths, at most 4 KiB each, stay whole.
void CutDetails(Process* process) {
  uint64_t length = 0;
  for (const std::string& argument : process->argv()) length += argument.size() + 1;
  if (process->argv_length() == 0) process->set_argv_length(static_cast<uint32_t>(length));
  while (process->ByteSizeLong() > kMaxProcess &&
         process->argv_size() + process->env_size() + process->ancestors_size() > 0) {
    Halve(process->mutable_argv());
    Halve(process->mutable_env());
    Halve(process->mutable_ancestors());
  }
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
  if (fault != nullptr) return QuarantineMisfit(captured, fault);
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
  // What capture knows to be critical (tampering) no policy makes less.
  record->set_severity(std::max(record->severity(), decision_.severity));
  if (decision_.capture.level == policy::LEVEL_MINIMAL && record->has_audit()) {
    record->mutable_audit()->clear_text();
    record->mutable_audit()->clear_text_length();
    record->mutable_audit()->clear_fields();
  }
  policy_->Redact(record, ProcessOf(captured));
}

// Redacted like any other: what does not fit may still hold a secret.
void Recorder::QuarantineMisfit(const capture::Captured& captured, const char* fault) {
  policy_->Redact(captured.record, ProcessOf(captured));
  Quarantine(captured.time_ns, captured.subject,
             Quarantined(fault, EventName(captured.record->type()), *captured.record));
}

void Recorder::Quarantine(uint64_t time_ns, ledger::Subject* subject, const Record& record) {
  ++counts_.quarantined;
  decision_.rules.clear();
  policy_->Decide({time_ns, &record, subject != nullptr ? &subject->process : nullptr}, &decision_);
  Settle(TryCut(time_ns, record, subject, true), record);
}

// An audit event of an act that is in the log already becomes a link to it.
void Recorder::AppendJoined(const capture::Captured& captured) {
  const uint32_t pid = captured.subject != nullptr ? captured.subject->process.pid() : 0;
  const auto twin = join_.Match(captured.time_ns, pid, *captured.record);
  if (twin) capture::AuditJoin::Link(*twin, captured.record);
  const bool awake = join_.awake(captured.time_ns);
  const uint64_t sequence = awake ? ledger_->stats().next_sequence : 0;
  const uint64_t quarantined = counts_.quarantined;
  Append(captured.time_ns, *captured.record, captured.subject, decision_.urgent);
  const bool taken = !faulty() && counts_.quarantined == quarantined;
  if (awake && taken) join_.Note(sequence, captured.time_ns, pid, *captured.record);
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

// A process that takes most of a block is cut, once for all its records, with what it was as
// evidence; then the record is tried again.
absl::Status Recorder::TryCut(uint64_t time_ns, const Record& record, ledger::Subject* subject,
                              bool urgent) {
  const absl::Status status = Try(time_ns, record, subject, urgent);
  if (!absl::IsInvalidArgument(status) || subject == nullptr ||
      subject->process.ByteSizeLong() <= kMaxProcess) {
    return status;
  }
  const policy::Decision wanted = decision_;
  const Process whole = subject->process;
  CutDetails(&subject->process);
  Quarantine(time_ns, subject,
             Quarantined(kTooLarge, absl::StrCat("details of process ", whole.pid()), whole));
  decision_ = wanted;
  return Try(time_ns, record, subject, urgent);
}

void Recorder::Append(uint64_t time_ns, const Record& record, ledger::Subject* subject,
                      bool urgent) {
  const absl::Status status = TryCut(time_ns, record, subject, urgent);
  if (!absl::IsInvalidArgument(status)) return Settle(status, record);
  Quarantine(time_ns, subject, Quarantined(kTooLarge, EventName(record.type()), record));
}

// What came of an attempt to append `record`.
void Recorder::Settle(const absl::Status& status, const Record& record) {
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
  for (; !waiting_.empty(); waiting_.pop_front()) {
    const Record& record = waiting_.front();
    absl::Status status = Try(now_ns, record, nullptr, true);
    if (absl::IsInvalidArgument(status)) {
      ++counts_.quarantined;
      status = Try(now_ns, Quarantined(kTooLarge, EventName(record.type()), record), nullptr, true);
    }
    if (!status.ok()) return;
  }
  LogInfo("the log takes records again");
  fault_ = absl::OkStatus();
}

}  // namespace cairn::agent
