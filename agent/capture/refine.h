// What of an event only the process table and the clocks can tell.
#ifndef CAIRN_AGENT_CAPTURE_REFINE_H_
#define CAIRN_AGENT_CAPTURE_REFINE_H_

#include <unistd.h>

#include <cstdint>

#include "agent/capture/clock_steps.h"
#include "agent/capture/process_table.h"
#include "ledger/subject.h"
#include "proto/record.pb.h"

namespace cairn::capture {

// Capture thread.
class Refiner {
 public:
  // Both outlive this.
  Refiner(ProcessTable* table, ClockSteps* clock_steps)
      : table_(table), clock_steps_(clock_steps) {}

  // Completes `record`, an act of `subject` at `time_ns` (CLOCK_BOOTTIME). False: it is none that
  // is recorded.
  bool Refine(uint64_t time_ns, const ledger::Subject& subject, Record* record);

 private:
  void DescribePeer(Target* peer) const;
  bool SignalMatters(const ledger::Subject& sender, const Target& peer) const;

  ProcessTable* const table_;
  ClockSteps* const clock_steps_;
  const uint32_t own_pid_ = static_cast<uint32_t>(getpid());
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_REFINE_H_
