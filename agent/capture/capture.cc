#include "agent/capture/capture.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>
#include <set>
#include <utility>

#include "agent/capture/audit_source.h"
#include "agent/capture/bpf_source.h"
#include "agent/capture/canary.h"
#include "agent/capture/capture_records.h"
#include "agent/capture/clock_steps.h"
#include "agent/capture/decode.h"
#include "agent/capture/event_view.h"
#include "agent/capture/exe_hash.h"
#include "agent/capture/process_table.h"
#include "agent/capture/refine.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kAuditNapNs = 1'000'000;  // between looks while messages come

class Stream final : public Capture {
 public:
  explicit Stream(const CaptureOptions& options) : options_(options) {}

  absl::Status Start() {
    epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_.valid()) return ErrnoStatus(errno, "make a wait descriptor");
    RETURN_IF_ERROR(StartBpf());
    // After the probes: what begins meanwhile is seen by both, by neither nothing.
    snapshot_processes_ = table_.Snapshot();
    return StartAudit();
  }

  int wait_fd() const override { return epoll_.get(); }
  uint64_t look_ns() const override {
    return std::min({bpf_ == nullptr ? UINT64_MAX : bpf_->look_ns(), audit_->due_ns(),
                     audit_busy_ ? last_drain_ns_ + kAuditNapNs : UINT64_MAX});
  }
  bool busy() const override {
    return audit_busy_ || (bpf_ != nullptr && bpf_->look_ns() != UINT64_MAX);
  }

  size_t Drain(absl::FunctionRef<void(const Captured&)> sink) override {
    size_t count = 0;
    if (bpf_ != nullptr) {
      count = bpf_->Drain([&](absl::string_view event) { Hand(event, sink); });
      bpf_->DrainLoss([&](const RingLoss& loss) {
        HandLoss(loss, sink);
        ++count;
      });
      bpf_->DrainLimits([&](const Record& limit, uint32_t pid) {
        Record record = limit;
        sink({.time_ns = BootNs(), .record = &record, .subject = table_.FindPid(pid)});
        ++count;
      });
      bpf_->CheckIntegrity([&](const std::string& what) {
        HandTamper("capture was tampered with", what, sink);
        ++count;
      });
    }
    for (const std::string& what : canaries_.TakeAlarms()) {
      HandTamper("capture does not see all", what, sink);
      ++count;
    }
    last_drain_ns_ = BootNs();
    clock_steps_.Sample(last_drain_ns_, WallOffsetNs());
    return count + DrainAudit(sink);
  }

  bool more() const override { return bpf_ != nullptr && bpf_->more(); }

  void Settle() override {
    if (bpf_ != nullptr) bpf_->Settle();
  }

  void Detach() override {
    ending_ = true;
    if (bpf_ != nullptr) bpf_->Detach();
  }

  void Keep() override {
    ending_ = true;
    if (bpf_ != nullptr) bpf_->Keep();
  }

  uint64_t resumed_from_ns() const override {
    return bpf_ != nullptr ? bpf_->resumed_from_ns() : 0;
  }

  void Told(const Record& record) override {
    if (bpf_ != nullptr) bpf_->Told(record);
  }

  const std::string& pins() const override { return bpf_ != nullptr ? bpf_->pins() : reason_; }

  absl::Status LetOthersWrite(const std::string& path) override {
    return bpf_ != nullptr ? bpf_->LetOthersWrite(path) : absl::OkStatus();
  }

  absl::Status SetWanted(const policy::Wanted& wanted, const policy::Guards& guards) override {
    policy::Wanted all = wanted;
    all.env.insert(all.env.end(), options_.env.begin(), options_.env.end());
    table_.SetEnvironment(all.env);
    hash_wanted_ = wanted.exe_hash;
    return bpf_ != nullptr ? bpf_->SetWanted(all, guards) : absl::OkStatus();
  }

  ledger::Subject* FindProcess(uint32_t pid) override { return table_.FindPid(pid); }

  void FillHeartbeat(Heartbeat* heartbeat) override {
    if (bpf_ != nullptr) bpf_->FillHeartbeat(heartbeat);
    const AuditCounters counters = audit_->counters();
    heartbeat->set_audit_lost(counters.kernel_lost + counters.serials_lost);
    heartbeat->set_audit_backlog(counters.backlog);
    canary_ = canaries_.Beat(bpf_ != nullptr, critical_lost_, audit_.get());
    heartbeat->set_canary(canary_);
  }

  const std::string& backend() const override { return backend_; }
  const std::string& backend_reason() const override { return reason_; }
  const std::string& audit_mode() const override { return audit_->mode(); }
  const std::string& audit_reason() const override { return audit_->reason(); }
  const std::string& protection() const override { return protection_; }
  const std::string& canary() const override { return canary_; }
  size_t snapshot_processes() const override { return snapshot_processes_; }

 private:
  absl::Status StartBpf() {
    if (!options_.bpf) {
      reason_ = "BPF is switched off";
      return absl::OkStatus();
    }
    auto source = BpfSource::Open({.ring_bytes = options_.ring_bytes,
                                   .ignore_pids = options_.ignore_pids,
                                   .pin_dir = options_.pin_dir,
                                   .push_down = options_.push_down,
                                   .process_rate = options_.process_rate,
                                   .shield = options_.shield});
    if (!source.ok()) {
      reason_ = std::string(source.status().message());
      return absl::OkStatus();
    }
    bpf_ = *std::move(source);
    backend_ = bpf_->name();
    reason_ = bpf_->reason();
    protection_ = bpf_->protection();
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = bpf_->wait_fd();
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bpf_->wait_fd(), &event) != 0) {
      return ErrnoStatus(errno, "wait for BPF");
    }
    return absl::OkStatus();
  }

  absl::Status StartAudit() {
    AuditSourceOptions options;
    options.mode = options_.audit;
    options.state_dir = options_.state_dir;
    ASSIGN_OR_RETURN(audit_, AuditSource::Open(options));
    return WatchAudit();
  }

  // A lost socket is reopened by Tick, under another number or the same.
  absl::Status WatchAudit() {
    epoll_event event = {};
    event.events = EPOLLIN;
    audit_fd_ = audit_->fd();
    event.data.fd = audit_fd_;
    if (audit_fd_ >= 0 && epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, audit_fd_, &event) != 0 &&
        errno != EEXIST) {
      return ErrnoStatus(errno, "wait for audit");
    }
    return absl::OkStatus();
  }

  size_t DrainAudit(absl::FunctionRef<void(const Captured&)> sink) {
    const auto hand = [&](const AuditCaptured& event) { HandAudit(event, sink); };
    if (ending_) return audit_->Finish(hand);
    size_t count = AuditWaits() ? audit_->Drain(hand) : 0;
    audit_busy_ = count > 1;
    if (last_drain_ns_ < audit_->due_ns()) return count;
    count += audit_->Tick(hand);
    if (const absl::Status watched = WatchAudit(); !watched.ok()) LogError(watched.message());
    return count;
  }

  bool AuditWaits() const {
    epoll_event ready[2];
    const int n = epoll_wait(epoll_.get(), ready, 2, 0);
    return std::any_of(ready, ready + std::max(n, 0),
                       [this](const epoll_event& event) { return event.data.fd == audit_fd_; });
  }

  // A process nobody knows any more stands as the event describes it.
  void HandAudit(const AuditCaptured& event, absl::FunctionRef<void(const Captured&)> sink) {
    ledger::Subject* subject = event.pid == 0 ? nullptr : table_.FindPid(event.pid);
    if (subject == nullptr && event.actor != nullptr && event.actor->has_identity) {
      stranger_.process = event.actor->process;
      stranger_.Changed();
      subject = &stranger_;
    }
    sink({.time_ns = event.time_ns, .record = event.record, .subject = subject});
  }

  void Hand(absl::string_view event, absl::FunctionRef<void(const Captured&)> sink) {
    if (!ParseEvent(event, &view_) || canaries_.Take(view_)) return;
    Record* record = decoder_.Decode(view_);
    if (record == nullptr) return;
    const event_header& header = view_.header;
    const bool image = header.layout == LAYOUT_TASK && header.type == PROCESS_EXEC;
    const ledger::Subject* before = image ? table_.FindPid(header.pid) : nullptr;
    cred_exec_.Note(before == nullptr ? nullptr : &before->process);
    ledger::Subject* subject = image ? table_.Exec(view_) : SubjectOf(header);
    if (subject != nullptr && !refiner_.Refine(header.time_ns, *subject, record)) return;
    if (hash_wanted_ && subject != nullptr) Hash(image, *record, header, subject);
    sink({.time_ns = header.time_ns, .record = record, .subject = subject});
    if (Record* more = image ? cred_exec_.Compare(header.cpu, subject->process) : nullptr) {
      sink({.time_ns = header.time_ns, .record = more, .subject = subject});
    }
    if (header.layout == LAYOUT_CRED) table_.Credentials(view_);
    if (header.type == PROCESS_FORK) table_.Fork(view_);
    if (header.layout == LAYOUT_TASK || header.layout == LAYOUT_CRED) JudgeProcess();
    if (header.type == PROCESS_EXIT) Forget(header);
  }

  // The event changed a process or made one: the kernel is told what nobody wants of it.
  void JudgeProcess() {
    const uint32_t pid =
        view_.header.type == PROCESS_FORK ? view_.Body<event_task>().pid : view_.header.pid;
    const ledger::Subject* subject = table_.FindPid(pid);
    if (subject != nullptr) bpf_->Judge(subject->process, table_.exec_id(pid));
  }

  void Forget(const event_header& header) {
    table_.Exit(header);
    bpf_->Forget(header.pid);
  }

  // At exec, and once for a process that is older than the wish.
  void Hash(bool image, const Record& record, const event_header& header,
            ledger::Subject* subject) {
    Process* process = &subject->process;
    if (image) {
      hasher_.Fill(record.file().inode(), record.file().device(), header.time_ns, process);
    } else if (process->snapshot() && process->exe_hash().empty() &&
               hashed_.insert({process->pid(), process->start_ns()}).second) {
      hasher_.Fill(0, 0, header.time_ns, process);
      if (!process->exe_hash().empty()) subject->Changed();
    }
  }

  // Of an act on credentials: as it was before; the header has them after it.
  ledger::Subject* SubjectOf(const event_header& header) {
    if (header.pid == 0) return nullptr;  // a packet that came in
    if (header.layout != LAYOUT_CRED) return table_.Find(header);
    ledger::Subject* subject = table_.FindPid(header.pid);
    return subject != nullptr && subject->process.start_ns() == header.start_ns
               ? subject
               : table_.Find(header);
  }

  void HandLoss(const RingLoss& lost, absl::FunctionRef<void(const Captured&)> sink) {
    const uint64_t now = BootNs();
    if (lost.ring == RING_CRITICAL) critical_lost_ += lost.count;
    FillLoss(lost, last_drain_ns_, now, &loss_);
    sink({.time_ns = now, .record = &loss_, .subject = nullptr});
  }

  void HandTamper(absl::string_view what, const std::string& detail,
                  absl::FunctionRef<void(const Captured&)> sink) {
    Record record;
    FillTamper(what, detail, &record);
    sink({.time_ns = BootNs(), .record = &record, .subject = nullptr});
  }

  const CaptureOptions options_;
  Fd epoll_;
  std::unique_ptr<BpfSource> bpf_;
  std::unique_ptr<AuditSource> audit_;
  int audit_fd_ = -1;
  bool audit_busy_ = false;
  ledger::Subject stranger_;
  ProcessTable table_;
  ClockSteps clock_steps_;
  Decoder decoder_;
  Canaries canaries_;
  std::string canary_ = "not tried yet";
  uint64_t critical_lost_ = 0;
  ExeHash hasher_;
  bool hash_wanted_ = false;
  std::set<std::pair<uint32_t, uint64_t>> hashed_;  // older processes, pid and start
  std::string protection_ = "off";
  EventView view_;
  Refiner refiner_{&table_, &clock_steps_};
  CredExec cred_exec_;
  Record loss_;
  std::string backend_ = "audit-only";
  std::string reason_;
  size_t snapshot_processes_ = 0;
  uint64_t last_drain_ns_ = 0;
  bool ending_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Capture>> Capture::Start(const CaptureOptions& options) {
  auto stream = std::make_unique<Stream>(options);
  RETURN_IF_ERROR(stream->Start());
  return std::unique_ptr<Capture>(std::move(stream));
}

}  // namespace cairn::capture
