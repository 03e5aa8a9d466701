// Joins records of one stamp into events: they come interleaved with those of other events,
// sometimes late, twice, or without their end.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_ASSEMBLY_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_ASSEMBLY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "agent/capture/audit_event.h"

namespace cairn::capture {

struct AuditAssemblyLimits {
  size_t max_open = 256;                     // events; the oldest is handed out as it is
  size_t max_bytes = 4 << 20;                // text of all open events
  uint64_t syscall_wait_ns = 2'000'000'000;  // after the last record, where the end is missing
  uint64_t other_wait_ns = 250'000'000;      // where no SYSCALL record was seen: may stand alone
  // A system call's event is kept this long after its end, so that what eBPF tells of the same
  // act comes first (AuditJoin); it is then handed out by Expire.
  uint64_t syscall_hold_ns = 0;
};

struct AuditAssemblyStats {
  uint64_t records = 0;
  uint64_t events = 0;
  uint64_t duplicates = 0;  // the same record again: dropped
  uint64_t expired = 0;     // handed out without an end
  uint64_t evicted = 0;     // handed out early, to stay within the limits
};

// Memory is bounded by the limits and reused. Times are of any one clock. One thread.
class AuditAssembler {
 public:
  using Sink = absl::FunctionRef<void(const AuditEvent&)>;  // the event lives for the call

  explicit AuditAssembler(AuditAssemblyLimits limits = {}) : limits_(limits) {}

  // One record, `text` being what follows its stamp. An end-of-event record, or one of a type
  // that stands alone, hands its event to `sink`; so may the limits do with older ones.
  void Add(const AuditStamp& stamp, uint16_t type, absl::string_view text, uint64_t now_ns,
           Sink sink);

  // Hands out events whose next record is overdue, oldest first.
  void Expire(uint64_t now_ns, Sink sink);

  // When Expire next hands something out, unless more comes; UINT64_MAX: nothing is open.
  uint64_t due_ns() const;

  // Hands out all that is open.
  void Flush(Sink sink);

  size_t open() const { return open_.size(); }
  const AuditAssemblyStats& stats() const { return stats_; }

 private:
  struct Open {
    AuditEvent event;
    uint64_t touched_ns = 0;
    bool has_syscall = false;
    bool held = false;  // ended, for syscall_hold_ns
  };
  // What is remembered of an event that was handed out, to know a straggler from news.
  struct Closed {
    static constexpr size_t kHashes = 12;
    AuditStamp stamp;
    std::array<size_t, kHashes> hashes{};
    size_t count = 0;
    bool ended = false;
  };

  uint64_t DueNs(const Open& open) const;
  Open* FindOpen(const AuditStamp& stamp);
  Closed* FindClosed(const AuditStamp& stamp);
  Open* StartEvent(const AuditStamp& stamp, Sink sink);
  bool IsDuplicate(const AuditEvent& event, uint16_t type, absl::string_view text) const;
  void HandOut(size_t index, Sink sink);
  void Remember(const AuditEvent& event);

  const AuditAssemblyLimits limits_;
  std::vector<std::unique_ptr<Open>> open_;  // oldest first
  std::vector<std::unique_ptr<Open>> spare_;
  std::array<Closed, 128> closed_{};
  size_t next_closed_ = 0;
  size_t bytes_ = 0;  // of open_
  AuditAssemblyStats stats_;
};

// Whether a record of this type is an event by itself: what user processes and audit daemons
// say never shares a stamp.
bool AuditTypeStandsAlone(uint16_t type);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_ASSEMBLY_H_
