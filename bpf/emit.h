/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Building a record in the cpu's scratch and submitting it. Probes run with preemption off
 * and none of them in interrupts, so the scratch is theirs, and the lanes. What does not is in
 * dns.bpf.c and shield.bpf.c; it has memory of its own and ring buffers. submit_bytes() is the one
 * place where loss is counted.
 */
#ifndef CAIRN_BPF_EMIT_H_
#define CAIRN_BPF_EMIT_H_

#include "guard.h"
#include "lane.h"
#include "limit.h"

static __always_inline struct event_filter *filter_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&filters, &zero);
}

/* Programs outlive the agent that loaded them; when the next one has attached its own, it
 * writes its generation to the filter: from then on these do nothing and those do all. */
static __always_inline bool active(struct event_filter *filter)
{
	return filter && filter->generation == generation;
}

static __always_inline bool wanted(u32 type)
{
	struct event_filter *filter = filter_get();

	return filter && (filter->wanted[(type >> 6) & 3] & (1ULL << (type & 63)));
}

static __always_inline struct scratch *scratch_get(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&scratches, &cpu);
}

/* Starts a record of the current task; returns its body of `size` bytes, zeroed. */
static __always_inline void *event_begin(struct scratch *s, u8 type, u8 layout, u32 size)
{
	struct event_header *header = (struct event_header *)s->data;
	struct task_struct *task = current_task();
	struct task_struct *leader = AS(struct task_struct, GET(task, group_leader));
	struct cred *cred = AS(struct cred, GET(task, cred));
	u64 pid_tgid = bpf_get_current_pid_tgid();

	header->start_ns = GET(leader, start_boottime);
	header->pid = pid_tgid >> 32;
	header->tid = (u32)pid_tgid;
	header->uid = GET(cred, uid.val);
	header->euid = GET(cred, euid.val);
	header->cpu = bpf_get_smp_processor_id();
	header->type = type;
	header->layout = layout;
	header->flags = 0;
	header->call = 0;
	header->reserved = 0;
	s->used = sizeof(*header) + size;
	s->path_end = 0;
	__builtin_memset(s->data + sizeof(*header), 0, size);
	return s->data + sizeof(*header);
}

static __always_inline void *event_begin_call(struct scratch *s, u8 type, u8 layout, u32 size)
{
	void *body = event_begin(s, type, layout, size);
	struct event_header *header = (struct event_header *)s->data;

	header->call = s->call;
	header->flags = s->compat ? EVENT_COMPAT : 0;
	return body;
}

static __always_inline void *ring_buffer(u32 cpu, u32 ring)
{
	u32 index = cpu * RING_BUFFERS + ring;

	return bpf_map_lookup_elem(&rings, &index);
}

/* Wakes a sleeping reader; one that is awake looks again within a millisecond by itself, and a
 * wake-up takes longer than all the rest of an event. The record is already in the ring (a full
 * barrier), so either the reader sees it before it sleeps or we see that it sleeps. */
static __always_inline void reader_wake(u32 cpu, struct event_filter *filter)
{
	void *ring, *empty;

	if (!filter || !filter->asleep)
		return;
	ring = ring_buffer(cpu, RING_CRITICAL);
	empty = ring ? bpf_ringbuf_reserve(ring, 8, 0) : NULL;
	if (!empty)
		return;
	filter->asleep = 0;
	bpf_ringbuf_discard(empty, BPF_RB_FORCE_WAKEUP);
}

/* To a ring buffer, from anywhere. What is to be counted instead: NULL, nothing, it is there. */
static __always_inline u64 *submit_shared(struct event_counters *counts, u32 cpu, void *data,
					  u64 size, u32 type, u32 ring)
{
	void *map = ring_buffer(cpu, ring);

	__sync_fetch_and_add(&counts->produced[ring], 1);
	if (map && ring == RING_PACKET &&
	    over_rate(data, bpf_ringbuf_query(map, BPF_RB_AVAIL_DATA), type, ring))
		return counts->limited[ring];
	((struct event_header *)data)->time_ns = bpf_ktime_get_boot_ns();
	if (map && bpf_ringbuf_output(map, data, size, BPF_RB_NO_WAKEUP) == 0)
		return NULL;
	return counts->dropped[ring];
}

/* The same to a lane, from a probe that has the cpu for itself. */
static __always_inline u64 *submit_alone(struct event_counters *counts, u32 cpu, void *data,
					 u64 size, u32 type, u32 ring)
{
	u32 lane = ring - RING_BUFFERS;
	u64 waiting = lane_waiting(counts, cpu, lane);

	counts->produced[ring]++;
	if (over_rate(data, waiting, type, ring))
		return counts->limited[ring];
	((struct event_header *)data)->time_ns = bpf_ktime_get_boot_ns();
	return lane_put(counts, cpu, lane, waiting, data, size) ? NULL : counts->dropped[ring];
}

/* Sends `used` bytes, at most `limit` (constant), that begin with a header. What is not sent is
 * counted, by cpu, ring and type. */
static __always_inline void submit_bytes(void *data, u32 used, u32 limit, u32 type, u32 ring)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct event_counters *counts = bpf_map_lookup_elem(&counters, &cpu);
	u64 size = used;
	u64 *missed;

	if (!counts || ring >= RINGS)
		return;
	at_most(size, limit);
	missed = ring < RING_BUFFERS ? submit_shared(counts, cpu, data, size, type, ring)
				     : submit_alone(counts, cpu, data, size, type, ring);
	if (missed)
		__sync_fetch_and_add(&missed[bounded(type, EVENT_TYPES - 1)], 1);
	else
		reader_wake(cpu, filter_get());
}

static __always_inline void event_submit(struct scratch *s, u32 ring)
{
	struct event_header *header = (struct event_header *)s->data;

	if (stays_here(s, header))
		return;
	submit_bytes(s->data, s->used, EVENT_BYTES, header->type, ring);
}

/* Room for one more string of up to SCRATCH_SLACK bytes? The header is then at the offset
 * returned; 0: none, and the record says so. */
static __always_inline u32 string_begin(struct scratch *s)
{
	struct event_header *header = (struct event_header *)s->data;
	u32 at = s->used;

	if (at > EVENT_BYTES - SCRATCH_SLACK) {
		header->flags |= EVENT_CUT;
		return 0;
	}
	s->used = at + sizeof(struct event_string);
	return at;
}

static __always_inline void string_end(struct scratch *s, u32 at, u8 kind, u8 flags, u32 whole)
{
	struct event_string string = {.kind = kind, .flags = flags, .whole = whole};

	if (at == 0 || at > EVENT_BYTES)
		return;
	string.len = s->used - at - sizeof(string);
	if (!whole)
		string.whole = string.len;
	__builtin_memcpy(s->data + at, &string, sizeof(string));
}

/* Up to `limit` (constant, <= 4096) bytes of the caller's memory, NUL-terminated there. */
static __always_inline u8 put_argument(struct scratch *s, u8 kind, u64 pointer, u32 limit)
{
	u32 at = string_begin(s);
	u32 from = s->used;
	long got;

	if (!at || from > EVENT_BYTES)
		return 0;
	s->data[from] = 0;
	got = bpf_probe_read_user_str(s->data + from, limit, (void *)pointer);
	if (got > 0 && got <= limit)
		s->used = from + (u32)got - 1;
	/* A string as long as the limit may have been cut; its length is not known. */
	string_end(s, at, kind, got < 0 ? STRING_FAULT : 0, got >= (long)limit ? limit : 0);
	return s->data[from];
}

static __always_inline void put_kernel_string(struct scratch *s, u8 kind, const void *pointer,
					      u32 limit)
{
	u32 at = string_begin(s);
	u32 from = s->used;
	long got;

	if (!at || from > EVENT_BYTES)
		return;
	got = bpf_probe_read_kernel_str(s->data + from, limit, pointer);
	if (got > 0 && got <= limit)
		s->used = from + (u32)got - 1;
	string_end(s, at, kind, got < 0 ? STRING_FAULT : 0, got >= (long)limit ? limit : 0);
}

#endif /* CAIRN_BPF_EMIT_H_ */
