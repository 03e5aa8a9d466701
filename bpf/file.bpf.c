// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Files: what a call did is read from the open file where there is one. */
#include "walk.h"

/* An event about an open file. */
static __always_inline struct event_file *begin_file(struct scratch *s, u8 type, struct file *file,
						      s32 fd)
{
	struct event_file *body = event_begin_call(s, type, LAYOUT_FILE, sizeof(*body));

	body->ret = s->ret;
	body->fd = fd;
	body->uid = -1;
	body->gid = -1;
	if (file) {
		body->fmode = GET(file, f_mode);
		put_inode(body, GET(file, f_inode));
	}
	return body;
}

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
	if (s->ret >= 0)
		file = file_of(s->ret);
	if (file ? (GET(file, f_mode) & FMODE_CREATED_BIT) != 0 : (flags & 0300) == 0300)
		type = TYPE_FILE_CREATE; /* done, or, with O_CREAT | O_EXCL, failed */
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

/* A file pointer is used again after a close: forget what was seen of the old file. */
static __always_inline bool first_use(struct file *file, u32 what)
{
	struct seen_key key = {
		.file = (u64)file,
		.pid = bpf_get_current_pid_tgid() >> 32,
		.what = what,
	};
	u64 inode = GET(AS(struct inode, GET(file, f_inode)), i_ino);
	u64 *known = bpf_map_lookup_elem(&seen, &key);

	if (known && *known == inode)
		return false;
	bpf_map_update_elem(&seen, &key, &inode, BPF_ANY);
	return true;
}

static __always_inline void use_file(struct scratch *s, u32 type, s32 fd)
{
	struct file *file;

	if (!wanted(type) || s->ret == -11 || s->ret == -4 || s->ret == -512)
		return; /* EAGAIN, EINTR: tried again */
	file = file_of(fd);
	if (!file || !first_use(file, s->ret < 0 ? type | 256 : type))
		return;
	begin_file(s, type, file, fd);
	put_file_path(s, STRING_PATH, file);
	event_submit(s, RING_BULK);
}

SEC("tp_btf/sys_exit")
int call_write(u64 *ctx)
{
	struct scratch *s = scratch_get();

	if (s)
		use_file(s, TYPE_FILE_WRITE, s->call == CALL_COPY ? s->args[2] : s->args[0]);
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

/* Forgets an open file's first uses; called when a new file is opened. */

/* Calls that name one path: (path, a, b) or (fd, path, a, b). */
SEC("tp_btf/sys_exit")
int call_path(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	s32 fd = AT_FDCWD_VALUE;
	u64 path, a, b;
	u8 type = TYPE_FILE_CREATE;

	if (!s)
		return 0;
	path = s->args[0];
	a = s->args[1];
	b = s->args[2];
	switch (s->call) {
	case CALL_MKDIRAT:
	case CALL_MKNODAT:
	case CALL_UNLINKAT:
	case CALL_FCHMODAT:
	case CALL_FCHOWNAT:
		fd = s->args[0];
		path = s->args[1];
		a = s->args[2];
		b = s->args[3];
		break;
	case CALL_SYMLINK:
		path = s->args[1];
		break;
	case CALL_SYMLINKAT:
		fd = s->args[1];
		path = s->args[2];
		break;
	}
	switch (s->call) {
	case CALL_UNLINK:
	case CALL_UNLINKAT:
	case CALL_RMDIR:
		type = TYPE_FILE_DELETE;
		break;
	case CALL_CHMOD:
	case CALL_FCHMODAT:
		type = TYPE_FILE_CHMOD;
		break;
	case CALL_CHOWN:
	case CALL_LCHOWN:
	case CALL_FCHOWNAT:
		type = TYPE_FILE_CHOWN;
		break;
	case CALL_TRUNCATE:
		type = TYPE_FILE_TRUNCATE;
		break;
	}
	if (!wanted(type))
		return 0;
	body = begin_file(s, type, NULL, -1);
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
	} else {
		body->asked = a;
		body->mode = type == TYPE_FILE_CREATE ? a & MODE_TYPE : 0;
	}
	put_named(s, STRING_ARGUMENT, STRING_BASE, path, fd);
	if (s->call == CALL_SYMLINK || s->call == CALL_SYMLINKAT)
		put_argument(s, STRING_TARGET_ARGUMENT, s->args[0], EVENT_PATH_LEN);
	event_submit(s, RING_NORMAL);
	return 0;
}

/* fchmod, fchown, ftruncate. */
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
	type = s->call == CALL_FCHMOD   ? TYPE_FILE_CHMOD
	       : s->call == CALL_FCHOWN ? TYPE_FILE_CHOWN
					: TYPE_FILE_TRUNCATE;
	if (!wanted(type))
		return 0;
	fd = s->args[0];
	file = file_of(fd);
	body = begin_file(s, type, file, fd);
	if (type == TYPE_FILE_CHMOD)
		body->asked = s->args[1];
	else if (type == TYPE_FILE_CHOWN) {
		body->uid = s->args[1];
		body->gid = s->args[2];
	} else
		body->size = s->args[1];
	if (file)
		put_file_path(s, STRING_PATH, file);
	event_submit(s, RING_NORMAL);
	return 0;
}

/* rename and link, in all their forms. */
SEC("tp_btf/sys_exit")
int call_two_paths(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	bool at;
	u8 type;

	if (!s)
		return 0;
	at = s->call == CALL_RENAMEAT || s->call == CALL_LINKAT;
	type = s->call == CALL_RENAME || s->call == CALL_RENAMEAT ? TYPE_FILE_RENAME
								  : TYPE_FILE_LINK;
	if (!wanted(type))
		return 0;
	body = begin_file(s, type, NULL, -1);
	body->flags = at ? s->args[4] : 0;
	put_named(s, STRING_ARGUMENT, STRING_BASE, at ? s->args[1] : s->args[0],
		  at ? (s32)s->args[0] : AT_FDCWD_VALUE);
	put_named(s, STRING_TARGET_ARGUMENT, STRING_TARGET_BASE, at ? s->args[3] : s->args[1],
		  at ? (s32)s->args[2] : AT_FDCWD_VALUE);
	event_submit(s, RING_NORMAL);
	return 0;
}
