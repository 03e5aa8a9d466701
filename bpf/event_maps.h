/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What stands in the maps that the kernel side and agent/capture share; see event.h. */
#ifndef CAIRN_BPF_EVENT_MAPS_H_
#define CAIRN_BPF_EVENT_MAPS_H_

#include "event.h"

/* Raise it when what one run leaves in pinned maps is not what the next one expects: records,
 * shared maps, the scratch. */
enum { EVENT_FORMAT = 4 };

/*
 * A lane is a ring with one writer: the probes of its cpu that nothing can interrupt, nor another
 * task's probe follow before they are done. It takes no lock, and of helpers only the copy: a BPF
 * ring buffer takes as long as all the rest of a short record. It is chunks of a power of two, each
 * with room behind it, so that a record is whole wherever it begins: its length (u64), its bytes,
 * up to a multiple of 8; what would begin in that room begins in the next chunk. Positions only
 * rise. No process can write to it, nor to event_counters: both maps are frozen.
 */
enum { LANE_CHUNK = 1048576, LANE_HEADER = 8, LANE_SLACK = LANE_HEADER + EVENT_BYTES };

/* Where what follows a record of `size` bytes at `head` begins. */
static inline __attribute__((always_inline)) __u64 lane_after(__u64 head, __u64 size, __u64 chunk)
{
	__u64 begin = head & ~(chunk - 1);
	__u64 after = head + LANE_HEADER + ((size + 7) & ~7ULL);

	return after - begin < chunk ? after : begin + chunk;
}

/*
 * One per cpu, written by its probes alone; what is of ring buffers atomically: an interrupt may
 * come between. produced = in the ring + dropped + limited, for each ring and type.
 */
struct event_counters {
	__u64 produced[RINGS];
	__u64 head[LANES];	/* where the next record begins */
	__u64 tail_seen[LANES]; /* event_marks.tail, when last looked at */
	__u64 dropped[RINGS][EVENT_TYPES];
	__u64 limited[RINGS][EVENT_TYPES];
};

/* One per cpu, written by user space alone. */
struct event_marks {
	__u64 tail[LANES]; /* up to where lanes were read */
	__u64 reserved[8 - LANES];
	__u64 declared[RINGS][EVENT_TYPES]; /* of event_counters.dropped, in the log */
};

/* A process over its rate while a ring was nearly full. Counts only rise, also from owner to
 * owner; user space gives a bucket back when its process has been quiet. */
struct event_bucket {
	__u64 start_ns; /* of the process; 0: free */
	__u32 pid;
	__u32 reserved;
	__u64 filled_ns; /* when tokens were last added */
	__s64 tokens;
	__u64 limited[EVENT_LIMITED_TYPES];
	__u64 declared[EVENT_LIMITED_TYPES]; /* of those, in the log; user space writes it */
};

/* What an event's path must begin with for some rule to want it: the last one or two components
 * walked, as they stand in the record ("lib/var/"), cut. */
struct event_guard {
	__u32 type; /* cairn.EventType */
	char top[EVENT_TOP_LEN];
};

/* The types no rule can want of a process as it is now: one image, one set of credentials. */
struct event_verdict {
	__u64 start_ns;
	__u64 exec_id; /* task_struct.self_exec_id */
	__u64 epoch;   /* of the filter it was made for */
	__u32 uid;
	__u32 euid;
	__u32 auid;
	__u32 reserved;
	__u64 muted[EVENT_TYPES / 64];
};

/* Written by user space, read by every probe. */
struct event_filter {
	__u64 wanted[EVENT_TYPES / 64]; /* bitmap by cairn.EventType */
	__u8 calls[EVENT_CALLS];	/* enum event_call by system call number; 0: not wanted */
	__u8 calls32[EVENT_CALLS];	/* of the 32-bit ABI */
	__u32 own[EVENT_OWN];		/* process ids; 0: none */
	__u32 asleep;			/* the reader sleeps: wake it (cleared by who does) */
	__u32 env;			/* the environment of an exec is wanted */
	/* By type: whether push-down judges it, and by what: by path, that no guard lets it
	 * through; by process, that a verdict mutes it. One that fails all stays here. */
	__u64 guarded[EVENT_TYPES / 64];
	__u64 by_path[EVENT_TYPES / 64];
	__u64 by_process[EVENT_TYPES / 64];
	__u64 epoch;	    /* of verdicts */
	__u64 settled_ns;   /* all that was handed out before is in the log */
	__u32 format;	    /* EVENT_FORMAT */
	__u32 generation;   /* programs of another one do nothing */
	__u64 ring_bytes;   /* of each ring */
	__u64 process_rate; /* events a second */
};

/* ---- the agent's protection of itself (shield.bpf.c) ---- */

enum event_shield_limit {
	SHIELDED_FILES = 64,
	SHIELDED_OBJECTS = 4096,
	SHIELDED_DEPTH = 8,
	SHIELD_TICK_NS = 10000000
};

/* Who is protected, and who may do to it what others may not. agent 0: nobody. */
struct event_shield {
	__u64 agent_start_ns; /* CLOCK_BOOTTIME, of its first thread, down to SHIELD_TICK_NS */
	__u32 agent;
	__u32 manager;
};

/* Of a directory or file, and what lies below it. */
enum event_shielded { SHIELDED = 1, SHIELD_OPEN = 2 };
struct event_shielded_file {
	__u64 inode;
	__u32 device; /* as the kernel has it */
	__u32 reserved;
};

enum event_bpf_object { OBJECT_MAP = 1, OBJECT_PROGRAM, OBJECT_LINK };
struct event_shielded_object {
	__u32 kind; /* enum event_bpf_object */
	__u32 id;
};

/* args[0] of an agent.tamper_attempt; args[1]: the signal, the mode of ptrace, kind << 32 | id. */
enum event_refused { REFUSED_SIGNAL = 1, REFUSED_PTRACE, REFUSED_BPF, REFUSED_FILE };

#endif /* CAIRN_BPF_EVENT_MAPS_H_ */
