#include "agent/capture/audit_source.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "agent/capture/audit_text.h"
#include "agent/capture/audit_types.h"
#include "base/clock.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr size_t kMaxMessages = 4096;                 // a Drain
constexpr int kMaxLastDrains = 16;                    // more than the socket holds
constexpr uint64_t kAskEveryNs = 1'000'000'000;       // while messages come
constexpr uint64_t kAskQuietEveryNs = 3'000'000'000;  // while none do; and for rules
constexpr uint64_t kAnswerNs = 20'000'000;            // until the answer is looked for

// A record about loss: `count` events, exactly or at least.
void FillLost(Record* record, absl::string_view reason, uint64_t count, bool at_least) {
  record->Clear();
  record->set_type(AUDIT_LOST);
  Audit* audit = record->mutable_audit();
  audit->set_op(reason.data(), reason.size());
  audit->set_lost(static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX)));
  audit->set_at_least(at_least || count > UINT32_MAX);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditSource>> AuditSource::Open(const AuditSourceOptions& options) {
  std::unique_ptr<AuditSource> source(new AuditSource(options));
  source->settings_.Adopt();
  if (options.mode == AuditMode::kOff) {
    source->reason_ = "turned off in the configuration";
    source->MakeGood();
    return source;
  }
  const absl::Status status = source->Choose();
  if (!status.ok()) {
    if (options.mode != AuditMode::kAuto) return status;
    source->socket_.reset();
    source->mode_ = "off";
    source->reason_ = std::string(status.message());
  }
  return source;
}

// What a run that was killed left changed is put back, although we want nothing of audit.
void AuditSource::MakeGood() {
  absl::StatusOr<AuditControl> control = AuditControl::Open();
  if (control.ok()) settings_.Restore(&*control);
}

AuditSource::~AuditSource() {
  if (!control_) return;
  if (owner_) {
    const absl::StatusOr<AuditKernelState> now = control_->Read();
    if (now.ok() && now->pid == static_cast<uint32_t>(getpid())) {
      (void)control_->ReleaseOwnership();
    }
  }
  settings_.Restore(control_.get());
}

absl::Status AuditSource::Choose() {
  ASSIGN_OR_RETURN(AuditControl control, AuditControl::Open());
  control_ = std::make_unique<AuditControl>(std::move(control));
  ASSIGN_OR_RETURN(const AuditKernelState state, control_->Read());
  lost_seen_ = state.lost;
  const bool installed = AuditdInstalled();
  bool unicast = options_.mode == AuditMode::kUnicast;
  if (options_.mode == AuditMode::kAuto) unicast = !installed && state.pid == 0;
  absl::Status status = unicast ? OpenUnicast() : absl::OkStatus();
  if (unicast && !status.ok() && options_.mode == AuditMode::kUnicast) return status;
  if (unicast && status.ok()) {
    mode_ = "unicast";
    reason_ = "owner of the audit socket";
  } else {
    RETURN_IF_ERROR(OpenMulticast());
    mode_ = "multicast";
    reason_ = !status.ok()     ? std::string(status.message())
              : state.pid != 0 ? absl::StrCat("process ", state.pid, " owns the audit socket")
              : installed      ? "auditd is installed"
                               : "asked for";
  }
  const auto now = control_->Read();
  const auto rules = control_->ReadRules();
  if (now.ok() && now->enabled == 0) absl::StrAppend(&reason_, "; kernel audit is disabled");
  if (now.ok() && rules.ok()) drift_.Accept(*now, *rules);
  ASSIGN_OR_RETURN(asker_, AuditAsker::Start());
  return absl::OkStatus();
}

absl::Status AuditSource::OpenUnicast() {
  ASSIGN_OR_RETURN(socket_, AuditSocket::Open(false, options_.socket_bytes));
  RETURN_IF_ERROR(socket_->Own());
  owner_ = true;
  return settings_.ApplyOwner(control_.get(), options_.backlog_limit, options_.backlog_wait_time);
}

absl::Status AuditSource::OpenMulticast() {
  owner_ = false;
  ASSIGN_OR_RETURN(socket_, AuditSocket::Open(true, options_.socket_bytes));
  // With no daemon there is nobody else to turn audit on; a running one has its own mind.
  ASSIGN_OR_RETURN(const AuditKernelState state, control_->Read());
  return state.pid == 0 ? settings_.ApplyEnabled(control_.get()) : absl::OkStatus();
}

size_t AuditSource::Drain(Sink sink) {
  handed_out_ = 0;
  for (size_t i = 0; i < kMaxMessages && ReadOne(sink); ++i) {
  }
  return handed_out_;
}

uint64_t AuditSource::due_ns() const {
  if (asker_ == nullptr) return assembler_.due_ns();
  return std::min(assembler_.due_ns(), asker_->busy() ? looked_ns_ + kAnswerNs : AskDueNs());
}

uint64_t AuditSource::AskDueNs() const {
  return NextMultiple(asked_ns_, heard_ ? kAskEveryNs : kAskQuietEveryNs);
}

bool AuditSource::ReadOne(Sink sink) {
  if (!socket_) return false;
  AuditMessage message;
  switch (socket_->Read(&message)) {
    case AuditRead::kMessage:
      heard_ = true;
      Take(message, sink);
      return true;
    case AuditRead::kOverrun:
      heard_ = true;
      ++counters_.overruns;
      overrun_ns_ = BootNs();
      return true;
    case AuditRead::kIgnored:
      return true;
    case AuditRead::kFailed:
      socket_.reset();
      return false;
    case AuditRead::kEmpty:
      return false;
  }
  return false;
}

void AuditSource::Take(const AuditMessage& message, Sink sink) {
  if (message.type == audit::kReplace) {
    // Somebody tries to take the socket; the kernel asks whether we live, and refuses them.
    uint32_t pid = 0;
    if (message.text.size() <= sizeof(pid)) {
      std::memcpy(&pid, message.text.data(), message.text.size());
    }
    record_.Clear();
    record_.set_type(AUDIT_DAEMON);
    record_.set_outcome(OUTCOME_FAILURE);
    record_.mutable_audit()->set_op("takeover");
    (*record_.mutable_audit()->mutable_fields())["pid"] = absl::StrCat(pid);
    HandOutOwn(&record_, sink);
    return;
  }
  absl::string_view text;
  const std::optional<AuditStamp> stamp = ParseAuditStamp(message.text, &text);
  if (!stamp) {
    ++counters_.malformed;
    return;
  }
  const uint64_t now = BootNs();
  serials_.See(stamp->serial, now);
  assembler_.Add(*stamp, message.type, text, now,
                 [this, sink](const AuditEvent& event) { HandOutEvent(event, sink); });
}

void AuditSource::HandOutEvent(const AuditEvent& event, Sink sink) {
  DecodeAuditEvent(event, &record_, &actor_);
  drift_.Told(record_);
  const auto& fields = record_.audit().fields();
  const auto nonce = fields.find("nonce");
  if (record_.audit().op() == "cairn-canary" && nonce != fields.end() &&
      actor_.process.pid() == static_cast<uint32_t>(getpid()) &&
      nonce->second == absl::StrCat(canary_sent_)) {
    canary_seen_ = canary_sent_;
    return;
  }
  const uint64_t boot = BootNs();
  const uint64_t offset = WallNs() - boot;
  const uint64_t wall = event.stamp.wall_ms * 1'000'000;
  const uint64_t time = wall > offset ? std::min(wall - offset, boot) : 0;
  if (time < newest_ns_) record_.mutable_audit()->set_late(true);
  newest_ns_ = std::max(newest_ns_, time);
  ++counters_.events;
  ++handed_out_;
  sink({.time_ns = time, .pid = actor_.process.pid(), .record = &record_, .actor = &actor_});
}

void AuditSource::HandOutOwn(Record* record, Sink sink) {
  record->set_source(SOURCE_AUDIT);
  actor_.process.Clear();
  actor_.has_identity = false;
  ++handed_out_;
  sink({.time_ns = BootNs(), .pid = 0, .record = record, .actor = &actor_});
}

size_t AuditSource::Tick(Sink sink) {
  handed_out_ = 0;
  const uint64_t now = BootNs();
  assembler_.Expire(now, [this, sink](const AuditEvent& event) { HandOutEvent(event, sink); });
  if (asker_ == nullptr) return handed_out_;
  looked_ns_ = now;
  if (auto answer = asker_->Take()) HearKernel(*std::move(answer), sink);
  if (!asker_->busy() && now >= AskDueNs()) AskKernel(now);
  return handed_out_;
}

size_t AuditSource::Finish(Sink sink) {
  size_t count = 0;
  for (int i = 0; i < kMaxLastDrains; ++i) {
    const size_t more = Drain(sink);
    count += more;
    if (more == 0) break;
  }
  handed_out_ = 0;
  if (control_) {
    assembler_.Flush([this, sink](const AuditEvent& event) { HandOutEvent(event, sink); });
    const absl::StatusOr<AuditKernelState> state = control_->Read();
    ReportLosses(state.ok() ? state->lost : lost_seen_, /*last=*/true, sink);
  }
  return count + handed_out_;
}

void AuditSource::AskKernel(uint64_t now_ns) {
  asked_ns_ = now_ns;
  heard_ = false;
  const bool rules = now_ns >= NextMultiple(rules_asked_ns_, kAskQuietEveryNs);
  if (rules) rules_asked_ns_ = now_ns;
  asker_->Ask(rules);
}

void AuditSource::HearKernel(AuditAnswer answer, Sink sink) {
  counters_.backlog = answer.state.backlog;
  ReportLosses(answer.state.lost, /*last=*/false, sink);
  const auto report = [this, sink](Record* record) { HandOutOwn(record, sink); };
  drift_.CompareSettings(answer.state, report);
  if (answer.rules) drift_.CompareRules(*std::move(answer.rules), report);
  Reclaim(answer.state, sink);
}

void AuditSource::ReportLosses(uint32_t kernel_lost, bool last, Sink sink) {
  const uint32_t lost = kernel_lost - lost_seen_;  // wraps with the counter
  lost_seen_ = kernel_lost;
  if (lost > 0 && lost < UINT32_MAX / 2) {
    counters_.kernel_lost += lost;
    FillLost(&record_, "kernel", lost, false);
    HandOutOwn(&record_, sink);
  }
  const uint64_t now = BootNs();
  const AuditGap gap = serials_.TakeGap(now, last);
  const uint64_t overruns = counters_.overruns - overruns_reported_;
  if (gap.missing > 0) {
    counters_.serials_lost += gap.missing;
    FillLost(&record_, "serials", gap.missing, !owner_);
    record_.mutable_audit()->set_serial_from(gap.from);
    record_.mutable_audit()->set_serial_to(gap.to);
  } else if (overruns > 0 && (last || now > overrun_ns_ + 2 * AuditSerials::kPatienceNs)) {
    FillLost(&record_, "socket", overruns, true);  // no later event came to show the gap
  } else {
    return;
  }
  if (overruns > 0) {
    (*record_.mutable_audit()->mutable_fields())["overruns"] = absl::StrCat(overruns);
  }
  overruns_reported_ = counters_.overruns;
  HandOutOwn(&record_, sink);
}

bool AuditSource::AuditdInstalled() const { return access(options_.auditd.c_str(), X_OK) == 0; }

// What waits is taken; what comes until the next socket is open is missed, and its serials tell.
void AuditSource::Yield(Sink sink) {
  for (size_t i = 0; i < kMaxMessages && ReadOne(sink); ++i) {
  }
  (void)control_->ReleaseOwnership();  // were it not ours any more, that would be as well
  settings_.Restore(control_.get());
}

// A stopped owner is dropped by the kernel; it may come back. A socket that somebody else has
// taken meanwhile is theirs, and so is that of an auditd that was installed meanwhile, which could
// not start: we go on beside them.
void AuditSource::Reclaim(const AuditKernelState& now, Sink sink) {
  const bool lost_it = owner_ && now.pid != static_cast<uint32_t>(getpid());
  const bool yields = owner_ && !lost_it && options_.mode == AuditMode::kAuto && AuditdInstalled();
  if (socket_ && !lost_it && !yields) return;
  if (mode_ == "off") return;
  if (yields) Yield(sink);
  const bool take = owner_ && now.pid == 0;
  absl::Status status = take ? OpenUnicast() : OpenMulticast();
  record_.Clear();
  record_.set_type(AUDIT_DAEMON);
  record_.set_outcome(status.ok() ? OUTCOME_SUCCESS : OUTCOME_FAILURE);
  record_.mutable_audit()->set_op(take ? "reclaim" : "multicast");
  (*record_.mutable_audit()->mutable_fields())["owner"] = absl::StrCat(now.pid);
  if (status.ok() && !take) {
    mode_ = "multicast";
    reason_ = yields ? "auditd is installed"
                     : absl::StrCat("process ", now.pid, " took the audit socket");
  }
  const auto state = control_->Read();
  const auto rules = control_->ReadRules();
  if (state.ok() && rules.ok()) drift_.Accept(*state, *rules);
  HandOutOwn(&record_, sink);
}

AuditCounters AuditSource::counters() const {
  AuditCounters counters = counters_;
  counters.assembly = assembler_.stats();
  return counters;
}

absl::Status AuditSource::SendCanary() {
  if (!control_) return absl::FailedPreconditionError("audit: off");
  ++canary_sent_;
  return control_->SendCanary(canary_sent_);
}

}  // namespace cairn::capture
