#include "agent/capture/capture.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "agent/capture/audit_source.h"
#include "agent/capture/bpf_source.h"
#include "agent/capture/canary.h"
#include "agent/capture/clock_steps.h"
#include "agent/capture/decode.h"
#include "agent/capture/event_view.h"
#include "agent/capture/exe_hash.h"
#include "agent/capture/process_table.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/status.h"

namespace cairn::capture {
namespace {

constexpr uint64_t kAuditTickNs = 250'000'000;

// Wall clock minus boot-time clock.
int64_t WallOffset() {
  timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  return int64_t{wall.tv_sec} * 1'000'000'000 + wall.tv_nsec - static_cast<int64_t>(BootTimeNs());
}

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
        sink({.time_ns = BootTimeNs(), .record = &record, .subject = table_.FindPid(pid)});
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
    last_drain_ns_ = BootTimeNs();
    clock_steps_.Sample(last_drain_ns_, WallOffset());
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
    if (audit_->fd() < 0) return absl::OkStatus();
    timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    itimerspec every = {};
    every.it_value.tv_nsec = every.it_interval.tv_nsec = static_cast<long>(kAuditTickNs);
    epoll_event event = {};
    event.events = EPOLLIN;
    if (!timer_.valid() || timerfd_settime(timer_.get(), 0, &every, nullptr) != 0 ||
        epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0) {
      return ErrnoStatus(errno, "wait for audit's timer");
    }
    return WatchAudit();
  }

  // A lost socket is reopened by Tick, under another number or the same.
  absl::Status WatchAudit() {
    epoll_event event = {};
    event.events = EPOLLIN;
    audit_fd_ = audit_->fd();
    if (audit_fd_ >= 0 && epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, audit_fd_, &event) != 0 &&
        errno != EEXIST) {
      return ErrnoStatus(errno, "wait for audit");
    }
    return absl::OkStatus();
  }

  size_t DrainAudit(absl::FunctionRef<void(const Captured&)> sink) {
    const auto hand = [&](const AuditCaptured& event) { HandAudit(event, sink); };
    if (ending_) return audit_->Finish(hand);
    size_t count = audit_->Drain(hand);
    uint64_t ticks;
    if (!timer_.valid() || read(timer_.get(), &ticks, sizeof(ticks)) <= 0) return count;
    count += audit_->Tick(hand);
    if (const absl::Status watched = WatchAudit(); !watched.ok()) LogError(watched.message());
    return count;
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
    Cred before;
    if (image) NoteCreds(header, &before);
    ledger::Subject* subject = image ? table_.Exec(view_) : SubjectOf(header);
    if (subject != nullptr && !Refine(*subject, record)) return;
    if (hash_wanted_ && subject != nullptr) Hash(image, *record, header, subject);
    sink({.time_ns = header.time_ns, .record = record, .subject = subject});
    if (image) HandCredExec(header, before, subject, sink);
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

  // What only the process table can tell of an event; false: it is none that is recorded.
  bool Refine(const ledger::Subject& subject, Record* record) {
    switch (record->type()) {
      case PROCESS_SIGNAL:
        DescribePeer(record->mutable_peer());
        return SignalMatters(subject, record->peer());
      case PROCESS_PTRACE:
        DescribePeer(record->mutable_peer());
        return true;
      case KERNEL_CLOCK_SET:
        if (record->ret() < 0) return true;
        record->mutable_kernel()->set_clock_step_ns(
            clock_steps_.StepAt(view_.header.time_ns, WallOffset()));
        return true;
      case KERNEL_SYSCTL:  // of /proc; the rest of it is files like any other
        if (record->kernel().name().empty()) record->set_type(FILE_WRITE);
        return true;
      default:
        return true;
    }
  }

  void DescribePeer(Target* peer) {
    const ledger::Subject* subject = table_.FindPid(peer->pid());
    if (subject == nullptr) return;
    peer->set_start_ns(subject->process.start_ns());
    peer->set_exe(subject->process.exe());
    peer->set_comm(subject->process.comm());
    peer->set_uid(subject->process.uid());
  }

  // Fatal, across users, to a group, or to the agent.
  bool SignalMatters(const ledger::Subject& sender, const Target& peer) const {
    switch (peer.signal()) {
      case SIGKILL:
      case SIGTERM:
      case SIGINT:
      case SIGQUIT:
      case SIGABRT:
      case SIGSEGV:
      case SIGBUS:
      case SIGILL:
      case SIGFPE:
      case SIGSYS:
        return true;
      default:
        return peer.pid() == 0 || peer.uid() != sender.process.uid() || peer.pid() == own_pid_;
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

  void NoteCreds(const event_header& header, Cred* before) {
    const ledger::Subject* subject = table_.FindPid(header.pid);
    if (subject == nullptr) return;
    before->set_uid(subject->process.uid());
    before->set_euid(subject->process.euid());
    before->set_egid(subject->process.egid());
    before->set_effective(subject->process.capabilities());
    before->set_permitted(1);  // known
  }

  // cred.exec: an image that runs with more, or other, rights than the one before it.
  void HandCredExec(const event_header& header, const Cred& before, ledger::Subject* subject,
                    absl::FunctionRef<void(const Captured&)> sink) {
    const Process& now = subject->process;
    if (before.permitted() == 0 || (before.euid() == now.euid() && before.egid() == now.egid() &&
                                    (now.capabilities() & ~before.effective()) == 0)) {
      return;
    }
    cred_exec_.Clear();
    cred_exec_.set_type(CRED_EXEC);
    cred_exec_.set_source(SOURCE_EBPF);
    cred_exec_.set_cpu(header.cpu);
    cred_exec_.set_ret(0);
    Cred* cred = cred_exec_.mutable_cred();
    cred->set_uid(now.uid());
    cred->set_euid(now.euid());
    cred->set_suid(now.suid());
    cred->set_fsuid(now.fsuid());
    cred->set_gid(now.gid());
    cred->set_egid(now.egid());
    cred->set_sgid(now.sgid());
    cred->set_fsgid(now.fsgid());
    cred->set_effective(now.capabilities());
    *cred_exec_.mutable_file()->mutable_path() = now.exe();
    cred_exec_.mutable_file()->set_source(PATH_OBJECT);
    sink({.time_ns = header.time_ns, .record = &cred_exec_, .subject = subject});
  }

  void HandLoss(const RingLoss& lost, absl::FunctionRef<void(const Captured&)> sink) {
    const uint64_t now = BootTimeNs();
    if (lost.ring == RING_CRITICAL) critical_lost_ += lost.count;
    loss_.Clear();
    loss_.set_type(AGENT_LOSS);
    loss_.set_source(SOURCE_AGENT);
    Loss* loss = loss_.mutable_loss();
    loss->set_source("ebpf");
    loss->set_reason("ring_full");
    loss->set_cpu(lost.cpu);
    loss->set_ring(std::string(RingName(lost.ring)));
    loss->set_type(lost.type);
    loss->set_count(lost.count);
    loss->set_total(lost.total);
    loss->set_from_ns(last_drain_ns_);
    loss->set_to_ns(now);
    sink({.time_ns = now, .record = &loss_, .subject = nullptr});
  }

  void HandTamper(absl::string_view what, const std::string& detail,
                  absl::FunctionRef<void(const Captured&)> sink) {
    Record record;
    record.set_type(AGENT_TAMPER_ATTEMPT);
    record.set_source(SOURCE_AGENT);
    record.set_severity(SEVERITY_CRITICAL);
    record.mutable_notice()->set_what(what.data(), what.size());
    record.mutable_notice()->set_detail(detail);
    sink({.time_ns = BootTimeNs(), .record = &record, .subject = nullptr});
  }

  const CaptureOptions options_;
  Fd epoll_;
  std::unique_ptr<BpfSource> bpf_;
  std::unique_ptr<AuditSource> audit_;
  int audit_fd_ = -1;
  Fd timer_;
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
  Record cred_exec_;
  Record loss_;
  std::string backend_ = "audit-only";
  std::string reason_;
  const uint32_t own_pid_ = static_cast<uint32_t>(getpid());
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
