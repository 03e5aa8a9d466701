// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Calls that change a file by its name, and the same by descriptor. */
#include "call.h"
#include "slot.h"

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
