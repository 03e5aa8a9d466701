// Records that capture makes itself, of what no single event says.
#ifndef CAIRN_AGENT_CAPTURE_CAPTURE_RECORDS_H_
#define CAIRN_AGENT_CAPTURE_CAPTURE_RECORDS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "agent/capture/bpf_source.h"
#include "proto/record.pb.h"

namespace cairn::capture {

// agent.loss: what was lost between two looks (CLOCK_BOOTTIME).
void FillLoss(const RingLoss& lost, uint64_t from_ns, uint64_t to_ns, Record* record);

// agent.tamper_attempt.
void FillTamper(absl::string_view what, absl::string_view detail, Record* record);

// cred.exec: an image that runs with more, or other, rights than the one before it. One thread.
class CredExec {
 public:
  // The process as it was before its exec; null: unknown.
  void Note(const Process* before);
  // As it is now: the record, until the next call; null: its rights are the same or fewer.
  Record* Compare(uint32_t cpu, const Process& now);

 private:
  bool known_ = false;
  uint32_t euid_ = 0, egid_ = 0;
  uint64_t capabilities_ = 0;
  Record record_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_CAPTURE_RECORDS_H_
