// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The agent protects itself, where it was asked to and the kernel has BPF among its security
 * modules: signals, ptrace and bpf(2) against it, and changes of its files, are refused to all
 * but the agent and its manager. Loaded on that backend only; each refusal is a record. */
#include "emit.h"

struct rings_type rings SEC(".maps");
struct counters_type counters SEC(".maps");
struct filters_type filters SEC(".maps");
char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define REFUSED (-1) /* -EPERM */

struct shields_type {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct event_shield);
} shields SEC(".maps");

/* Directories and files by (device, inode); enum event_shielded. */
struct shielded_files_type {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SHIELDED_FILES);
	__type(key, struct event_shielded_file);
	__type(value, u32);
} shielded_files SEC(".maps");

/* The kernel's ids of our maps, programs and links; enum event_bpf_object. */
struct shielded_objects_type {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SHIELDED_OBJECTS);
	__type(key, struct event_shielded_object);
	__type(value, u32);
} shielded_objects SEC(".maps");

/* A record of a refusal. Hooks can be preempted, so it is built on the stack. */
struct refusal {
	struct event_header header;
	struct event_args body;
	struct event_string string;
	char name[64];
};

static __always_inline struct event_shield *shield_get(void)
{
	u32 zero = 0;
	struct event_shield *shield = bpf_map_lookup_elem(&shields, &zero);

	return shield && shield->agent ? shield : NULL;
}

/* Somebody who may do to the agent what others may not? Kernel threads act for nobody. */
static __always_inline bool may_all(struct event_shield *shield)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;

	return pid == shield->agent || pid == shield->manager ||
	       GET(current_task(), flags) & KERNEL_THREAD;
}

/* The agent, and not a later process of the same id. */
static __always_inline bool is_agent(struct event_shield *shield, struct task_struct *task)
{
	u64 start_ns;

	task = AS(struct task_struct, task);
	if ((u32)GET(task, tgid) != shield->agent)
		return false;
	start_ns = GET(AS(struct task_struct, GET(task, group_leader)), start_boottime);
	return start_ns - start_ns % SHIELD_TICK_NS == shield->agent_start_ns;
}

static __always_inline int refuse(u32 what, u64 detail, struct dentry *dentry)
{
	struct refusal refusal = {};
	struct task_struct *task = current_task();
	struct cred *cred = AS(struct cred, GET(task, cred));
	u64 pid_tgid = bpf_get_current_pid_tgid();
	u32 used = sizeof(refusal) - sizeof(refusal.name) - sizeof(refusal.string);
	long got;

	refusal.header.start_ns =
	    GET(AS(struct task_struct, GET(task, group_leader)), start_boottime);
	refusal.header.pid = pid_tgid >> 32;
	refusal.header.tid = (u32)pid_tgid;
	refusal.header.uid = GET(cred, uid.val);
	refusal.header.euid = GET(cred, euid.val);
	refusal.header.cpu = bpf_get_smp_processor_id();
	refusal.header.type = TYPE_AGENT_TAMPER_ATTEMPT;
	refusal.header.layout = LAYOUT_CALL;
	refusal.body.ret = REFUSED;
	refusal.body.args[0] = what;
	refusal.body.args[1] = detail;
	if (dentry) {
		dentry = AS(struct dentry, dentry);
		got = bpf_probe_read_kernel_str(refusal.name, sizeof(refusal.name),
						GET(dentry, d_name.name));
		refusal.string.kind = STRING_NAME;
		refusal.string.len = got > 0 ? bounded(got - 1, 63) : 0;
		refusal.string.whole = GET(dentry, d_name.len);
		used += sizeof(refusal.string) + bounded(refusal.string.len, 63);
	}
	submit_bytes(&refusal, used, sizeof(refusal), TYPE_AGENT_TAMPER_ATTEMPT, RING_CRITICAL);
	return REFUSED;
}

SEC("lsm/task_kill")
int shield_kill(u64 *ctx)
{
	struct event_shield *shield = shield_get();

	if (!shield || (u32)ctx[2] == 0 || !is_agent(shield, (struct task_struct *)ctx[0]) ||
	    may_all(shield))
		return 0;
	return refuse(REFUSED_SIGNAL, (u32)ctx[2], NULL);
}

#define PTRACE_ATTACH_BIT 2 /* PTRACE_MODE_ATTACH: also process_vm_writev and pidfd_getfd */

SEC("lsm/ptrace_access_check")
int shield_ptrace(u64 *ctx)
{
	struct event_shield *shield = shield_get();

	if (!shield || !((u32)ctx[1] & PTRACE_ATTACH_BIT) ||
	    !is_agent(shield, (struct task_struct *)ctx[0]) || may_all(shield))
		return 0;
	return refuse(REFUSED_PTRACE, (u32)ctx[1], NULL);
}

static __always_inline int shield_object(u32 kind, u32 id)
{
	struct event_shield *shield = shield_get();
	struct event_shielded_object key = {.kind = kind, .id = id};

	if (!shield || may_all(shield) || !bpf_map_lookup_elem(&shielded_objects, &key))
		return 0;
	return refuse(REFUSED_BPF, (u64)kind << 32 | id, NULL);
}

SEC("lsm/bpf_map")
int shield_map(u64 *ctx)
{
	return shield_object(OBJECT_MAP, GET(AS(struct bpf_map, ctx[0]), id));
}

SEC("lsm/bpf_prog")
int shield_prog(u64 *ctx)
{
	struct bpf_prog_aux *aux = GET(AS(struct bpf_prog, ctx[0]), aux);

	return shield_object(OBJECT_PROGRAM, GET(AS(struct bpf_prog_aux, aux), id));
}

/* A link has no hook of its own: who may not have a descriptor of it cannot touch it. */
SEC("lsm/bpf")
int shield_bpf(u64 *ctx)
{
	u32 id = 0;

	if ((u32)ctx[0] != 30) /* BPF_LINK_GET_FD_BY_ID */
		return 0;
	bpf_probe_read_kernel(&id, sizeof(id), (void *)ctx[1]); /* link_id is first */
	return shield_object(OBJECT_LINK, id);
}

/* Is `dentry`, or a directory above it, ours? Those below an open one are not. */
static __always_inline bool is_shielded(struct dentry *dentry)
{
	int i;

	dentry = AS(struct dentry, dentry);
	for (i = 0; i < SHIELDED_DEPTH; i++) {
		struct inode *inode = GET(dentry, d_inode);
		struct dentry *parent = GET(dentry, d_parent);
		struct event_shielded_file key = {};
		u32 *kind;

		if (inode) {
			inode = AS(struct inode, inode);
			key.inode = GET(inode, i_ino);
			key.device = GET(AS(struct super_block, GET(inode, i_sb)), s_dev);
			kind = bpf_map_lookup_elem(&shielded_files, &key);
			if (kind && (i > 0 || *kind == SHIELDED))
				return *kind == SHIELDED;
		}
		if (parent == dentry)
			return false;
		dentry = AS(struct dentry, parent);
	}
	return false;
}

static __always_inline int shield_entry(u64 entry)
{
	struct dentry *dentry = (struct dentry *)entry;
	struct event_shield *shield = shield_get();

	if (!shield || may_all(shield) || !is_shielded(dentry))
		return 0;
	return refuse(REFUSED_FILE, 0, dentry);
}

static __always_inline int shield_path(u64 path)
{
	return shield_entry((u64)GET(AS(struct path, path), dentry));
}

#define FMODE_WRITE_BIT 2

SEC("lsm/file_open")
int shield_open(u64 *ctx)
{
	struct file *file = AS(struct file, ctx[0]);

	if (!(GET(file, f_mode) & FMODE_WRITE_BIT))
		return 0;
	return shield_entry((u64)GET(file, f_path.dentry));
}

#define SHIELD_ENTRY(name)                                                                         \
	SEC("lsm/path_" #name) int shield_##name(u64 *ctx)                                         \
	{                                                                                          \
		return shield_entry(ctx[1]);                                                       \
	}
SHIELD_ENTRY(unlink)
SHIELD_ENTRY(rmdir)
SHIELD_ENTRY(mkdir)
SHIELD_ENTRY(mknod)
SHIELD_ENTRY(symlink)

#define SHIELD_PATH(name)                                                                          \
	SEC("lsm/path_" #name) int shield_##name(u64 *ctx)                                         \
	{                                                                                          \
		return shield_path(ctx[0]);                                                        \
	}
SHIELD_PATH(truncate)
SHIELD_PATH(chmod)
SHIELD_PATH(chown)

/* A new name for a file of ours, or a file among ours. */
SEC("lsm/path_link")
int shield_link(u64 *ctx)
{
	int refused = shield_entry(ctx[0]);

	return refused ? refused : shield_entry(ctx[2]);
}

SEC("lsm/path_rename")
int shield_rename(u64 *ctx)
{
	int refused = shield_entry(ctx[1]);

	return refused ? refused : shield_entry(ctx[3]);
}

SEC("lsm/sb_mount")
int shield_mount(u64 *ctx)
{
	return shield_path(ctx[1]);
}

SEC("lsm/move_mount")
int shield_move_mount(u64 *ctx)
{
	return shield_path(ctx[1]);
}
