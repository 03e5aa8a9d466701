// One audit event: every record the kernel gave the same serial, as text.
#ifndef CAIRN_AGENT_CAPTURE_AUDIT_EVENT_H_
#define CAIRN_AGENT_CAPTURE_AUDIT_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::capture {

// "audit(SECONDS.MILLI:SERIAL)": which event a record belongs to. Wall clock, of the time the
// system call was entered, with the kernel's tick as its resolution.
struct AuditStamp {
  uint64_t wall_ms = 0;
  uint64_t serial = 0;

  bool operator==(const AuditStamp&) const = default;
};

// The records of one stamp, in the order they arrived. Reused: Clear() keeps the memory, so a
// steady stream allocates nothing.
class AuditEvent {
 public:
  static constexpr size_t kMaxLines = 512;
  static constexpr size_t kMaxBytes = 64 << 10;

  struct Line {
    uint16_t type;    // AUDIT_* of linux/audit.h
    uint32_t offset;  // in the event's bytes
    uint32_t size;    // bytes kept
    uint32_t length;  // bytes there were
  };

  AuditStamp stamp;
  bool complete = false;       // its end was seen, or a record of its type stands alone
  bool continued = false;      // part of it was handed out before
  uint32_t dropped_lines = 0;  // beyond the bounds

  void Clear() {
    stamp = {};
    complete = continued = false;
    dropped_lines = 0;
    bytes_.clear();
    lines_.clear();
  }

  // Appends a copy of `text` (what follows "audit(...): "), cut at the bounds.
  void Add(uint16_t type, absl::string_view text) {
    if (lines_.size() >= kMaxLines || bytes_.size() >= kMaxBytes) {
      ++dropped_lines;
      return;
    }
    const absl::string_view kept = text.substr(0, kMaxBytes - bytes_.size());
    lines_.push_back({type, static_cast<uint32_t>(bytes_.size()),
                      static_cast<uint32_t>(kept.size()), static_cast<uint32_t>(text.size())});
    bytes_.append(kept.data(), kept.size());
  }

  const std::vector<Line>& lines() const { return lines_; }
  absl::string_view text(const Line& line) const {
    return absl::string_view(bytes_).substr(line.offset, line.size);
  }
  size_t size_bytes() const { return bytes_.size(); }

 private:
  std::string bytes_;
  std::vector<Line> lines_;
};

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_AUDIT_EVENT_H_
