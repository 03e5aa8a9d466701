#include "agent/capture/audit_assembly.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "agent/capture/audit_types.h"

namespace cairn::capture {
namespace {

size_t HashOf(uint16_t type, absl::string_view text) { return absl::HashOf(type, text); }

}  // namespace

bool AuditTypeStandsAlone(uint16_t type) {
  return (type >= audit::kFirstUserMsg && type < audit::kSyscall) || type >= audit::kKernel;
}

void AuditAssembler::Add(const AuditStamp& stamp, uint16_t type, absl::string_view text,
                         uint64_t now_ns, Sink sink) {
  ++stats_.records;
  Open* open = FindOpen(stamp);
  if (open == nullptr) {
    if (Closed* closed = FindClosed(stamp); closed != nullptr) {
      const auto end = closed->hashes.begin() + closed->count;
      const bool again = std::find(closed->hashes.begin(), end, HashOf(type, text)) != end;
      if (again) ++stats_.duplicates;
      if (again || type == audit::kEoe) return;
    }
    if (type == audit::kEoe) return;  // the end of something that was lost: the gap says so
    open = StartEvent(stamp, sink);
  }
  open->touched_ns = now_ns;
  if (type == audit::kEoe) {
    open->event.complete = true;
  } else if (IsDuplicate(open->event, type, text)) {
    ++stats_.duplicates;
    return;
  } else {
    const size_t before = open->event.size_bytes();
    open->event.Add(type, text);
    bytes_ += open->event.size_bytes() - before;
  }
  if (type == audit::kProctitle) open->event.complete = true;  // the kernel's last but EOE
  if (type == audit::kSyscall || type == audit::kUringop) open->has_syscall = true;
  const bool alone = AuditTypeStandsAlone(type) && open->event.lines().size() == 1;
  if (alone) open->event.complete = true;
  open->held = type == audit::kEoe && limits_.syscall_hold_ns > 0 && !open->event.lines().empty() &&
               open->event.lines().front().type == audit::kSyscall;
  if ((type == audit::kEoe && !open->held) || alone) {
    const auto at = std::find_if(open_.begin(), open_.end(),
                                 [open](const auto& candidate) { return candidate.get() == open; });
    HandOut(static_cast<size_t>(at - open_.begin()), sink);
  }
  while (bytes_ > limits_.max_bytes && !open_.empty()) {
    ++stats_.evicted;
    HandOut(0, sink);
  }
}

void AuditAssembler::Expire(uint64_t now_ns, Sink sink) {
  for (size_t i = 0; i < open_.size();) {
    if (now_ns < DueNs(*open_[i])) {
      ++i;
      continue;
    }
    if (!open_[i]->event.complete) ++stats_.expired;
    HandOut(i, sink);
  }
}

uint64_t AuditAssembler::due_ns() const {
  uint64_t due_ns = UINT64_MAX;
  for (const auto& open : open_) due_ns = std::min(due_ns, DueNs(*open));
  return due_ns;
}

uint64_t AuditAssembler::DueNs(const Open& open) const {
  return open.touched_ns + (open.held          ? limits_.syscall_hold_ns
                            : open.has_syscall ? limits_.syscall_wait_ns
                                               : limits_.other_wait_ns);
}

void AuditAssembler::Flush(Sink sink) {
  while (!open_.empty()) HandOut(0, sink);
}

AuditAssembler::Open* AuditAssembler::FindOpen(const AuditStamp& stamp) {
  for (auto it = open_.rbegin(); it != open_.rend(); ++it) {
    if ((*it)->event.stamp == stamp) return it->get();
  }
  return nullptr;
}

AuditAssembler::Closed* AuditAssembler::FindClosed(const AuditStamp& stamp) {
  for (Closed& closed : closed_) {
    if (closed.ended && closed.stamp == stamp) return &closed;
  }
  return nullptr;
}

AuditAssembler::Open* AuditAssembler::StartEvent(const AuditStamp& stamp, Sink sink) {
  if (open_.size() >= limits_.max_open) {
    ++stats_.evicted;
    HandOut(0, sink);
  }
  if (spare_.empty()) spare_.push_back(std::make_unique<Open>());
  std::unique_ptr<Open> open = std::move(spare_.back());
  spare_.pop_back();
  open->event.Clear();
  open->event.stamp = stamp;
  open->event.continued = FindClosed(stamp) != nullptr;
  open->has_syscall = open->held = false;
  open_.push_back(std::move(open));
  return open_.back().get();
}

bool AuditAssembler::IsDuplicate(const AuditEvent& event, uint16_t type,
                                 absl::string_view text) const {
  for (const AuditEvent::Line& line : event.lines()) {
    if (line.type == type && line.length == text.size() &&
        event.text(line) == text.substr(0, line.size)) {
      return true;
    }
  }
  return false;
}

void AuditAssembler::HandOut(size_t index, Sink sink) {
  std::unique_ptr<Open> open = std::move(open_[index]);
  open_.erase(open_.begin() + static_cast<ptrdiff_t>(index));
  bytes_ -= open->event.size_bytes();
  ++stats_.events;
  Remember(open->event);
  sink(open->event);
  spare_.push_back(std::move(open));
}

void AuditAssembler::Remember(const AuditEvent& event) {
  Closed* closed = FindClosed(event.stamp);
  if (closed == nullptr) {
    closed = &closed_[next_closed_];
    next_closed_ = (next_closed_ + 1) % closed_.size();
    *closed = {.stamp = event.stamp};
  }
  closed->ended = true;
  for (const AuditEvent::Line& line : event.lines()) {
    if (closed->count == Closed::kHashes) break;
    closed->hashes[closed->count++] = HashOf(line.type, event.text(line));
  }
}

}  // namespace cairn::capture
