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
#include "agent/capture/rate_limits.h"
#include "agent/capture/rings.h"
#include "agent/capture/shield.h"
#include "bpf/event.h"
#include "policy/guards.h"
#include "policy/wanted.h"
#include "proto/record.pb.h"

namespace cairn::capture {

struct BpfOptions {
  uint32_t ring_bytes = 1 << 20;        // of each ring; a power of two, at least a page
  std::vector<int> ignore_pids;         // whose own I/O is not captured; at most EVENT_OWN
  std::string pin_dir;                  // where all outlives the process; "": nowhere
  bool push_down = true;                // else the kernel filters by type alone
  uint64_t process_rate = 10'000;       // events a second of one process under pressure; 0: any
  std::optional<ShieldOptions> shield;  // protect this process and these files
  uint64_t watermark_ns = 250'000;      // younger records wait: another cpu may still be writing
};

struct RingLoss {
  uint32_t cpu;
  event_ring ring;
  EventType type;
  uint64_t count;  // since the last one of these
  uint64_t total;  // since the rings were made
};

// One thread.
class BpfSource {
 public:
  // Unavailable, PermissionDenied: the kernel refuses; the message has libbpf's last words.
  static absl::StatusOr<std::unique_ptr<BpfSource>> Open(const BpfOptions& options);
  virtual ~BpfSource() = default;

  // Readable when something came after the last Drain that asked to be woken.
  virtual int wait_fd() const = 0;
  // When to Drain again all the same, CLOCK_BOOTTIME; UINT64_MAX: when woken.
  virtual uint64_t look_ns() const = 0;
  // Hands out the records (bpf/event.h) older than the watermark, in time order; each is valid
  // inside the callback. Returns how many. Stops before a ring holds so much that is not settled
  // that the kernel would want for room: more() then, and Settle is due.
  virtual size_t Drain(absl::FunctionRef<void(absl::string_view)> sink) = 0;
  virtual bool more() const = 0;
  // Ten times a second: calls `sink` for each loss that was not reported before.
  using LossSink = absl::FunctionRef<void(const RingLoss&)>;
  virtual void DrainLoss(LossSink sink) = 0;
  virtual void DrainLimits(RateLimits::Sink sink) = 0;
  // All that was handed out is in the log: its room is the kernel's again, and a run after this
  // one will not see it.
  virtual void Settle() = 0;
  // No more events: Drain then knows no watermark, and the others tell the rest at once.
  virtual void Detach() = 0;
  // What is pinned goes on without us: another run will settle it.
  virtual void Keep() = 0;

  // Where things are pinned, or why not.
  virtual const std::string& pins() const = 0;
  // When a run before this one left its rings: all its records since then may be handed out
  // again, and what it told of loss and limits must be given to Told. 0: there was none.
  virtual uint64_t resumed_from_ns() const = 0;
  virtual void Told(const Record& record) = 0;

  virtual absl::Status SetWanted(const policy::Wanted& wanted, const policy::Guards& guards) = 0;
  absl::Status SetWanted(const policy::Wanted& wanted) { return SetWanted(wanted, {}); }
  // ShieldOptions::open_paths has one more.
  virtual absl::Status LetOthersWrite(const std::string& path) = 0;
  // After each change of a process whose image is `exec_id`; agent/capture/filter.h.
  virtual void Judge(const Process& process, uint64_t exec_id) = 0;
  virtual void Forget(uint32_t pid) = 0;  // the process has ended
  // Once a second: were our maps changed by somebody else? Says what, and puts it back.
  virtual void CheckIntegrity(absl::FunctionRef<void(const std::string&)> sink) = 0;
  virtual void FillHeartbeat(Heartbeat* heartbeat) const = 0;
  virtual const std::string& name() const = 0;        // "tracepoint" or "lsm"
  virtual const std::string& reason() const = 0;      // why that one
  virtual const std::string& protection() const = 0;  // on | off | why it is not to be had
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_BPF_SOURCE_H_
