// The kernel side: loads the programs, fills their filter, reads their rings in time order.
#ifndef CAIRN_AGENT_CAPTURE_BPF_SOURCE_H_
#define CAIRN_AGENT_CAPTURE_BPF_SOURCE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/capture/shield.h"
#include "bpf/event.h"
#include "policy/wanted.h"
#include "proto/record.pb.h"

namespace cairn::capture {

struct BpfOptions {
  uint32_t ring_bytes = 1 << 20;        // of each ring; a power of two, at least a page
  std::vector<int> ignore_pids;         // whose own I/O is not captured; at most EVENT_OWN
  std::optional<ShieldOptions> shield;  // protect this process and these files
  uint64_t watermark_ns = 250'000;      // younger records wait: another cpu may still be writing
};

// One thread.
class BpfSource {
 public:
  // Unavailable, PermissionDenied: the kernel refuses; the message has libbpf's last words.
  static absl::StatusOr<std::unique_ptr<BpfSource>> Open(const BpfOptions& options);
  virtual ~BpfSource() = default;

  // Readable when something waits; Drain makes it wait again.
  virtual int wait_fd() const = 0;
  // Hands out the records (bpf/event.h) older than the watermark, in time order; each is valid
  // inside the callback. Returns how many.
  virtual size_t Drain(absl::FunctionRef<void(absl::string_view)> sink) = 0;
  // Calls `sink` for each loss that was not reported before: cpu, ring, type, count.
  virtual void DrainLoss(
      absl::FunctionRef<void(uint32_t, event_ring, EventType, uint64_t)> sink) = 0;
  virtual absl::Status SetWanted(const policy::Wanted& wanted) = 0;
  // Once a second: were our maps changed by somebody else? Says what, and puts it back.
  virtual void CheckIntegrity(absl::FunctionRef<void(const std::string&)> sink) = 0;
  virtual void FillHeartbeat(Heartbeat* heartbeat) const = 0;
  virtual const std::string& name() const = 0;        // "tracepoint" or "lsm"
  virtual const std::string& reason() const = 0;      // why that one
  virtual const std::string& protection() const = 0;  // on | off | why it is not to be had
};

// "critical", "normal", "bulk".
absl::string_view RingName(uint32_t ring);

// CLOCK_BOOTTIME.
uint64_t BootTimeNs();

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_BPF_SOURCE_H_
