#include "agent/capture/audit_serials.h"

#include <algorithm>

namespace cairn::capture {

void AuditSerials::See(uint64_t serial, uint64_t now_ns) {
  if (highest_ == 0) {
    base_ = serial - 1;
    highest_ = mark_ = serial;
    mark_ns_ = now_ns;
  }
  if (serial <= base_) return;  // settled: late beyond patience, or seen twice
  if (serial > base_ + kWindow) AdvanceTo(serial - kWindow);
  seen_.set(serial % kWindow);
  highest_ = std::max(highest_, serial);
}

AuditGap AuditSerials::TakeGap(uint64_t now_ns, bool last) {
  if (last) AdvanceTo(highest_);
  if (now_ns >= mark_ns_ + kPatienceNs) {
    AdvanceTo(mark_);
    mark_ = highest_;
    mark_ns_ = now_ns;
  }
  const AuditGap gap = gap_;
  gap_ = {};
  return gap;
}

void AuditSerials::AdvanceTo(uint64_t serial) {
  const auto give_up = [this](uint64_t from, uint64_t to) {
    if (gap_.missing == 0) gap_.from = from;
    gap_.to = to;
    gap_.missing += to - from + 1;
  };
  const uint64_t end = std::min(serial, base_ + kWindow);
  for (; base_ < end; ++base_) {
    const uint64_t next = base_ + 1;
    if (!seen_.test(next % kWindow)) give_up(next, next);
    seen_.reset(next % kWindow);
  }
  if (base_ < serial) {  // a jump of more than the window
    give_up(base_ + 1, serial);
    base_ = serial;
  }
}

}  // namespace cairn::capture
