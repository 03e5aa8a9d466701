/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Super-producers: while a ring fills up, a process over its rate is counted instead of taking
 * the room that is left from everybody else. Rings of what is critical, and of attempts at
 * it, know no such limit. */
#ifndef CAIRN_BPF_LIMIT_H_
#define CAIRN_BPF_LIMIT_H_

#include "maps.h"
#include "types.h"

/* bulk gives way at half a ring, others at three quarters. */
static __always_inline bool under_pressure(u64 waiting, u32 ring, u64 ring_bytes)
{
	return waiting > (ring == RING_BULK ? ring_bytes / 2 : ring_bytes / 4 * 3);
}

/* The bucket of the process of `header`; NULL while another process has its place. */
static __always_inline struct event_bucket *bucket_of(struct event_header *header, u64 now,
						      s64 burst)
{
	u32 index = (header->pid * 0x9e3779b1u) >> 22;
	struct event_bucket *bucket = bpf_map_lookup_elem(&buckets, &index);

	if (!bucket || !header->start_ns)
		return NULL;
	if (bucket->start_ns == header->start_ns)
		return bucket->pid == header->pid ? bucket : NULL;
	if (bucket->start_ns || __sync_val_compare_and_swap(&bucket->start_ns, 0, header->start_ns))
		return NULL;
	bucket->pid = header->pid;
	bucket->tokens = burst;
	bucket->filled_ns = now;
	return bucket;
}

/* Several cpus may take a token at once: a few more are let through then, and the counts stay
 * exact. */
static __always_inline bool over_rate(struct event_header *header, u64 waiting, u32 type, u32 ring)
{
	u32 zero = 0;
	struct event_filter *filter = bpf_map_lookup_elem(&filters, &zero);
	struct event_bucket *bucket;
	u64 now, fresh;
	s64 burst;

	if (!filter || type >= EVENT_LIMITED_TYPES || type == TYPE_PROCESS_EXEC ||
	    !filter->process_rate || !under_pressure(waiting, ring, filter->ring_bytes))
		return false;
	now = bpf_ktime_get_boot_ns();
	burst = filter->process_rate / 4 + 1;
	bucket = bucket_of(header, now, burst);
	if (!bucket)
		return false;
	fresh = (now - bucket->filled_ns) * filter->process_rate / 1000000000;
	if (fresh) {
		s64 tokens = bucket->tokens + fresh;

		bucket->filled_ns = now;
		bucket->tokens = tokens > burst ? burst : tokens;
	}
	if (bucket->tokens > 0) {
		bucket->tokens--;
		return false;
	}
	__sync_fetch_and_add(&bucket->limited[bounded(type, EVENT_LIMITED_TYPES - 1)], 1);
	return true;
}

#endif /* CAIRN_BPF_LIMIT_H_ */
