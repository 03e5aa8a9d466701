/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What crosses the rings (and, in event_maps.h, the shared maps): the only description of it,
 * read by the kernel side and by agent/capture. Native byte order; both ends are one machine.
 *
 * A record is a header, one body (by `layout`) and then strings, each with its own header,
 * up to the end of the record. Nothing has a fixed multi-kilobyte field.
 */
#ifndef CAIRN_BPF_EVENT_H_
#define CAIRN_BPF_EVENT_H_

#ifdef __bpf__
#define EVENT_STATIC_ASSERT(condition, message) _Static_assert(condition, message)
#else
#include <linux/types.h>
#define EVENT_STATIC_ASSERT(condition, message) static_assert(condition, message)
#endif

enum event_limit {
	EVENT_TYPES = 256,     /* cairn.EventType fits a byte */
	EVENT_PATH_LEN = 4096, /* bytes of one path */
	EVENT_NAME_LEN = 256,  /* of one component, with its end */
	EVENT_ARGV_LEN = 32768,
	EVENT_ENV_LEN = 8192,
	EVENT_PATH_DEPTH = 64, /* components of one path */
	EVENT_BYTES = 57344,   /* of one record, all in all */
	EVENT_CPUS = 1024,
	EVENT_CALLS = 600,	  /* system call numbers of one ABI */
	EVENT_OWN = 8,		  /* processes whose own I/O is not captured */
	EVENT_TOP_LEN = 40,	  /* of the first components of a path, as a guard has them */
	EVENT_BUCKETS = 1024,	  /* processes whose rate is limited at a time */
	EVENT_LIMITED_TYPES = 64, /* types that can be: those below it */
};

/*
 * Rings, by importance: a flood of one cannot push out another. `attempt` has what belongs to
 * the critical kinds and anybody can make any number of: failed calls, writes below /proc,
 * changes of BPF maps. `packet` has what packets say, which comes in interrupts.
 */
enum event_ring { RING_CRITICAL, RING_ATTEMPT, RING_PACKET, RING_NORMAL, RING_BULK, RINGS };

/* The rings from `normal` on are lanes (event_maps.h), those before it BPF ring buffers. */
enum { RING_BUFFERS = RING_NORMAL, LANES = RINGS - RING_BUFFERS };

/* What a system call number means to us, whatever the ABI; index of the handler. */
enum event_call {
	CALL_NONE,
	/* The agent's own of these are not captured ... */
	CALL_OPEN, /* (path, flags, mode) */
	CALL_CREAT,
	CALL_OPENAT,
	CALL_OPENAT2,
	CALL_OPEN_HANDLE,
	CALL_WRITE,    /* (fd, ...) */
	CALL_READ,     /* (fd, ...) */
	CALL_SENDFILE, /* (out, in, ...) */
	CALL_COPY,     /* (in, offset, out, ...) */
	CALL_MKDIR,
	CALL_MKDIRAT,
	CALL_MKNOD,
	CALL_MKNODAT,
	CALL_SYMLINK,
	CALL_SYMLINKAT,
	CALL_UNLINK,
	CALL_UNLINKAT,
	CALL_RMDIR,
	CALL_RENAME,
	CALL_RENAMEAT,
	CALL_LINK,
	CALL_LINKAT,
	CALL_CHMOD,
	CALL_FCHMOD,
	CALL_FCHMODAT,
	CALL_CHOWN,
	CALL_LCHOWN,
	CALL_FCHOWN,
	CALL_FCHOWNAT,
	CALL_TRUNCATE,
	CALL_FTRUNCATE,
	CALL_CONNECT,
	CALL_BIND,
	CALL_SETXATTR, /* (path, name, ...) */
	CALL_FSETXATTR,
	CALL_UTIMES,	/* (path, ...) */
	CALL_UTIMENSAT, /* (fd, path, ...) */
	CALL_DUP,	/* (old) -> new */
	CALL_FCNTL,
	CALL_PIPE, /* (fds) */
	CALL_MMAP,
	CALL_MPROTECT,
	CALL_SOCKET,
	CALL_LISTEN,
	CALL_ACCEPT,
	CALL_BPF,
	CALL_KILL,	   /* (process, signal) */
	CALL_TGKILL,	   /* (process, thread, signal) */
	CALL_PIDFD_SIGNAL, /* (pidfd, signal) */
	CALL_OWN_END,
	/* ... of the rest they are. */
	CALL_EXECVE,
	CALL_EXECVEAT,
	CALL_SETUID,
	CALL_SETGID,
	CALL_CAPSET,
	CALL_INIT_MODULE,
	CALL_FINIT_MODULE,
	CALL_DELETE_MODULE,
	CALL_MOUNT,	 /* (source, target, type, flags) */
	CALL_UMOUNT,	 /* (target, flags) */
	CALL_MOVE_MOUNT, /* (fd, path, fd, path, flags) */
	CALL_PTRACE,
	CALL_VM_READ, /* (process, ...) */
	CALL_VM_WRITE,
	CALL_KEXEC,
	CALL_KEXEC_FILE,
	CALL_CLOCK_SET,	    /* (clock, time) */
	CALL_SETTIMEOFDAY,  /* (time) */
	CALL_ADJTIME,	    /* (adjustment) */
	CALL_CLOCK_ADJTIME, /* (clock, adjustment) */
	CALL_UNSHARE,
	CALL_SETNS,
	CALL_END,
};

enum event_layout {
	LAYOUT_NONE,
	LAYOUT_TASK, /* struct event_task: exec, fork */
	LAYOUT_EXIT, /* struct event_exit */
	LAYOUT_FILE, /* struct event_file */
	LAYOUT_NET,  /* struct event_net */
	LAYOUT_CRED, /* struct event_cred */
	LAYOUT_CALL, /* struct event_args */
	LAYOUTS,
};

enum event_flag {
	EVENT_COMPAT = 1,  /* a 32-bit call */
	EVENT_URING = 2,   /* done through io_uring */
	EVENT_UNKNOWN = 4, /* result unknown */
	EVENT_CUT = 8,	   /* the record was full: strings are missing */
};

struct event_header {
	__u64 time_ns;	/* CLOCK_BOOTTIME, when it was submitted */
	__u64 start_ns; /* of the process (its first thread), CLOCK_BOOTTIME */
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__u32 euid;
	__u16 cpu;
	__u8 type; /* cairn.EventType */
	__u8 layout;
	__u8 flags;
	__u8 call; /* enum event_call, where it was one */
	__u16 reserved;
};
EVENT_STATIC_ASSERT(sizeof(struct event_header) == 40, "layout");

struct event_creds {
	__u32 uid, gid, suid, sgid, euid, egid, fsuid, fsgid;
	__u64 effective;
	__u64 permitted;
	__u64 inheritable;
};

struct event_task {
	__u64 start_ns; /* the new process of a fork; of an exec the same as the header's */
	__u64 parent_start_ns;
	__u64 exec_id; /* task_struct.self_exec_id: rises with each exec */
	__u32 pid;
	__u32 ppid;
	__u32 auid;
	__u32 session;
	struct event_creds creds;
	__u64 cgroup; /* id in the unified hierarchy */
	__u64 inode;  /* of the executable */
	__u32 device; /* as the kernel has it: major << 20 | minor */
	__u32 mode;
	__u32 links;
	__u32 ns_mount, ns_pid, ns_net, ns_user, ns_uts, ns_ipc, ns_cgroup;
	char comm[16];
};
EVENT_STATIC_ASSERT(sizeof(struct event_task) == 40 + 56 + 16 + 40 + 16, "layout");

struct event_exit {
	__u32 code; /* as wait(2) */
	__u32 reserved;
};

struct event_file {
	__s64 ret;
	__u64 inode; /* 0: no object */
	__u64 size;
	__u32 device;
	__u32 mode;  /* st_mode of the object */
	__u32 flags; /* as given */
	__u32 asked; /* mode asked for */
	__u32 fmode; /* of the open file */
	__s32 fd;
	__u32 uid;
	__u32 gid;
};
EVENT_STATIC_ASSERT(sizeof(struct event_file) == 56, "layout");

struct event_net {
	__s64 ret;
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 source;	/* cairn.PathSource */
	__u16 src_port; /* host order */
	__u16 dst_port;
	__s32 fd;
	__u32 netns;
	__u32 backlog;
	__u8 src[16];
	__u8 dst[16];
};
EVENT_STATIC_ASSERT(sizeof(struct event_net) == 64, "layout");

struct event_cred {
	__s64 ret;
	struct event_creds creds;
};

struct event_args {
	__s64 ret;
	__u64 args[4];
};

enum event_string_kind {
	STRING_PATH = 1, /* components, leaf first, each followed by '/' */
	STRING_TARGET,	 /* components: the second path */
	STRING_BASE,	 /* components: the directory `argument` paths start at */
	STRING_TARGET_BASE,
	STRING_ARGUMENT, /* bytes of the caller's memory */
	STRING_TARGET_ARGUMENT,
	STRING_EXE,    /* components */
	STRING_CWD,    /* components */
	STRING_CGROUP, /* components */
	STRING_ARGV,   /* NUL-separated */
	STRING_ENV,    /* NUL-separated */
	STRING_SCRIPT, /* the path an interpreter was started for */
	STRING_TTY,
	STRING_NAME,   /* module, program */
	STRING_SOCKET, /* sun_path; an abstract one starts with NUL */
	STRING_VALUE,  /* what was written */
	STRING_KINDS,
};

enum event_string_flag {
	STRING_PARTIAL = 1,  /* the leading components are missing */
	STRING_FAULT = 2,    /* the caller's memory could not be read (to the end) */
	STRING_DETACHED = 4, /* not reachable from the task's root */
};

struct event_string {
	__u8 kind;
	__u8 flags;
	__u16 len;   /* bytes that follow */
	__u32 whole; /* bytes there were; more than len: cut */
};
EVENT_STATIC_ASSERT(sizeof(struct event_string) == 8, "layout");

#endif /* CAIRN_BPF_EVENT_H_ */
