/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Paths of kernel objects: components from the leaf up to the task's root. */
#ifndef CAIRN_BPF_WALK_H_
#define CAIRN_BPF_WALK_H_

#include "emit.h"

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

static __always_inline void put_path(struct scratch *s, u8 kind, struct dentry *dentry,
				     struct vfsmount *mnt)
{
	struct task_struct *task = current_task();
	struct fs_struct *fs = AS(struct fs_struct, GET(task, fs));
	struct dentry *root = GET(fs, root.dentry);
	struct vfsmount *root_mnt = GET(fs, root.mnt);
	u32 at = string_begin(s);
	u8 flags = STRING_PARTIAL;
	int i;

	if (!at)
		return;
	dentry = AS(struct dentry, dentry);
	mnt = AS(struct vfsmount, mnt);
	for (i = 0; i < EVENT_PATH_DEPTH; i++) {
		struct dentry *parent = GET(dentry, d_parent);
		struct mount *mount, *above;

		if ((void *)dentry == (void *)root && (void *)mnt == (void *)root_mnt) {
			flags = 0;
			break;
		}
		if ((void *)dentry != (void *)GET(mnt, mnt_root) &&
		    (void *)dentry != (void *)parent) {
			if (!put_component(s, at, GET(dentry, d_name.name),
					   GET(dentry, d_name.len)))
				break;
			dentry = AS(struct dentry, parent);
			continue;
		}
		mount = AS(struct mount, (void *)mnt - bpf_core_field_offset(struct mount, mnt));
		above = AS(struct mount, GET(mount, mnt_parent));
		if ((void *)dentry != (void *)GET(mnt, mnt_root) ||
		    (void *)above == (void *)mount || !above) {
			/* No name leads here: a pipe, a socket, or outside of the root. */
			flags = STRING_DETACHED;
			if ((void *)dentry != (void *)GET(mnt, mnt_root) ||
			    s->used == at + sizeof(struct event_string))
				put_component(s, at, GET(dentry, d_name.name),
					      GET(dentry, d_name.len));
			break;
		}
		dentry = AS(struct dentry, GET(mount, mnt_mountpoint));
		mnt = AS(struct vfsmount, (void *)above + bpf_core_field_offset(struct mount, mnt));
	}
	string_end(s, at, kind, flags, 0);
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
