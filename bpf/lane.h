/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The writing end of lanes: event_maps.h. */
#ifndef CAIRN_BPF_LANE_H_
#define CAIRN_BPF_LANE_H_

#include "maps.h"

static __always_inline u64 lane_waiting(struct event_counters *counts, u32 lane)
{
	return counts->head[lane & (LANES - 1)] - counts->tail[lane & (LANES - 1)];
}

/* Of the current cpu; false: it has no room for these `size` bytes, EVENT_BYTES at most. */
static __always_inline bool lane_put(struct event_counters *counts, u32 cpu, u32 lane,
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
	if (after - counts->tail[lane] > chunk_bytes * lane_chunks)
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
