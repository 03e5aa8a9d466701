// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Files: what a call did is read from the open file where there is one. */
#include "call.h"
#include "slot.h"

static __always_inline void open_flags(struct scratch *s, u64 *path, s32 *fd, u32 *flags, u32 *mode)
{
	u64 how[2] = {};

	*fd = AT_FDCWD_VALUE;
	*path = s->args[0];
	*flags = s->args[1];
	*mode = s->args[2];
	if (s->call == CALL_CREAT) {
		*flags = 01 | 0100 | 01000; /* O_WRONLY | O_CREAT | O_TRUNC */
		*mode = s->args[1];
	} else if (s->call != CALL_OPEN) {
		*fd = s->args[0];
		*path = s->args[1];
		*flags = s->args[2];
		*mode = s->args[3];
	}
	if (s->call == CALL_OPENAT2) {
		bpf_probe_read_user(how, sizeof(how), (void *)s->args[2]);
		*flags = how[0];
		*mode = how[1];
	} else if (s->call == CALL_OPEN_HANDLE) {
		*path = 0;
	}
}

SEC("tp_btf/sys_exit")
int call_open(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	struct file *file = NULL;
	u32 flags, mode;
	u64 path;
	s32 fd;
	u8 type = TYPE_FILE_OPEN;

	if (!s)
		return 0;
	open_flags(s, &path, &fd, &flags, &mode);
	if (flags & (0100 | 01000))
		slot_release(); /* O_CREAT, O_TRUNC: the open file says it all */
	if (s->ret >= 0)
		file = file_of(s->ret);
	if (file ? (GET(file, f_mode) & FMODE_CREATED_BIT) != 0 : (flags & 0300) == 0300)
		type = TYPE_FILE_CREATE; /* done, or, with O_CREAT | O_EXCL, failed */
	if (file && (wanted(TYPE_FILE_WRITE) || wanted(TYPE_FILE_READ)))
		forget_uses(file);
	if (!wanted(type))
		return 0;
	body = begin_file(s, type, file, s->ret >= 0 ? s->ret : -1);
	body->flags = flags;
	body->asked = flags & 0100 ? mode : 0;
	if (file)
		put_file_path(s, STRING_PATH, file);
	else if (path)
		put_named(s, STRING_ARGUMENT, STRING_BASE, path, fd);
	event_submit(s, type == TYPE_FILE_CREATE ? RING_NORMAL : RING_BULK);
	return 0;
}

#define PROC_MAGIC 0x9fa0

/* A write below /proc/sys changes the kernel: all of them count, and what was written. */
static __always_inline void write_proc(struct scratch *s, struct file *file, s32 fd)
{
	u32 at;

	begin_file(s, TYPE_KERNEL_SYSCTL, file, fd);
	put_file_path(s, STRING_PATH, file);
	at = string_begin(s);
	if (at) {
		u32 from = s->used;
		u32 len = s->args[2] > 255 ? 255 : s->args[2];

		if (from <= EVENT_BYTES &&
		    !bpf_probe_read_user(s->data + from, bounded(len, 255), (void *)s->args[1]))
			s->used = from + (len & 255);
		string_end(s, at, STRING_VALUE, 0, s->args[2]);
	}
	event_submit(s, RING_ATTEMPT);
}

SEC("tp_btf/sys_exit")
int call_write(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct file *file;
	struct inode *inode;
	s32 fd;

	if (!s)
		return 0;
	fd = s->call == CALL_COPY ? s->args[2] : s->args[0];
	if (s->call == CALL_WRITE && wanted(TYPE_KERNEL_SYSCTL)) {
		file = file_of(fd);
		inode = file ? AS(struct inode, GET(file, f_inode)) : NULL;
		if (inode && GET(AS(struct super_block, GET(inode, i_sb)), s_magic) == PROC_MAGIC) {
			write_proc(s, file, fd);
			return 0;
		}
	}
	use_file(s, TYPE_FILE_WRITE, fd);
	return 0;
}

SEC("tp_btf/sys_exit")
int call_read(u64 *ctx)
{
	struct scratch *s = scratch_get();

	if (s)
		use_file(s, TYPE_FILE_READ, s->args[0]);
	return 0;
}

/* sendfile, splice, copy_file_range: a write and a read. */
SEC("tp_btf/sys_exit")
int call_copy(u64 *ctx)
{
	struct scratch *s = scratch_get();

	if (!s)
		return 0;
	use_file(s, TYPE_FILE_READ, s->call == CALL_COPY ? s->args[0] : s->args[1]);
	bpf_tail_call(ctx, &handlers, CALL_WRITE);
	return 0;
}

/* A call that names one path: (path, a, b) or (fd, path, a, b). */
struct path_call {
	s32 fd;
	u64 path, a, b;
};

static __always_inline void path_arguments(struct scratch *s, struct path_call *to)
{
	bool at = s->call == CALL_UTIMENSAT || s->call == CALL_MKDIRAT || s->call == CALL_MKNODAT ||
		  s->call == CALL_UNLINKAT || s->call == CALL_FCHMODAT || s->call == CALL_FCHOWNAT;

	to->fd = at ? s->args[0] : AT_FDCWD_VALUE;
	to->path = at ? s->args[1] : s->args[0];
	to->a = at ? s->args[2] : s->args[1];
	to->b = at ? s->args[3] : s->args[2];
	if (s->call == CALL_SYMLINK) {
		to->path = s->args[1];
	} else if (s->call == CALL_SYMLINKAT) {
		to->fd = s->args[1];
		to->path = s->args[2];
	}
}

static __always_inline u8 path_type(u32 call)
{
	switch (call) {
	case CALL_UNLINK:
	case CALL_UNLINKAT:
	case CALL_RMDIR:
		return TYPE_FILE_DELETE;
	case CALL_CHMOD:
	case CALL_FCHMODAT:
		return TYPE_FILE_CHMOD;
	case CALL_CHOWN:
	case CALL_LCHOWN:
	case CALL_FCHOWNAT:
		return TYPE_FILE_CHOWN;
	case CALL_TRUNCATE:
		return TYPE_FILE_TRUNCATE;
	case CALL_SETXATTR:
		return TYPE_FILE_XATTR;
	case CALL_UTIMES:
	case CALL_UTIMENSAT:
		return TYPE_FILE_UTIMES;
	}
	return TYPE_FILE_CREATE;
}

/* What was asked for beside the path. */
static __always_inline void put_asked(struct scratch *s, struct event_file *body, u8 type, u64 a,
				      u64 b)
{
	if (type == TYPE_FILE_CHOWN) {
		body->uid = a;
		body->gid = b;
	} else if (type == TYPE_FILE_TRUNCATE) {
		body->size = a;
	} else if (type == TYPE_FILE_DELETE) {
		body->flags = s->call == CALL_UNLINKAT ? a : 0;
		body->mode = s->call == CALL_RMDIR || body->flags & 0x200 ? 0040000 : 0;
	} else if (s->call == CALL_MKDIR || s->call == CALL_MKDIRAT) {
		body->asked = a & 07777;
		body->mode = 0040000;
	} else if (s->call == CALL_SYMLINK || s->call == CALL_SYMLINKAT) {
		body->mode = 0120000;
	} else if (type != TYPE_FILE_XATTR && type != TYPE_FILE_UTIMES) {
		body->asked = a;
		body->mode = type == TYPE_FILE_CREATE ? a & MODE_TYPE : 0;
	}
}

/* The type is read again, so that the verifier need not walk the path once for each. */
static __always_inline void put_xattr_name(struct scratch *s)
{
	if (((struct event_header *)s->data)->type == TYPE_FILE_XATTR)
		put_argument(s, STRING_NAME, s->args[1], EVENT_NAME_LEN);
}

SEC("tp_btf/sys_exit")
int call_path(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct path_call call;
	struct event_file *body;
	u8 type;

	if (!s)
		return 0;
	type = path_type(s->call);
	if (!wanted(type))
		return 0;
	path_arguments(s, &call);
	if (type == TYPE_FILE_UTIMES && !call.path) {
		bpf_tail_call(ctx, &handlers, CALL_FCHMOD); /* utimensat(fd, NULL): an fd call */
		return 0;
	}
	body = begin_file(s, type, NULL, -1);
	put_asked(s, body, type, call.a, call.b);
	if (!slot_use(s, body, type))
		put_named(s, STRING_ARGUMENT, STRING_BASE, call.path, call.fd);
	if (s->call == CALL_SYMLINK || s->call == CALL_SYMLINKAT)
		put_argument(s, STRING_TARGET_ARGUMENT, s->args[0], EVENT_PATH_LEN);
	put_xattr_name(s);
	event_submit(s, RING_NORMAL);
	return 0;
}

/* fchmod, fchown, ftruncate, fsetxattr, and utimensat without a path. */
SEC("tp_btf/sys_exit")
int call_fd(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	struct file *file;
	u8 type;
	s32 fd;

	if (!s)
		return 0;
	type = s->call == CALL_FCHMOD	   ? TYPE_FILE_CHMOD
	       : s->call == CALL_FCHOWN	   ? TYPE_FILE_CHOWN
	       : s->call == CALL_FSETXATTR ? TYPE_FILE_XATTR
	       : s->call == CALL_UTIMENSAT ? TYPE_FILE_UTIMES
					   : TYPE_FILE_TRUNCATE;
	if (!wanted(type))
		return 0;
	slot_release();
	fd = s->args[0];
	file = file_of(fd);
	body = begin_file(s, type, file, fd);
	put_asked(s, body, type, s->args[1], s->args[2]);
	if (file)
		put_file_path(s, STRING_PATH, file);
	put_xattr_name(s);
	event_submit(s, RING_NORMAL);
	return 0;
}

/* rename, link and move_mount, in all their forms. */
SEC("tp_btf/sys_exit")
int call_two_paths(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	bool at;
	u8 type;

	if (!s)
		return 0;
	at = s->call == CALL_RENAMEAT || s->call == CALL_LINKAT || s->call == CALL_MOVE_MOUNT;
	type = s->call == CALL_RENAME || s->call == CALL_RENAMEAT ? TYPE_FILE_RENAME
	       : s->call == CALL_MOVE_MOUNT			  ? TYPE_FILE_MOUNT
								  : TYPE_FILE_LINK;
	if (!wanted(type))
		return 0;
	body = begin_file(s, type, NULL, -1);
	body->flags = at ? s->args[4] : 0;
	if (slot_use(s, body, type)) {
		event_submit(s, RING_NORMAL);
		return 0;
	}
	put_named(s, STRING_ARGUMENT, STRING_BASE, at ? s->args[1] : s->args[0],
		  at ? (s32)s->args[0] : AT_FDCWD_VALUE);
	put_named(s, STRING_TARGET_ARGUMENT, STRING_TARGET_BASE, at ? s->args[3] : s->args[1],
		  at ? (s32)s->args[2] : AT_FDCWD_VALUE);
	event_submit(s, RING_NORMAL);
	return 0;
}

/* dup, fcntl(F_DUPFD), pipe: new descriptors. mmap of a file: shared and writable, or code. */
SEC("tp_btf/sys_exit")
int call_made(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	struct file *file;
	s32 fd, ends[2] = {-1, -1};
	u8 type = TYPE_FILE_DUP;

	if (!s)
		return 0;
	fd = s->ret;
	switch (s->call) {
	case CALL_FCNTL:
		if (s->args[1] != 0 && s->args[1] != 1030) /* F_DUPFD, F_DUPFD_CLOEXEC */
			return 0;
		break;
	case CALL_PIPE:
		type = TYPE_FILE_PIPE;
		bpf_probe_read_user(ends, sizeof(ends), (void *)s->args[0]);
		fd = ends[0];
		break;
	case CALL_MMAP:
		type = TYPE_FILE_MMAP;
		fd = s->args[4];
		if (fd < 0 || s->args[3] & 0x20) /* MAP_ANONYMOUS */
			return 0;
		if (!(s->args[2] & 4) && (s->args[2] & 2 ? s->args[3] & 1 : 0) == 0)
			return 0;
		break;
	}
	if (!wanted(type))
		return 0;
	file = s->ret >= 0 || s->call == CALL_MMAP ? file_of(fd) : NULL;
	body = begin_file(s, type, file, fd);
	body->flags = s->call == CALL_MMAP ? s->args[2] : s->args[0];
	if (s->call == CALL_PIPE)
		body->flags = ends[1];
	if (file)
		put_file_path(s, STRING_PATH, file);
	event_submit(s, RING_BULK);
	return 0;
}

/* What close(2) lets go of has no name afterwards: the one call seen on its way in. Attached
 * only while somebody wants it. */
SEC("tp_btf/sys_enter")
int enter_close(u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct event_filter *filter = filter_get();
	bool compat = is_compat();
	struct scratch *s;
	struct file *file;

	if (!active(filter) || ctx[1] != (compat ? CLOSE_COMPAT : CLOSE_NATIVE) || is_own(filter) ||
	    !wanted(TYPE_FILE_CLOSE))
		return 0;
	s = scratch_get();
	if (!s)
		return 0;
	call_args(regs, compat, s->args);
	s->call = CALL_NONE;
	s->compat = compat;
	s->ret = 0;
	file = file_of(s->args[0]);
	if (!file)
		return 0;
	begin_file(s, TYPE_FILE_CLOSE, file, s->args[0]);
	((struct event_header *)s->data)->flags |= EVENT_UNKNOWN;
	put_file_path(s, STRING_PATH, file);
	event_submit(s, RING_BULK);
	return 0;
}
