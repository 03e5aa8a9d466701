// Which record an audit event tells of once more.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_JOIN_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_JOIN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proto/record.pb.h"

namespace cairn::capture {

// Remembers the newest records from eBPF, and finds the one of the same act as an audit event:
// same process, event, result and (where both know it) inode, at the event's time. An audit
// event carries the time its call was entered, to the kernel's tick, so the record lies between
// a tick before it and kLongestCallNs after it. Two that fit are none: a link is never a guess.
//
// Constant memory. While no audit event of a system call comes (no rules are loaded), Note does
// nothing; so the first act after a silence of kActiveNs is not joined. Capture thread only.
class AuditJoin {
 public:
  static constexpr uint64_t kTickNs = 10'000'000;
  static constexpr uint64_t kLongestCallNs = 100'000'000;
  static constexpr uint64_t kActiveNs = 60'000'000'000;

  // Whether Note would keep a record of that time.
  bool awake(uint64_t time_ns) const { return time_ns <= active_until_ns_; }

  // A record that was appended under `sequence`; those of other sources are left out.
  void Note(uint64_t sequence, uint64_t time_ns, uint32_t pid, const Record& record);

  // The sequence number of the one record that fits; each is given once.
  std::optional<uint64_t> Match(uint64_t time_ns, uint32_t pid, const Record& record);

  // Makes `record` an audit.link to `sequence`: what the first record says is not said again,
  // the rest of the audit event stays.
  static void Link(uint64_t sequence, Record* record);

 private:
  struct Entry {
    uint64_t sequence = 0;
    uint64_t time_ns = 0;
    int64_t ret = 0;
    uint64_t inode = 0;
    uint32_t pid = 0;  // 0: empty, or given
    EventType type = UNKNOWN_EVENT;
    bool has_ret = false;
  };
  static bool Fits(const Entry& entry, uint64_t time_ns, uint32_t pid, const Record& record);

  std::array<Entry, 2048> entries_{};
  size_t next_ = 0;
  uint64_t active_until_ns_ = 0;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_JOIN_H_
