// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The lsm backend: where the kernel lets its security hooks be traced, calls that name a path
 * are seen acting on the object, whatever the caller's memory says. */
#include "call.h"
#include "slot.h"

/* The object is `dentry` below the directory `dir`. */
static __always_inline int see_entry(u32 type, u64 dir, u64 dentry)
{
	struct slot *slot = slot_take(type);
	struct path *path = AS(struct path, dir);

	if (!slot)
		return 0;
	walk_path(&slot->strings, STRING_PATH, (struct dentry *)dentry, GET(path, mnt), true);
	slot_inode(slot, GET(AS(struct dentry, dentry), d_inode));
	slot->type = type;
	return 0;
}

/* The object is `path` itself. */
static __always_inline int see_path(u32 type, u64 object)
{
	struct path *path = AS(struct path, object);

	return see_entry(type, object, (u64)GET(path, dentry));
}

/* Old and new name; `old_dir` NULL: on the same mount as the new one. */
static __always_inline int see_two(u32 type, u64 old_dir, u64 old, u64 new_dir, u64 new)
{
	struct slot *slot = slot_take(type);
	struct path *to = AS(struct path, new_dir);
	struct path *from = old_dir ? AS(struct path, old_dir) : to;

	if (!slot)
		return 0;
	walk_path(&slot->strings, STRING_PATH, (struct dentry *)old, GET(from, mnt), true);
	walk_path(&slot->strings, STRING_TARGET, (struct dentry *)new, GET(to, mnt), true);
	slot_inode(slot, GET(AS(struct dentry, old), d_inode));
	slot->type = type;
	return 0;
}

SEC("fentry/security_path_unlink")
int see_unlink(u64 *ctx)
{
	return see_entry(TYPE_FILE_DELETE, ctx[0], ctx[1]);
}

SEC("fentry/security_path_rmdir")
int see_rmdir(u64 *ctx)
{
	return see_entry(TYPE_FILE_DELETE, ctx[0], ctx[1]);
}

SEC("fentry/security_path_mkdir")
int see_mkdir(u64 *ctx)
{
	return see_entry(TYPE_FILE_CREATE, ctx[0], ctx[1]);
}

SEC("fentry/security_path_mknod")
int see_mknod(u64 *ctx)
{
	return see_entry(TYPE_FILE_CREATE, ctx[0], ctx[1]);
}

SEC("fentry/security_path_symlink")
int see_symlink(u64 *ctx)
{
	return see_entry(TYPE_FILE_CREATE, ctx[0], ctx[1]);
}

SEC("fentry/security_path_chmod")
int see_chmod(u64 *ctx)
{
	return see_path(TYPE_FILE_CHMOD, ctx[0]);
}

SEC("fentry/security_path_chown")
int see_chown(u64 *ctx)
{
	return see_path(TYPE_FILE_CHOWN, ctx[0]);
}

SEC("fentry/security_path_truncate")
int see_truncate(u64 *ctx)
{
	return see_path(TYPE_FILE_TRUNCATE, ctx[0]);
}

SEC("fentry/security_path_link")
int see_link(u64 *ctx)
{
	return see_two(TYPE_FILE_LINK, 0, ctx[0], ctx[1], ctx[2]);
}

SEC("fentry/security_path_rename")
int see_rename(u64 *ctx)
{
	return see_two(TYPE_FILE_RENAME, ctx[0], ctx[1], ctx[2], ctx[3]);
}
