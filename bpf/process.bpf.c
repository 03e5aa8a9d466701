// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Processes: exec, fork, exit; failed execs. */
#include "file.h"

static __always_inline void put_creds(struct event_creds *to, struct cred *cred)
{
	cred = AS(struct cred, cred);
	to->uid = GET(cred, uid.val);
	to->gid = GET(cred, gid.val);
	to->suid = GET(cred, suid.val);
	to->sgid = GET(cred, sgid.val);
	to->euid = GET(cred, euid.val);
	to->egid = GET(cred, egid.val);
	to->fsuid = GET(cred, fsuid.val);
	to->fsgid = GET(cred, fsgid.val);
	bpf_core_read(&to->effective, sizeof(u64), &cred->cap_effective);
	bpf_core_read(&to->permitted, sizeof(u64), &cred->cap_permitted);
	bpf_core_read(&to->inheritable, sizeof(u64), &cred->cap_inheritable);
}

static __always_inline void put_namespaces(struct event_task *body, struct task_struct *task)
{
	struct nsproxy *ns = AS(struct nsproxy, GET(task, nsproxy));
	struct cred *cred = AS(struct cred, GET(task, cred));

	if (!ns)
		return;
	body->ns_mount = GET(AS(struct mnt_namespace, GET(ns, mnt_ns)), ns.inum);
	body->ns_pid = GET(AS(struct pid_namespace, GET(ns, pid_ns_for_children)), ns.inum);
	body->ns_net = GET(AS(struct net, GET(ns, net_ns)), ns.inum);
	body->ns_uts = GET(AS(struct uts_namespace, GET(ns, uts_ns)), ns.inum);
	body->ns_ipc = GET(AS(struct ipc_namespace, GET(ns, ipc_ns)), ns.inum);
	body->ns_cgroup = GET(AS(struct cgroup_namespace, GET(ns, cgroup_ns)), ns.inum);
	body->ns_user = GET(AS(struct user_namespace, GET(cred, user_ns)), ns.inum);
}

static __always_inline void put_task(struct event_task *body, struct task_struct *task)
{
	struct task_struct *parent = AS(struct task_struct, GET(task, real_parent));

	parent = AS(struct task_struct, GET(parent, group_leader));
	body->start_ns = GET(AS(struct task_struct, GET(task, group_leader)), start_boottime);
	body->exec_id = GET(task, self_exec_id);
	body->pid = GET(task, tgid);
	body->ppid = GET(parent, tgid);
	body->parent_start_ns = GET(parent, start_boottime);
	body->auid = -1;
	body->session = -1;
	if (bpf_core_field_exists(task->loginuid)) {
		body->auid = GET(task, loginuid.val);
		body->session = GET(task, sessionid);
	}
	put_creds(&body->creds, GET(task, cred));
	put_namespaces(body, task);
	bpf_core_read(body->comm, sizeof(body->comm), &task->comm);
}

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *node)
{
	struct kernfs_node___6_15 *new_node = (void *)node;
	struct kernfs_node *parent = NULL;

	if (bpf_core_field_exists(new_node->__parent))
		bpf_core_read(&parent, sizeof(parent), &new_node->__parent);
	else
		bpf_core_read(&parent, sizeof(parent), &node->parent);
	return parent;
}

/* The unified hierarchy; where that is unused (cgroup v1), the one of the pids controller. */
static __always_inline struct kernfs_node *cgroup_node(struct event_task *body,
						       struct task_struct *task)
{
	struct css_set *set = AS(struct css_set, GET(task, cgroups));
	struct kernfs_node *node = GET(AS(struct cgroup, GET(set, dfl_cgrp)), kn);
	struct cgroup_subsys_state *state = NULL;

	bpf_core_read(&body->cgroup, sizeof(body->cgroup), &node->id);
	if (kernfs_parent(node) || !bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return node;
	bpf_core_read(&state, sizeof(state),
		      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
			  bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id) * 8);
	if (!state)
		return node;
	state = AS(struct cgroup_subsys_state, state);
	return GET(AS(struct cgroup, GET(state, cgroup)), kn);
}

enum { CGROUP_STEPS = 4, CGROUP_DEPTH = 24, USER_PIECE = 2048 };

/* Some steps of the walk that the cpu's scratch is at; as walk_cpu(). */
__attribute__((noinline)) int walk_cgroup(u32 cpu)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &cpu);
	int i;

	if (!s)
		return WALK_FULL;
	for (i = 0; i < CGROUP_STEPS; i++) {
		struct kernfs_node *node = (void *)s->dentry;
		struct kernfs_node *parent = kernfs_parent(node);
		u32 from = s->used;
		char *name = NULL;
		long got;

		if (!parent)
			return WALK_ROOT;
		if (from > EVENT_BYTES)
			return WALK_FULL;
		bpf_core_read(&name, sizeof(name), &node->name);
		got = bpf_probe_read_kernel_str(s->data + from, EVENT_NAME_LEN, name);
		if (got <= 0 || got > EVENT_NAME_LEN)
			return WALK_FULL;
		s->data[(from + (u32)got - 1) & 0xffff] = '/';
		s->used = from + (u32)got;
		s->dentry = (u64)parent;
	}
	return WALK_ON;
}

static __always_inline void put_cgroup(struct scratch *s, struct kernfs_node *node)
{
	u32 at = string_begin(s);
	u32 end = WALK_ON;
	int i;

	if (!at)
		return;
	s->dentry = (u64)node;
	for (i = 0; i < CGROUP_DEPTH / CGROUP_STEPS && end == WALK_ON; i++)
		end = walk_cgroup(bpf_get_smp_processor_id());
	string_end(s, at, STRING_CGROUP, end == WALK_ROOT ? 0 : STRING_PARTIAL, 0);
}

/* Appends `len` bytes of the caller's memory to the cpu's record; 0: done. */
__attribute__((noinline)) int put_piece(u32 cpu, u64 from, u32 len)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &cpu);
	u32 used;

	if (!s || len > USER_PIECE)
		return 1;
	used = s->used;
	if (used > EVENT_BYTES ||
	    bpf_probe_read_user(s->data + used, bounded(len, 4095), (void *)from))
		return 1;
	s->used = used + len;
	return 0;
}

/* User memory [from, to), up to `limit` bytes, in pieces so that one missing page costs
 * only what follows it. */
static __always_inline void put_user(struct scratch *s, u8 kind, u64 from, u64 to, u32 limit)
{
	u32 at = string_begin(s);
	u64 whole = to > from ? to - from : 0;
	u32 left = whole > limit ? limit : whole;
	u8 flags = 0;
	int i;

	if (!at)
		return;
	for (i = 0; i < EVENT_ARGV_LEN / USER_PIECE && left; i++) {
		u32 piece = left > USER_PIECE ? USER_PIECE : left;

		if (put_piece(bpf_get_smp_processor_id(), from, piece)) {
			flags = STRING_FAULT;
			break;
		}
		from += piece;
		left -= piece;
	}
	string_end(s, at, kind, flags, whole > 0xffffffff ? 0xffffffff : whole);
}

static __always_inline bool env_wanted(void)
{
	struct event_filter *filter = filter_get();

	return filter && filter->env;
}

SEC("tp_btf/sched_process_exec")
int process_exec(u64 *ctx)
{
	struct task_struct *task = current_task();
	struct linux_binprm *bprm = AS(struct linux_binprm, ctx[2]);
	struct scratch *s = scratch_get();
	struct event_task *body;
	struct kernfs_node *node;
	struct mm_struct *mm;
	struct file *exe;
	struct inode *inode;
	struct fs_struct *fs;
	struct tty_struct *tty;

	if (!s || !active(filter_get()))
		return 0;
	body = event_begin(s, TYPE_PROCESS_EXEC, LAYOUT_TASK, sizeof(*body));
	put_task(body, task);
	node = cgroup_node(body, task);
	mm = AS(struct mm_struct, GET(task, mm));
	exe = AS(struct file, GET(mm, exe_file));
	inode = AS(struct inode, GET(exe, f_inode));
	body->inode = GET(inode, i_ino);
	body->mode = GET(inode, i_mode);
	body->links = GET(inode, i_nlink);
	body->device = GET(AS(struct super_block, GET(inode, i_sb)), s_dev);
	put_file_path(s, STRING_EXE, exe);
	fs = AS(struct fs_struct, GET(task, fs));
	put_path(s, STRING_CWD, GET(fs, pwd.dentry), GET(fs, pwd.mnt));
	put_cgroup(s, node);
	if (GET(bprm, filename) != GET(bprm, interp))
		put_kernel_string(s, STRING_SCRIPT, GET(bprm, filename), EVENT_PATH_LEN);
	tty = GET(AS(struct signal_struct, GET(task, signal)), tty);
	if (tty) {
		tty = AS(struct tty_struct, tty);
		put_kernel_string(s, STRING_TTY, &tty->name, 64);
	}
	put_user(s, STRING_ARGV, GET(mm, arg_start), GET(mm, arg_end), EVENT_ARGV_LEN);
	if (env_wanted())
		put_user(s, STRING_ENV, GET(mm, env_start), GET(mm, env_end), EVENT_ENV_LEN);
	event_submit(s, RING_CRITICAL);
	return 0;
}

/* Kernel threads come and go with load (one for each answer of kernel audit) and act for nobody.
 * What they start becomes a process by its exec. */
SEC("tp_btf/sched_process_fork")
int process_fork(u64 *ctx)
{
	struct task_struct *child = AS(struct task_struct, ctx[1]);
	struct scratch *s;
	struct event_task *body;

	if (GET(child, pid) != GET(child, tgid) || GET(child, flags) & KERNEL_THREAD ||
	    !active(filter_get()))
		return 0; /* a thread, or nobody's */
	s = scratch_get();
	if (!s)
		return 0;
	body = event_begin(s, TYPE_PROCESS_FORK, LAYOUT_TASK, sizeof(*body));
	put_task(body, child);
	event_submit(s, RING_NORMAL);
	return 0;
}

#define SIGNAL_GROUP_EXIT_BIT 4

SEC("tp_btf/sched_process_exit")
int process_exit(u64 *ctx)
{
	struct task_struct *task = current_task();
	struct signal_struct *signal = AS(struct signal_struct, GET(task, signal));
	struct scratch *s;
	struct event_exit *body;

	if (GET(signal, live.counter) != 0 || GET(task, flags) & KERNEL_THREAD ||
	    !active(filter_get()))
		return 0; /* other threads live on, or nobody's */
	s = scratch_get();
	if (!s)
		return 0;
	body = event_begin(s, TYPE_PROCESS_EXIT, LAYOUT_EXIT, sizeof(*body));
	if (GET(signal, flags) & SIGNAL_GROUP_EXIT_BIT)
		body->code = GET(signal, group_exit_code);
	else
		body->code = GET(AS(struct task_struct, GET(task, group_leader)), exit_code);
	event_submit(s, RING_NORMAL);
	return 0;
}

SEC("tp_btf/sys_exit")
int call_exec(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	bool at;

	if (!s || s->ret >= 0 || !wanted(TYPE_PROCESS_EXEC))
		return 0;
	at = s->call == CALL_EXECVEAT;
	body = begin_file(s, TYPE_PROCESS_EXEC, NULL, -1);
	body->flags = at ? s->args[4] : 0;
	put_named(s, STRING_ARGUMENT, STRING_BASE, at ? s->args[1] : s->args[0],
		  at ? (s32)s->args[0] : AT_FDCWD_VALUE);
	event_submit(s, RING_ATTEMPT);
	return 0;
}

/* The credentials after a call of the setuid family. */
SEC("tp_btf/sys_exit")
int call_cred(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_cred *body;
	u32 type;

	if (!s)
		return 0;
	type = s->call == CALL_SETUID	? TYPE_CRED_SETUID
	       : s->call == CALL_SETGID ? TYPE_CRED_SETGID
					: TYPE_CRED_CAPSET;
	body = event_begin_call(s, type, LAYOUT_CRED, sizeof(*body));
	body->ret = s->ret;
	put_creds(&body->creds, GET(current_task(), cred));
	event_submit(s, s->ret < 0 ? RING_ATTEMPT : RING_CRITICAL);
	return 0;
}
