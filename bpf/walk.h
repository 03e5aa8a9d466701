/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Paths of kernel objects: components from the leaf up to the task's root. */
#ifndef CAIRN_BPF_WALK_H_
#define CAIRN_BPF_WALK_H_

#include "emit.h"

enum { WALK_STEPS = 8 };
enum walk_end { WALK_ON, WALK_ROOT, WALK_DETACHED, WALK_FULL };

/* Appends one component and '/'; false when the path is full. */
static __always_inline bool put_component(struct scratch *s, u32 begin, const void *name, u32 len)
{
	u32 used = s->used;

	if (len >= EVENT_NAME_LEN)
		len = EVENT_NAME_LEN - 1;
	if (used > EVENT_BYTES || used - begin > EVENT_PATH_LEN - EVENT_NAME_LEN)
		return false;
	if (bpf_probe_read_kernel(s->data + used, len, name))
		return false;
	s->data[(used + len) & 0xffff] = '/';
	s->used = used + len + 1;
	return true;
}

/* One step of the walk that `s` is at. */
static __always_inline u32 walk_step(struct scratch *s)
{
	struct dentry *dentry = AS(struct dentry, s->dentry);
	struct vfsmount *mnt = AS(struct vfsmount, s->mnt);
	struct dentry *parent = GET(dentry, d_parent);
	struct mount *mount, *above;
	bool top = (void *)dentry == (void *)GET(mnt, mnt_root);

	if (s->dentry == s->root && s->mnt == s->root_mnt)
		return WALK_ROOT;
	if (!top && (void *)dentry != (void *)parent) {
		s->walk_top[1] = s->walk_top[0];
		s->walk_top[0] = s->used;
		if (!put_component(s, s->walk_begin, GET(dentry, d_name.name),
				   GET(dentry, d_name.len)))
			return WALK_FULL;
		s->dentry = (u64)parent;
		return WALK_ON;
	}
	mount = AS(struct mount, s->mnt - bpf_core_field_offset(struct mount, mnt));
	above = AS(struct mount, GET(mount, mnt_parent));
	if (!top || (void *)above == (void *)mount || !above) {
		/* No name leads here: a pipe, a socket, or outside of the root. */
		if (!top || s->used == s->walk_begin + sizeof(struct event_string))
			put_component(s, s->walk_begin, GET(dentry, d_name.name),
				      GET(dentry, d_name.len));
		return WALK_DETACHED;
	}
	s->dentry = (u64)GET(mount, mnt_mountpoint);
	s->mnt = (u64)above + bpf_core_field_offset(struct mount, mnt);
	return WALK_ON;
}

static __always_inline u32 walk_steps(struct scratch *s)
{
	u32 end = WALK_ON;
	int i;

	for (i = 0; i < WALK_STEPS && end == WALK_ON; i++)
		end = walk_step(s);
	s->walk_end = end;
	return end;
}

/* Functions of their own, not inlined, so that the verifier walks a few steps once and not
 * every path of every program; they find what they work on by themselves. */
__attribute__((noinline)) int walk_cpu(u32 cpu)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &cpu);

	return s ? walk_steps(s) : WALK_FULL;
}

__attribute__((noinline)) int walk_slot(u32 index)
{
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);

	return slot ? walk_steps(&slot->strings) : WALK_FULL;
}

static __always_inline void walk_path(struct scratch *s, u8 kind, struct dentry *dentry,
				      struct vfsmount *mnt, bool in_slot)
{
	struct fs_struct *fs = AS(struct fs_struct, GET(current_task(), fs));
	u32 at = string_begin(s);
	u32 end = WALK_ON;
	u8 flags;
	int i;

	if (!at)
		return;
	s->dentry = (u64)dentry;
	s->mnt = (u64)mnt;
	s->root = (u64)GET(fs, root.dentry);
	s->root_mnt = (u64)GET(fs, root.mnt);
	s->walk_begin = at;
	s->walk_top[0] = s->walk_top[1] = s->used;
	for (i = 0; i < EVENT_PATH_DEPTH / WALK_STEPS && end == WALK_ON; i++)
		end = in_slot ? walk_slot((u32)bpf_get_current_pid_tgid() & (SLOTS - 1))
			      : walk_cpu(bpf_get_smp_processor_id());
	flags = end == WALK_ROOT ? 0 : end == WALK_DETACHED ? STRING_DETACHED : STRING_PARTIAL;
	string_end(s, at, kind, flags, 0);
	if (kind == STRING_PATH && end == WALK_ROOT) {
		s->path_top[0] = s->walk_top[0];
		s->path_top[1] = s->walk_top[1];
		s->path_end = s->used;
	}
}

static __always_inline void put_path(struct scratch *s, u8 kind, struct dentry *dentry,
				     struct vfsmount *mnt)
{
	walk_path(s, kind, dentry, mnt, false);
}

static __always_inline void put_file_path(struct scratch *s, u8 kind, struct file *file)
{
	put_path(s, kind, GET(file, f_path.dentry), GET(file, f_path.mnt));
}

/* The current task's open file `fd`; NULL when there is none. */
static __always_inline struct file *file_of(s32 fd)
{
	struct files_struct *files = AS(struct files_struct, GET(current_task(), files));
	struct fdtable *fdt = AS(struct fdtable, GET(files, fdt));
	struct file **slots = GET(fdt, fd);
	struct file *file = NULL;

	if (fd < 0 || (u32)fd >= GET(fdt, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
	return file ? AS(struct file, file) : NULL;
}

/* Inode, device and mode of a kernel object. */
static __always_inline void put_inode(struct event_file *body, struct inode *inode)
{
	inode = AS(struct inode, inode);
	body->inode = GET(inode, i_ino);
	body->mode = GET(inode, i_mode);
	body->size = GET(inode, i_size);
	body->device = GET(AS(struct super_block, GET(inode, i_sb)), s_dev);
}

/* The path the caller named, and, where it is relative, the directory it starts at. */
static __always_inline void put_named(struct scratch *s, u8 kind, u8 base_kind, u64 pointer, s32 fd)
{
	u8 first = put_argument(s, kind, pointer, EVENT_PATH_LEN);

	if (first == '/')
		return;
	if (fd == AT_FDCWD_VALUE) {
		struct fs_struct *fs = AS(struct fs_struct, GET(current_task(), fs));

		put_path(s, base_kind, GET(fs, pwd.dentry), GET(fs, pwd.mnt));
	} else {
		struct file *base = file_of(fd);

		if (base)
			put_file_path(s, base_kind, base);
	}
}

#endif /* CAIRN_BPF_WALK_H_ */
