/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Push-down: does a record stay here? Judged on the record as it would be sent, so that a path
 * is the same path here and in user space whatever is renamed, linked or mounted. What cannot
 * be decided here goes up. */
#ifndef CAIRN_BPF_GUARD_H_
#define CAIRN_BPF_GUARD_H_

#include "maps.h"

static __always_inline bool type_in(const u64 *set, u32 type)
{
	return set[(type >> 6) & 3] & (1ULL << (type & 63));
}

/* Does a guard of `type` want paths that end, as they stand in the record, with what is from
 * `from` up to the path's end? */
static __always_inline bool guard_wants(struct scratch *s, u32 type, u32 from)
{
	struct event_guard guard = {.type = type};
	u32 len = s->path_end - from;

	if (from > EVENT_BYTES || s->path_end < from)
		return true;
	if (len > EVENT_TOP_LEN)
		len = EVENT_TOP_LEN;
	if (bpf_probe_read_kernel(guard.top, bounded(len, 63), s->data + from))
		return true;
	return bpf_map_lookup_elem(&guards, &guard);
}

/* Can no rule want this event of the current process, as it is now? */
static __always_inline bool process_muted(struct event_filter *filter, struct event_header *header)
{
	struct task_struct *task = current_task();
	u32 pid = header->pid;
	struct event_verdict *verdict = bpf_map_lookup_elem(&verdicts, &pid);

	return verdict && verdict->epoch == filter->epoch &&
	       verdict->start_ns == header->start_ns && verdict->uid == header->uid &&
	       verdict->euid == header->euid && type_in(verdict->muted, header->type) &&
	       verdict->exec_id == GET(task, self_exec_id) &&
	       (!bpf_core_field_exists(task->loginuid) || verdict->auid == GET(task, loginuid.val));
}

static __always_inline bool stays_here(struct scratch *s, struct event_header *header)
{
	u32 zero = 0;
	struct event_filter *filter = bpf_map_lookup_elem(&filters, &zero);
	u32 type = header->type;

	if (!filter || !type_in(filter->guarded, type))
		return false;
	if (type_in(filter->by_path, type) &&
	    (!s->path_end || guard_wants(s, type, s->path_top[0]) ||
	     guard_wants(s, type, s->path_top[1])))
		return false;
	return !type_in(filter->by_process, type) || process_muted(filter, header);
}

#endif /* CAIRN_BPF_GUARD_H_ */
