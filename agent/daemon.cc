#include "agent/daemon.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/own_records.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/status.h"

namespace cairn::agent {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kBeatNs = 10 * kSecondNs;
constexpr uint64_t kSuspendNs = kSecondNs;

}  // namespace

absl::Status Daemon::Run() {
  Notify("READY=1\nSTATUS=recording");
  LogInfo("recording: ", capture_->backend(), ", audit ", capture_->audit_mode(), ", log ",
          log_dir_);
  while (!stopping_) {
    Wait();
    if (called_) HandleSignals();
    DrainAll();
    if (std::exchange(receipts_ready_, false)) CheckReceipts();
    if (std::exchange(control_ready_, false)) control_->Serve();
    DoWhatIsDue();
  }
  return Stop();
}

// Sleeps until something is to be done. While events come, capture says when: no wake-up per event,
// and none at all when nothing happens.
void Daemon::Wait() {
  if (!capture_->busy() && !capture_armed_) {
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.fd = capture_->wait_fd();
    capture_armed_ = ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, capture_->wait_fd(), &event) == 0;
  }
  const uint64_t until_ns = std::min(
      {capture_->look_ns(), next_ledger_ns_, next_reload_ns_, next_beat_ns_, next_notice_ns_});
  const uint64_t now_ns = BootNs();
  const uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
  const timespec timeout = {.tv_sec = static_cast<time_t>(wait_ns / kSecondNs),
                            .tv_nsec = static_cast<long>(wait_ns % kSecondNs)};
  epoll_event events[8];
  const int n = ::epoll_pwait2(epoll_.get(), events, 8, &timeout, nullptr);
  for (int i = 0; i < n; ++i) {
    const int fd = events[i].data.fd;
    receipts_ready_ |= fd == receipts_->wait_fd();
    control_ready_ |= fd == control_->wait_fd();
    eventfd_t commits;
    if (fd == committed_.get()) {
      (void)::eventfd_read(fd, &commits);
    } else if (fd == capture_->wait_fd()) {
      capture_armed_ = false;
    } else {
      called_ = true;
    }
  }
}

void Daemon::HandleSignals() {
  signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    Requester requester;
    requester.pid = info.ssi_pid;
    requester.uid = info.ssi_uid;
    switch (info.ssi_signo) {
      case SIGHUP:
        requester.trigger = "SIGHUP";
        Notify("RELOADING=1");
        reloader_->Request(requester);
        Notify("READY=1");
        break;
      case SIGUSR1:
        Rotate("signal");
        break;
      default:
        stop_reason_ = absl::StrCat("signal ", info.ssi_signo, " from ", Describe(requester));
        stopping_ = true;
    }
  }
}

// Between two drains a write may wait its millisecond, but not for rings that need their room back.
void Daemon::DrainAll() {
  do {
    if (Drain() > 0) {
      ledger_->Flush();
      (void)ledger_->Tick();
    }
    if (capture_->more()) ledger_->Write();
    SettleWritten();
  } while (capture_->more());
}

// What was handed out is settled once it is written: a kill before that leaves it in the rings.
void Daemon::SettleWritten() {
  if (!ledger_->unwritten()) capture_->Settle();
}

size_t Daemon::Drain() {
  size_t events = 0;
  capture_->Drain([this, &events](const capture::Captured& captured) {
    if (own_traffic_->Is(captured) || resume_.Recorded(captured)) return;
    ++events;
    witness_->See(captured);
    recorder_->Take(captured);
  });
  return events;
}

void Daemon::CheckReceipts() {
  std::string error;
  for (const ReceiptSeen& receipt : receipts_->Read(ledger_->stats().size, &error)) {
    Record record;
    record.set_type(AGENT_RECEIPT);
    record.set_source(SOURCE_AGENT);
    *record.mutable_receipt() = receipt;
    TakeOwn(record, false);
  }
  if (!error.empty() && error != receipt_error_) {
    LogError("receipt beyond this log: ", error);
    TakeOwn(NoticeRecord(AGENT_TAMPER_ATTEMPT, "a collector holds more of this log than this disk",
                         error),
            true);
  }
  if (!error.empty()) receipt_error_ = error;
}

void Daemon::DoWhatIsDue() {
  const uint64_t now_ns = BootNs();
  CheckSuspend(now_ns);
  if (now_ns >= next_beat_ns_) Beat(now_ns);
  if (now_ns >= next_notice_ns_) {
    next_notice_ns_ = NextMultiple(now_ns, kSecondNs);
    recorder_->TakeNotices(now_ns);
    if (keeper_->urgent()) KeepRoom();
  }
  const bool called = std::exchange(called_, false);
  if (called || now_ns >= next_reload_ns_) next_reload_ns_ = reloader_->Poll(now_ns);
  if (recorder_->faulty()) recorder_->RetryAfterFault();
  const absl::Duration next = std::clamp(ledger_->Tick(), absl::ZeroDuration(), absl::Hours(1));
  SettleWritten();
  next_ledger_ns_ = now_ns + static_cast<uint64_t>(absl::ToInt64Nanoseconds(next));
}

// The epoch's keys were in memory that a hibernation image may hold: they end here.
void Daemon::CheckSuspend(uint64_t now_ns) {
  const uint64_t suspended_ns = SuspendedNs();
  if (suspended_ns < suspended_ns_ + kSuspendNs) return;
  TakeOwn(NoticeRecord(AGENT_SUSPEND, "resumed",
                       absl::StrCat("suspended for ", (suspended_ns - suspended_ns_) / kSecondNs,
                                    " s until boot time ", now_ns, " ns")),
          true);
  suspended_ns_ = suspended_ns;
  Rotate("suspend");
}

void Daemon::Beat(uint64_t now_ns) {
  next_beat_ns_ = now_ns + std::min(kBeatNs, watchdog_ns_ == 0 ? kBeatNs : watchdog_ns_);
  TakeOwn(HeartbeatRecord(capture_.get(), recorder_->counts().counted, reloader_->current()), true);
  recorder_->DeclareGivenUp();
  KeepRoom();
  Notify("WATCHDOG=1");
  control_ready_ = true;  // connections that said nothing end here
}

void Daemon::KeepRoom() {
  keeper_->Keep(WallNs(), capture_->FindProcess(static_cast<uint32_t>(::getpid())));
}

void Daemon::Rotate(absl::string_view reason) {
  const absl::Status rotated = ledger_->Rotate(reason);
  if (!rotated.ok()) LogError("rotate: ", rotated.message());
}

void Daemon::TakeOwn(const Record& record, bool urgent) {
  recorder_->TakeOwn(record, capture_->FindProcess(static_cast<uint32_t>(::getpid())), urgent);
}

// With a file `restart` beside the control socket, which an upgrade makes, the next cairnd goes
// on where this one stops, and the kernel captures for it meanwhile.
absl::Status Daemon::Stop() {
  Notify("STOPPING=1");
  const std::string& socket = config_.control().socket();
  const std::string restart = socket.substr(0, socket.find_last_of('/')) + "/restart";
  if (::unlink(restart.c_str()) == 0) {
    capture_->Keep();
  } else {
    capture_->Detach();
  }
  DrainAll();
  recorder_->TakeNotices(BootNs(), /*last=*/true);
  recorder_->DeclareGivenUp();
  TakeOwn(StopRecord(stop_reason_), true);
  const absl::Status closed = ledger_->Close("stop");
  LogInfo("stopped: ", stop_reason_, "; ", recorder_->counts().recorded, " records, ",
          recorder_->counts().lost, " lost");
  return closed;
}

}  // namespace cairn::agent
