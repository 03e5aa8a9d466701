/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The writing end of lanes: event_maps.h. */
#ifndef CAIRN_BPF_LANE_H_
#define CAIRN_BPF_LANE_H_

#include "maps.h"

_Static_assert((LANES & (LANES - 1)) == 0, "lanes are told apart by bits");

/* How many bytes wait in it, or a few more. What user space has read is looked at when that is
 * much: that line of memory comes from another cpu. */
static __always_inline u64 lane_waiting(struct event_counters *counts, u32 cpu, u32 lane)
{
	u64 quarter = ((u64)lane_chunks << lane_chunk_bits) / 4;
	struct event_marks *marked;
	u64 head;

	lane &= LANES - 1;
	head = counts->head[lane];
	if (head - counts->tail_seen[lane] > quarter) {
		marked = bpf_map_lookup_elem(&marks, &cpu);
		if (marked)
			counts->tail_seen[lane] = marked->tail[lane];
	}
	return head - counts->tail_seen[lane];
}

/* Of the current cpu, where so many bytes wait; false: it has no room for these `size` bytes,
 * EVENT_BYTES at most. */
static __always_inline bool lane_put(struct event_counters *counts, u32 cpu, u32 lane, u64 waiting,
				     const void *data, u64 size)
{
	u64 chunk_bytes = 1ULL << lane_chunk_bits;
	u64 mask = chunk_bytes - 1;
	u64 *head, after, at;
	u32 index;
	u8 *chunk;

	lane &= LANES - 1;
	head = &counts->head[lane];
	at = *head;
	after = lane_after(at, size, chunk_bytes);
	if (waiting > chunk_bytes * lane_chunks || after - at > chunk_bytes * lane_chunks - waiting)
		return false;
	index = (cpu * LANES + lane) * lane_chunks + ((at >> lane_chunk_bits) & (lane_chunks - 1));
	chunk = bpf_map_lookup_elem(&lanes, &index);
	if (!chunk)
		return false;
	asm volatile("%0 &= %1" : "+r"(at) : "r"(mask)); /* where the verifier sees it */
	*(u64 *)(chunk + at) = size;
	if (bpf_probe_read_kernel(chunk + at + LANE_HEADER, size, data))
		return false;
	__sync_lock_test_and_set(head, after); /* a full barrier */
	return true;
}

#endif /* CAIRN_BPF_LANE_H_ */
