#include "agent/capture/refine.h"

#include <signal.h>

#include "agent/capture/bpf_source.h"
#include "base/clock.h"

namespace cairn::capture {

bool Refiner::Refine(uint64_t time_ns, const ledger::Subject& subject, Record* record) {
  switch (record->type()) {
    case PROCESS_SIGNAL:
      DescribePeer(record->mutable_peer());
      return SignalMatters(subject, record->peer());
    case PROCESS_PTRACE:
      DescribePeer(record->mutable_peer());
      return true;
    case KERNEL_CLOCK_SET:
      if (record->ret() < 0) return true;
      record->mutable_kernel()->set_clock_step_ns(clock_steps_->StepAt(time_ns, WallOffsetNs()));
      return true;
    case KERNEL_SYSCTL:  // of /proc; the rest of it is files like any other
      if (!record->kernel().name().empty()) return true;
      record->set_type(FILE_WRITE);
      record->clear_kernel();
      return true;
    default:
      return true;
  }
}

void Refiner::DescribePeer(Target* peer) const {
  const ledger::Subject* subject = table_->FindPid(peer->pid());
  if (subject == nullptr) return;
  peer->set_start_ns(subject->process.start_ns());
  peer->set_exe(subject->process.exe());
  peer->set_comm(subject->process.comm());
  peer->set_uid(subject->process.uid());
}

// Fatal, across users, to a group, or to the agent.
bool Refiner::SignalMatters(const ledger::Subject& sender, const Target& peer) const {
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

}  // namespace cairn::capture
