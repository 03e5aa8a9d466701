// Everything the kernel tells, as one stream of records in kernel-time order.
#ifndef CAIRN_AGENT_CAPTURE_CAPTURE_H_
#define CAIRN_AGENT_CAPTURE_CAPTURE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/capture/shield.h"
#include "ledger/subject.h"
#include "policy/guards.h"
#include "policy/wanted.h"
#include "proto/record.pb.h"

namespace cairn::capture {

enum class AuditMode { kAuto, kUnicast, kMulticast, kOff };

struct CaptureOptions {
  AuditMode audit = AuditMode::kAuto;
  bool bpf = true;
  uint32_t ring_bytes = 1 << 20;        // of each ring; a power of two
  std::vector<std::string> own_paths;   // the agent's own files: always watched
  std::vector<int> ignore_pids;         // whose own I/O is not captured (the shipper's)
  std::string pin_dir;                  // bpf_source.h; "": nothing is pinned
  bool push_down = true;                // else the kernel filters by event type alone
  uint64_t process_rate = 10'000;       // events a second of one process under pressure; 0: any
  std::vector<std::string> env;         // variables to record with every exec, beside the policy's
  std::string state_dir;                // what must outlive a crash, ours alone; "": nothing does
  std::optional<ShieldOptions> shield;  // refuse what is done to this process and these files
};

// One event. The pointers are valid inside the callback; `record` may be changed there.
struct Captured {
  uint64_t time_ns = 0;  // CLOCK_BOOTTIME
  Record* record = nullptr;
  ledger::Subject* subject = nullptr;  // null: no process (some audit records)
};

// Capture thread only.
class Capture {
 public:
  // Tries the backends in order and keeps the best that loads; never fails for want of BPF or
  // audit alone, since backend(), backend_reason() and audit_mode() say what was had.
  static absl::StatusOr<std::unique_ptr<Capture>> Start(const CaptureOptions& options);
  virtual ~Capture() = default;  // puts the kernel's audit settings back

  // An epoll descriptor that is readable when something came while nothing was expected.
  virtual int wait_fd() const = 0;
  // When to Drain again all the same, CLOCK_BOOTTIME. busy(): more is expected, and whoever waited
  // for wait_fd() would be woken for each.
  virtual uint64_t look_ns() const = 0;
  virtual bool busy() const = 0;

  // Hands out all that is older than the watermark (250 us), in order; losses come out as
  // agent.loss records in the same stream, floods of one process as agent.limit_*. Returns how
  // many. more(): it stopped early; Settle, then call again.
  virtual size_t Drain(absl::FunctionRef<void(const Captured&)> sink) = 0;
  virtual bool more() const = 0;

  // All that Drain handed out is where a crash of this program cannot take it. Only now does
  // the kernel have its room again; a run after this one goes on behind it.
  virtual void Settle() = 0;

  // Nothing more is captured: from now on Drain hands out the rest at once.
  virtual void Detach() = 0;

  // What is pinned goes on capturing without us, until the next run.
  virtual void Keep() = 0;

  // Taking over from a run that was killed or told to Keep: see bpf_source.h.
  virtual uint64_t resumed_from_ns() const = 0;
  virtual void Told(const Record& record) = 0;
  virtual const std::string& pins() const = 0;

  // What the policy wants from now on; may let more through, never less.
  virtual absl::Status SetWanted(const policy::Wanted& wanted, const policy::Guards& guards) = 0;
  absl::Status SetWanted(const policy::Wanted& wanted) { return SetWanted(wanted, {}); }

  // ShieldOptions::open_paths has one more: a log began in another directory.
  virtual absl::Status LetOthersWrite(const std::string& path) = 0;

  // The subject of a live process, for records the agent makes itself; null if unknown.
  virtual ledger::Subject* FindProcess(uint32_t pid) = 0;

  // Call every ten seconds or so: acts of our own that must have been seen by the next call begin
  // here. What stays away comes out of Drain as agent.tamper_attempt.
  virtual void FillHeartbeat(Heartbeat* heartbeat) = 0;
  virtual const std::string& backend() const = 0;
  virtual const std::string& backend_reason() const = 0;
  virtual const std::string& audit_mode() const = 0;
  virtual const std::string& audit_reason() const = 0;  // why that mode
  virtual const std::string& protection() const = 0;    // on | off | why it is not to be had
  virtual const std::string& canary() const = 0;        // as in the last heartbeat
  virtual size_t snapshot_processes() const = 0;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_CAPTURE_H_
