/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Handing an object from a security hook to the exit of the call that reached it. Hooks can
 * be preempted, so what they write is a slot of their thread's own. */
#ifndef CAIRN_BPF_SLOT_H_
#define CAIRN_BPF_SLOT_H_

#include "call.h"
#include "file.h"

static __always_inline struct slot *slot_find(void)
{
	u32 index = (u32)bpf_get_current_pid_tgid() & (SLOTS - 1);

	return bpf_map_lookup_elem(&slots, &index);
}

/* A slot for the current thread's event of `type`; NULL when nobody wants it or another
 * thread has it: the event then has the caller's argument instead. */
static __always_inline struct slot *slot_take(u32 type)
{
	struct event_filter *filter = filter_get();
	u64 tid = (u32)bpf_get_current_pid_tgid();
	struct slot *slot;
	u64 now, owner;

	if (!active(filter) || is_own(filter) || !wanted(type) ||
	    GET(current_task(), flags) & KERNEL_THREAD)
		return NULL;
	slot = slot_find();
	if (!slot)
		return NULL;
	now = bpf_ktime_get_boot_ns();
	owner = slot->owner;
	if (owner != tid) {
		if (owner && now - slot->taken_ns < SLOT_STALE_NS)
			return NULL;
		if (__sync_val_compare_and_swap(&slot->owner, owner, tid) != owner)
			return NULL;
	}
	slot->taken_ns = now;
	slot->number = call_number((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()));
	slot->type = 0; /* nothing in it yet */
	slot->inode = 0;
	slot->device = 0;
	slot->mode = 0;
	slot->strings.used = sizeof(struct event_header);
	slot->strings.path_end = 0;
	return slot;
}

static __always_inline void slot_inode(struct slot *slot, struct inode *inode)
{
	if (!inode)
		return;
	inode = AS(struct inode, inode);
	slot->inode = GET(inode, i_ino);
	slot->mode = GET(inode, i_mode);
	slot->device = GET(AS(struct super_block, GET(inode, i_sb)), s_dev);
}

/* Gives the current thread's slot back. */
static __always_inline void slot_release(void)
{
	struct slot *slot;

	if (!has_hooks)
		return;
	slot = slot_find();
	if (slot && slot->owner == (u32)bpf_get_current_pid_tgid())
		slot->owner = 0;
}

/* Where the path stands that was copied `by` bytes on. */
static __always_inline void slot_path(struct scratch *s, struct scratch *from, u32 by)
{
	if (!from->path_end)
		return;
	s->path_top[0] = from->path_top[0] + by;
	s->path_top[1] = from->path_top[1] + by;
	s->path_end = from->path_end + by;
}

/* Moves what a hook saw of this call into the record; false: none saw it. */
static __always_inline bool slot_use(struct scratch *s, struct event_file *body, u32 type)
{
	struct slot *slot;
	u32 used = s->used;
	u32 len;

	if (!has_hooks)
		return false;
	slot = slot_find();
	if (!slot || slot->owner != (u32)bpf_get_current_pid_tgid())
		return false;
	len = slot->strings.used - sizeof(struct event_header);
	/* Other calls reach the same hooks: bind of a named socket, open with O_CREAT. */
	if (slot->type != type || slot->number != s->number || len > 2 * SCRATCH_SLACK ||
	    used > EVENT_BYTES / 2) {
		slot->owner = 0;
		return false;
	}
	if (!bpf_probe_read_kernel(s->data + used, bounded(len, 16383),
				   slot->strings.data + sizeof(struct event_header))) {
		s->used = used + len;
		slot_path(s, &slot->strings, used - sizeof(struct event_header));
	}
	body->inode = slot->inode;
	body->device = slot->device;
	if (slot->mode)
		body->mode = slot->mode;
	slot->owner = 0;
	return true;
}

#endif /* CAIRN_BPF_SLOT_H_ */
