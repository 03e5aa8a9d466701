// The kernel's audit events as records.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_SOURCE_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "agent/capture/audit_asker.h"
#include "agent/capture/audit_assembly.h"
#include "agent/capture/audit_control.h"
#include "agent/capture/audit_decode.h"
#include "agent/capture/audit_drift.h"
#include "agent/capture/audit_serials.h"
#include "agent/capture/audit_settings.h"
#include "agent/capture/audit_socket.h"
#include "agent/capture/capture.h"
#include "proto/record.pb.h"

namespace cairn::capture {

struct AuditSourceOptions {
  AuditMode mode = AuditMode::kAuto;
  int socket_bytes = 8 << 20;
  uint32_t backlog_limit = 8192;        // records; as owner, where the kernel has a smaller one
  uint32_t backlog_wait_time = 0;       // ticks; as owner
  std::string state_dir;                // where the kernel's own settings are noted: AuditSettings
  std::string auditd = "/sbin/auditd";  // the program whose socket it is where it is installed
};

// One event. The pointers live for the call; `record` may be changed.
struct AuditCaptured {
  uint64_t time_ns = 0;  // CLOCK_BOOTTIME, of the system call's entry, to the kernel's tick
  uint32_t pid = 0;      // who acted; 0: not said
  Record* record = nullptr;
  // Who acted as the event says it, for a process nobody knows any more; pid 0: not said.
  const AuditActor* actor = nullptr;
};

struct AuditCounters {
  uint64_t events = 0;
  uint64_t overruns = 0;      // times the socket was full (ENOBUFS)
  uint64_t kernel_lost = 0;   // the kernel's own count, since we started
  uint64_t serials_lost = 0;  // events that never came: at least
  uint64_t malformed = 0;     // messages without a stamp
  uint32_t backlog = 0;       // records waiting in the kernel, when last asked
  AuditAssemblyStats assembly;
};

// One thread.
class AuditSource {
 public:
  using Sink = absl::FunctionRef<void(const AuditCaptured&)>;

  // Chooses the mode (DESIGN.md §6): auto is multicast when auditd is installed or another
  // daemon owns the socket, unicast otherwise, until auditd is installed. Never fails for want of
  // audit: mode() is then "off" and reason() says why. An error means that the mode asked for by
  // name is not to be had.
  static absl::StatusOr<std::unique_ptr<AuditSource>> Open(const AuditSourceOptions& options);

  // Puts the kernel's settings back and gives up the socket, if it was ours.
  ~AuditSource();

  // For epoll; -1 when off. May change in Tick (a lost socket is reopened).
  int fd() const { return socket_ ? socket_->fd() : -1; }

  // Reads what waits, at most 4096 messages, and hands out the events that are complete.
  // Returns how many.
  size_t Drain(Sink sink);

  // Call by due_ns(): hands out what is overdue, and once a second, each third while no messages
  // come, asks the kernel for its counters and settings; losses, drift and takeovers come out as
  // records when it has answered, and an auditd that was installed meanwhile gets its socket.
  size_t Tick(Sink sink);
  uint64_t due_ns() const;  // CLOCK_BOOTTIME; UINT64_MAX: never

  // The last call: hands out all that waits, and declares every loss there is at once.
  size_t Finish(Sink sink);

  const std::string& mode() const { return mode_; }  // unicast | multicast | off
  const std::string& reason() const { return reason_; }
  AuditCounters counters() const;

  // Sends a user message that has to come back; whether the last one did.
  absl::Status SendCanary();
  bool canary_seen() const { return canary_seen_ == canary_sent_; }

 private:
  explicit AuditSource(const AuditSourceOptions& options)
      : options_(options), settings_(options.state_dir) {}

  void MakeGood();
  absl::Status OpenUnicast();
  absl::Status OpenMulticast();
  absl::Status Choose();
  bool ReadOne(Sink sink);  // false: nothing more to read
  void Take(const AuditMessage& message, Sink sink);
  void HandOutEvent(const AuditEvent& event, Sink sink);
  void HandOutOwn(Record* record, Sink sink);
  uint64_t AskDueNs() const;
  void AskKernel(uint64_t now_ns);
  void HearKernel(AuditAnswer answer, Sink sink);
  void ReportLosses(uint32_t kernel_lost, bool last, Sink sink);
  bool AuditdInstalled() const;
  void Reclaim(const AuditKernelState& now, Sink sink);
  void Yield(Sink sink);

  const AuditSourceOptions options_;
  std::unique_ptr<AuditControl> control_;
  std::unique_ptr<AuditAsker> asker_;  // null when off
  std::unique_ptr<AuditSocket> socket_;
  AuditSettings settings_;
  AuditAssembler assembler_{{.syscall_hold_ns = 1'000'000}};
  AuditSerials serials_;
  AuditDrift drift_;
  AuditCounters counters_;
  Record record_;
  AuditActor actor_;
  std::string mode_ = "off", reason_;
  bool owner_ = false;
  bool heard_ = false;  // since the last question
  uint32_t lost_seen_ = 0;
  uint64_t overruns_reported_ = 0;
  uint64_t overrun_ns_ = 0;
  uint64_t asked_ns_ = 0, rules_asked_ns_ = 0, looked_ns_ = 0;
  uint64_t newest_ns_ = 0;
  uint64_t canary_sent_ = 0, canary_seen_ = 0;
  size_t handed_out_ = 0;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_SOURCE_H_
