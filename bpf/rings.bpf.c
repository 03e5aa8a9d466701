// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Run by the agent itself before it attaches: in some virtual machines the first touch of a ring's
 * page takes as long as all the events that fit into it. */
#include "maps.h"

enum {
	WARM_PAGE = 4096,
	WARM_PAGES = 64, /* a run */
};

/* Touches the next pages of ring buffer ctx->args[0] by records that nobody gets; 1: there are
 * more. */
SEC("raw_tp")
int warm_ring(struct bpf_raw_tracepoint_args *ctx)
{
	u32 index = ctx->args[0];
	void *ring = bpf_map_lookup_elem(&rings, &index);
	void *page;
	int i;

	if (!ring)
		return 0;
	for (i = 0; i < WARM_PAGES; i++) {
		page = bpf_ringbuf_reserve(ring, WARM_PAGE - BPF_RINGBUF_HDR_SZ, 0);
		if (!page)
			return 0;
		bpf_ringbuf_discard(page, BPF_RB_NO_WAKEUP);
	}
	return 1;
}

/* Touches the pages of chunk ctx->args[0] of all lanes; 1: there is such a chunk. */
SEC("raw_tp")
int warm_chunk(struct bpf_raw_tracepoint_args *ctx)
{
	u32 index = ctx->args[0];
	u8 *chunk = bpf_map_lookup_elem(&lanes, &index);
	u32 at;

	if (!chunk)
		return 0;
	for (at = 0; at < (1U << lane_chunk_bits) + LANE_SLACK - WARM_PAGE; at += WARM_PAGE)
		*(volatile u64 *)(chunk + at) = 0;
	return 1;
}
