// Which system calls make which events, and what the kernel-side filter is told of it.
#ifndef CAIRN_AGENT_CAPTURE_SYSCALLS_H_
#define CAIRN_AGENT_CAPTURE_SYSCALLS_H_

#include "bpf/event_maps.h"
#include "policy/wanted.h"

namespace cairn::capture {

// Fills the bitmap and both call tables of `filter` for what `wanted` wants; the rest of
// `filter` is left alone. Each byte is stored by itself, so a filter in use by the kernel never
// lets less through than the smaller of the old and the new.
void FillFilter(const policy::Wanted& wanted, event_filter* filter);

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_SYSCALLS_H_
