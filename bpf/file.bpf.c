// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Files that are open or opened: what a call did is read from the open file. */
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
