/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps and globals all programs share; defined in maps.bpf.c. */
#ifndef CAIRN_BPF_MAPS_H_
#define CAIRN_BPF_MAPS_H_

#include "kernel.h"
#include "event_maps.h"

enum {
	SCRATCH_SLACK = 4096 + EVENT_NAME_LEN,
	SEEN_FILES = 65536,
};

/* Where a record is built before it is copied to a ring; one per cpu. */
struct scratch {
	u64 args[6]; /* of the call at hand */
	s64 ret;
	u32 call;
	u32 compat;
	u32 used;   /* bytes of `data` */
	u32 number; /* of the system call */
	u64 dentry; /* where the walk of a path stands (walk.h) ... */
	u64 mnt;
	u64 root;
	u64 root_mnt;
	u32 walk_begin;
	u32 walk_end;	 /* enum walk_end */
	u32 walk_top[2]; /* where the last component begins, and the one before it */
	u32 path_top[2]; /* the same of STRING_PATH ... */
	u32 path_end;	 /* ... which ends here and reached the root; 0: not so */
	u32 reserved;
	u8 data[EVENT_BYTES + SCRATCH_SLACK];
};

struct ring_type {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

/* Ring buffer r of cpu c is at c * RING_BUFFERS + r. */
struct rings_type {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RING_BUFFERS);
	__type(key, u32);
	__array(values, struct ring_type);
};

/* The chunks of lane l of cpu c begin at (c * LANES + l) * lane_chunks. */
struct lanes_type {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, LANE_CHUNK + LANE_SLACK);
};

struct scratches_type {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
};

struct counters_type {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct event_counters);
};

struct marks_type {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct event_marks);
};

struct filters_type {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct event_filter);
};

/* Push-down: both filled by user space, both only ever let too much through. Neither forgets
 * by itself: what is missing was taken by somebody. */
enum { GUARDS = 8192, VERDICTS = 32768 };
struct guards_type {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, GUARDS);
	__type(key, struct event_guard);
	__type(value, u8);
};
struct verdicts_type {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, VERDICTS);
	__type(key, u32);
	__type(value, struct event_verdict);
};

struct buckets_type {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, EVENT_BUCKETS);
	__type(key, u32);
	__type(value, struct event_bucket);
};

/* Programs by enum event_call; filled by user space. */
struct handlers_type {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, CALL_END);
	__type(key, u32);
	__type(value, u32);
};

/* Open files a process has been seen to read or write. */
struct seen_key {
	u64 file;
	u32 pid;
	u32 reserved;
};
enum seen_use { SEEN_READ = 1, SEEN_WRITE = 2, SEEN_FAILED = 4 /* << */ };
struct seen_uses {
	u64 inode;
	u32 uses; /* enum seen_use; of failed calls times SEEN_FAILED */
	u32 reserved;
};
struct seen_type {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SEEN_FILES);
	__type(key, struct seen_key);
	__type(value, struct seen_uses);
};

/* io_uring requests that name paths, from their start to their end: the kernel's copy of the
 * name is gone by then. */
enum { REQUESTS = 4096 };
struct request {
	s32 fd;
	s32 target_fd;
	u32 flags;
	u32 mode;
	char path[EVENT_NAME_LEN];
	char target[EVENT_NAME_LEN];
};
struct requests_type {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, REQUESTS);
	__type(key, u64);
	__type(value, struct request);
};
struct request_scratch_type {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct request);
};

/* What a security hook saw a system call act on, until the call's exit; lsm backend only.
 * Owned by the thread whose id it holds. */
enum { SLOTS = 128, SLOT_STALE_NS = 1000000000 };
struct slot {
	u64 owner; /* thread id; 0: free */
	u64 taken_ns;
	u32 type; /* cairn.EventType */
	u32 mode;
	u64 inode;
	u32 device;
	u32 number; /* of the system call it is for */
	struct scratch strings;
};
struct slots_type {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* SLOTS, on that backend */
	__type(key, u32);
	__type(value, struct slot);
};
extern struct slots_type slots SEC(".maps");

extern struct guards_type guards SEC(".maps");
extern struct verdicts_type verdicts SEC(".maps");
extern struct buckets_type buckets SEC(".maps");
extern struct rings_type rings SEC(".maps");
extern struct lanes_type lanes SEC(".maps");
extern struct scratches_type scratches SEC(".maps");
extern struct counters_type counters SEC(".maps");
extern struct marks_type marks SEC(".maps");
extern struct filters_type filters SEC(".maps");
extern struct handlers_type handlers SEC(".maps");
struct uring_handlers_type {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
};
extern struct uring_handlers_type uring_handlers SEC(".maps");
extern struct seen_type seen SEC(".maps");
extern struct requests_type requests SEC(".maps");
extern struct request_scratch_type request_scratch SEC(".maps");

#endif /* CAIRN_BPF_MAPS_H_ */
