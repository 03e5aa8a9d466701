// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The kernel itself: modules, bpf(2), mounts, clocks, namespaces; calls that are only numbers. */
#include "file.h"

SEC("tp_btf/sys_exit")
int call_module(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	struct file *file;
	u8 type;

	if (!s)
		return 0;
	type = s->call == CALL_DELETE_MODULE ? TYPE_KERNEL_MODULE_UNLOAD : TYPE_KERNEL_MODULE_LOAD;
	if (!wanted(type))
		return 0;
	body = begin_file(s, type, NULL, -1);
	if (s->call == CALL_FINIT_MODULE) {
		body->fd = s->args[0];
		body->flags = s->args[2];
		file = file_of(body->fd);
		if (file) {
			put_inode(body, GET(file, f_inode));
			put_file_path(s, STRING_PATH, file);
		}
	} else if (s->call == CALL_DELETE_MODULE) {
		put_argument(s, STRING_NAME, s->args[0], 64);
	}
	event_submit(s, s->ret < 0 ? RING_ATTEMPT : RING_CRITICAL);
	return 0;
}

enum {
	COMMAND_LOOKUP = 1,
	COMMAND_NEXT_KEY = 4,
	COMMAND_PROG_LOAD = 5,
	COMMAND_FIRST_ID = 11, /* *_GET_NEXT_ID, *_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD */
	COMMAND_LAST_ID = 16,
};

SEC("tp_btf/sys_exit")
int call_bpf(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_args *body;
	u32 command, program_type = 0;

	if (!s || !wanted(TYPE_KERNEL_BPF))
		return 0;
	command = s->args[0];
	if (command == COMMAND_LOOKUP || command == COMMAND_NEXT_KEY ||
	    (command >= COMMAND_FIRST_ID && command < COMMAND_LAST_ID))
		return 0; /* reads */
	body = event_begin_call(s, TYPE_KERNEL_BPF, LAYOUT_CALL, sizeof(*body));
	body->ret = s->ret;
	body->args[0] = command;
	if (command == COMMAND_PROG_LOAD) {
		bpf_probe_read_user(&program_type, sizeof(program_type), (void *)s->args[1]);
		body->args[1] = program_type;
		/* union bpf_attr: prog_name is 48 bytes in */
		put_argument(s, STRING_NAME, s->args[1] + 48, 16);
	}
	/* Element writes come by the million from tools that live on them. */
	event_submit(s, s->ret < 0 || command == 2 || command == 3 ? RING_ATTEMPT : RING_CRITICAL);
	return 0;
}

/* Of ptrace(2) what changes the other process or begins to hold it. */
static __always_inline bool ptrace_matters(u64 request)
{
	return request == 0 || (request >= 4 && request <= 6) || request == 13 || request == 15 ||
	       request == 16 || request == 0x4205 || request == 0x4206;
}

static __always_inline u32 plain_type(struct scratch *s)
{
	switch (s->call) {
	case CALL_PTRACE:
		return ptrace_matters(s->args[0]) ? TYPE_PROCESS_PTRACE : 0;
	case CALL_VM_READ:
	case CALL_VM_WRITE:
		return TYPE_PROCESS_PTRACE;
	case CALL_KILL:
	case CALL_PIDFD_SIGNAL:
		return s->args[1] ? TYPE_PROCESS_SIGNAL : 0;
	case CALL_TGKILL:
		return s->args[2] ? TYPE_PROCESS_SIGNAL : 0;
	case CALL_MPROTECT:
		return s->args[2] & 4 ? TYPE_PROCESS_MEMORY_EXEC : 0;
	case CALL_MMAP:
		return (s->args[2] & 6) == 6 ? TYPE_PROCESS_MEMORY_EXEC : 0;
	case CALL_KEXEC:
	case CALL_KEXEC_FILE:
		return TYPE_KERNEL_KEXEC;
	case CALL_UNSHARE:
		return TYPE_NS_UNSHARE;
	case CALL_SETNS:
		return TYPE_NS_SETNS;
	case CALL_CLOCK_SET:
	case CALL_SETTIMEOFDAY:
	case CALL_ADJTIME:
	case CALL_CLOCK_ADJTIME:
		return TYPE_KERNEL_CLOCK_SET;
	}
	return 0;
}

/* The process that a pidfd stands for: an own file system from 6.9 on, an anonymous file before;
 * a directory of /proc is taken for one too. 0: it is none. */
static __always_inline u32 pid_of_file(s32 fd)
{
	struct file *file = file_of(fd);
	struct inode *inode = file ? AS(struct inode, GET(file, f_inode)) : NULL;
	struct pid *pid = NULL;
	u64 magic;
	int nr = 0;

	if (!inode)
		return 0;
	magic = GET(AS(struct super_block, GET(inode, i_sb)), s_magic);
	if (magic == MAGIC_PIDFS)
		bpf_core_read(&pid, sizeof(pid), &inode->i_private);
	else if (magic == MAGIC_ANONYMOUS)
		bpf_core_read(&pid, sizeof(pid), &file->private_data);
	else if (magic == MAGIC_PROC)
		bpf_probe_read_kernel(&pid, sizeof(pid),
				      (void *)inode -
					  bpf_core_field_offset(struct proc_inode, vfs_inode) +
					  bpf_core_field_offset(struct proc_inode, pid));
	if (pid)
		bpf_core_read(&nr, sizeof(nr), &pid->numbers[0].nr);
	return nr;
}

/* Of a call that names the other process otherwise: what kill(2) and ptrace(2) would have said.
 * False: the descriptor was no process's, and nothing happened. */
static __always_inline bool put_peer(struct scratch *s, struct event_args *body)
{
	enum { PEEK = 2, POKE = 5, NO_FILE = -9, INVALID = -22 };

	if (s->call == CALL_VM_READ || s->call == CALL_VM_WRITE) {
		body->args[1] = s->args[0];
		body->args[0] = s->call == CALL_VM_READ ? PEEK : POKE;
	} else if (s->call == CALL_PIDFD_SIGNAL) {
		if (s->ret == NO_FILE || s->ret == INVALID)
			return false;
		body->args[0] = pid_of_file(s->args[0]);
	}
	return true;
}

/* Reads what the clock was set to, or by; false when nothing is changed. */
static __always_inline bool put_clock(struct scratch *s, struct event_args *body)
{
	u64 pointer =
	    s->call == CALL_CLOCK_SET || s->call == CALL_CLOCK_ADJTIME ? s->args[1] : s->args[0];
	u64 given[2] = {};

	body->args[0] = s->call == CALL_CLOCK_SET || s->call == CALL_CLOCK_ADJTIME ? s->args[0] : 0;
	bpf_probe_read_user(given, sizeof(given), (void *)pointer);
	if (s->call == CALL_ADJTIME || s->call == CALL_CLOCK_ADJTIME) {
		body->args[3] = (u32)given[0]; /* modes */
		return (u32)given[0] != 0;
	}
	body->args[1] = given[0]; /* seconds */
	body->args[2] = given[1]; /* and their parts */
	return pointer != 0;
}

SEC("tp_btf/sys_exit")
int call_plain(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_args *body;
	u32 type;
	int i;

	if (!s)
		return 0;
	type = plain_type(s);
	if (!type || !wanted(type)) {
		if (s->call == CALL_MMAP)
			bpf_tail_call(ctx, &handlers, CALL_DUP); /* perhaps a file's mapping */
		return 0;
	}
	body = event_begin_call(s, type, LAYOUT_CALL, sizeof(*body));
	body->ret = s->ret;
	for (i = 0; i < 4; i++)
		body->args[i] = s->args[i];
	if (type == TYPE_KERNEL_CLOCK_SET ? !put_clock(s, body) : !put_peer(s, body))
		return 0;
	event_submit(s, type < TYPE_KERNEL_KEXEC ? RING_NORMAL
			: s->ret < 0		 ? RING_ATTEMPT
						 : RING_CRITICAL);
	if (s->call == CALL_MMAP)
		bpf_tail_call(ctx, &handlers, CALL_DUP);
	return 0;
}

SEC("tp_btf/sys_exit")
int call_mount(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	bool mount;

	if (!s)
		return 0;
	mount = s->call == CALL_MOUNT;
	if (!wanted(mount ? TYPE_FILE_MOUNT : TYPE_FILE_UMOUNT))
		return 0;
	body = begin_file(s, mount ? TYPE_FILE_MOUNT : TYPE_FILE_UMOUNT, NULL, -1);
	body->flags = mount ? s->args[3] : s->args[1];
	put_named(s, STRING_ARGUMENT, STRING_BASE, mount ? s->args[1] : s->args[0], AT_FDCWD_VALUE);
	if (mount) {
		if (s->args[0])
			put_argument(s, STRING_TARGET_ARGUMENT, s->args[0], EVENT_PATH_LEN);
		if (s->args[2])
			put_argument(s, STRING_NAME, s->args[2], EVENT_NAME_LEN);
	}
	event_submit(s, RING_NORMAL);
	return 0;
}
