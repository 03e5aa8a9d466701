// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Acts done through io_uring: the same events as by system call. What names a path is noted
 * when it is submitted (the name is the kernel's own copy by then) and recorded when it ends. */
#include "call.h"
#include "file.h"
#include "net.h"

enum { /* enum io_uring_op, for ever */
       OP_READV = 1,
       OP_WRITEV = 2,
       OP_READ_FIXED = 4,
       OP_WRITE_FIXED = 5,
       OP_SENDMSG = 9,
       OP_CONNECT = 16,
       OP_OPENAT = 18,
       OP_READ = 22,
       OP_WRITE = 23,
       OP_SEND = 26,
       OP_OPENAT2 = 28,
       OP_RENAMEAT = 35,
       OP_UNLINKAT = 36,
       OP_MKDIRAT = 37,
       OP_SYMLINKAT = 38,
       OP_LINKAT = 39,
};

static __always_inline void note_name(char *to, struct filename *name)
{
	name = AS(struct filename, name);
	bpf_probe_read_kernel_str(to, EVENT_NAME_LEN, GET(name, name));
}

static __always_inline int uring_submit(struct io_kiocb *req)
{
	struct event_filter *filter = filter_get();
	u64 key = (u64)req;
	struct request *note;
	u32 zero = 0;
	u8 op;

	req = AS(struct io_kiocb, req);
	op = GET(req, opcode);
	note = bpf_map_lookup_elem(&request_scratch, &zero);
	if (!note || !active(filter) || is_own(filter))
		return 0;
	note->target[0] = 0;
	if (op == OP_OPENAT || op == OP_OPENAT2) {
		struct io_open *open = AS(struct io_open, key);

		note->fd = GET(open, dfd);
		note->flags = GET(open, how.flags);
		note->mode = GET(open, how.mode);
		note_name(note->path, GET(open, filename));
	} else if (op == OP_UNLINKAT) {
		struct io_unlink *unlink = AS(struct io_unlink, key);

		note->fd = GET(unlink, dfd);
		note->flags = GET(unlink, flags);
		note_name(note->path, GET(unlink, filename));
	} else if (op == OP_MKDIRAT) {
		struct io_mkdir *mkdir = AS(struct io_mkdir, key);

		note->fd = GET(mkdir, dfd);
		note->mode = GET(mkdir, mode);
		note_name(note->path, GET(mkdir, filename));
	} else if (op == OP_RENAMEAT) {
		struct io_rename *rename = AS(struct io_rename, key);

		note->fd = GET(rename, old_dfd);
		note->target_fd = GET(rename, new_dfd);
		note->flags = GET(rename, flags);
		note_name(note->path, GET(rename, oldpath));
		note_name(note->target, GET(rename, newpath));
	} else if (op == OP_LINKAT || op == OP_SYMLINKAT) {
		struct io_link *link = AS(struct io_link, key);

		note->fd = GET(link, old_dfd);
		note->target_fd = GET(link, new_dfd);
		note->flags = GET(link, flags);
		note_name(note->path, GET(link, oldpath));
		note_name(note->target, GET(link, newpath));
	} else {
		return 0;
	}
	bpf_map_update_elem(&requests, &key, note, BPF_ANY);
	return 0;
}

/* The name of 5.10 to 6.3, and that since. */
SEC("tp_btf/io_uring_submit_sqe")
int uring_submit_sqe(u64 *ctx)
{
	return uring_submit((struct io_kiocb *)ctx[0]);
}

SEC("tp_btf/io_uring_submit_req")
int uring_submit_req(u64 *ctx)
{
	return uring_submit((struct io_kiocb *)ctx[0]);
}

static __always_inline void put_base(struct scratch *s, u8 kind, const char *path, s32 fd)
{
	if (path[0] == '/')
		return;
	if (fd == AT_FDCWD_VALUE) {
		struct fs_struct *fs = AS(struct fs_struct, GET(current_task(), fs));

		put_path(s, kind, GET(fs, pwd.dentry), GET(fs, pwd.mnt));
	} else {
		struct file *base = file_of(fd);

		if (base)
			put_file_path(s, kind, base);
	}
}

static __always_inline void uring_path(struct scratch *s, u8 op, struct request *note)
{
	struct event_file *body;
	struct file *file = NULL;
	u8 type = op == OP_UNLINKAT   ? TYPE_FILE_DELETE
		  : op == OP_RENAMEAT ? TYPE_FILE_RENAME
		  : op == OP_LINKAT   ? TYPE_FILE_LINK
				      : TYPE_FILE_CREATE;

	if (op == OP_OPENAT || op == OP_OPENAT2) {
		s->call = CALL_OPENAT;
		type = (note->flags & 0300) == 0300 ? TYPE_FILE_CREATE : TYPE_FILE_OPEN;
		if (s->ret >= 0)
			file = file_of(s->ret);
		if (file)
			type = GET(file, f_mode) & FMODE_CREATED_BIT ? TYPE_FILE_CREATE
								     : TYPE_FILE_OPEN;
	}
	if (!wanted(type))
		return;
	body = begin_file(s, type, file, file ? s->ret : -1);
	((struct event_header *)s->data)->flags |= EVENT_URING;
	body->flags = note->flags;
	body->asked = note->mode;
	if (op == OP_MKDIRAT)
		body->mode = 0040000;
	if (op == OP_SYMLINKAT) { /* the link is the new name; what it says is no path yet */
		body->mode = 0120000;
		put_kernel_string(s, STRING_ARGUMENT, note->target, EVENT_NAME_LEN);
		put_base(s, STRING_BASE, note->target, note->target_fd);
		put_kernel_string(s, STRING_TARGET_ARGUMENT, note->path, EVENT_NAME_LEN);
	} else if (file) {
		put_file_path(s, STRING_PATH, file);
	} else {
		put_kernel_string(s, STRING_ARGUMENT, note->path, EVENT_NAME_LEN);
		put_base(s, STRING_BASE, note->path, note->fd);
		if (op == OP_RENAMEAT || op == OP_LINKAT) {
			put_kernel_string(s, STRING_TARGET_ARGUMENT, note->target, EVENT_NAME_LEN);
			put_base(s, STRING_TARGET_BASE, note->target, note->target_fd);
		}
	}
	event_submit(s, RING_NORMAL);
}

SEC("tp_btf/io_uring_complete")
int uring_complete(u64 *ctx)
{
	u64 key = ctx[1];
	struct io_kiocb *req = AS(struct io_kiocb, key);
	struct event_filter *filter = filter_get();
	struct request *note;
	struct scratch *s;
	u8 op;

	if (!key || !active(filter) || is_own(filter))
		return 0;
	s = scratch_get();
	if (!s)
		return 0;
	op = GET(req, opcode);
	s->call = CALL_NONE;
	s->compat = 0;
	if (complete_has_cqe)
		s->ret = GET(AS(struct io_uring_cqe, ctx[2]), res);
	else
		s->ret = (s32)ctx[3];
	note = bpf_map_lookup_elem(&requests, &key);
	if (note) {
		uring_path(s, op, note);
		bpf_map_delete_elem(&requests, &key);
		return 0;
	}
	if (op == OP_CONNECT) {
		s->args[0] = GET(req, cqe.fd);
		bpf_tail_call(ctx, &uring_handlers, 0);
	}
	if (op == OP_READ || op == OP_READV || op == OP_READ_FIXED)
		use_open_file(s, TYPE_FILE_READ, AS(struct file, GET(req, file)), -1, EVENT_URING);
	else if (op == OP_WRITE || op == OP_WRITEV || op == OP_WRITE_FIXED || op == OP_SEND ||
		 op == OP_SENDMSG)
		use_open_file(s, TYPE_FILE_WRITE, AS(struct file, GET(req, file)), -1, EVENT_URING);
	return 0;
}

/* connect: the address is the socket's, whether it succeeded or not. */
SEC("tp_btf/io_uring_complete")
int uring_connect(u64 *ctx)
{
	struct io_kiocb *req = AS(struct io_kiocb, ctx[1]);
	struct scratch *s = scratch_get();
	struct event_net *body;
	struct sock *sk;

	if (!s || !wanted(TYPE_NET_CONNECT))
		return 0;
	body = event_begin_call(s, TYPE_NET_CONNECT, LAYOUT_NET, sizeof(*body));
	((struct event_header *)s->data)->flags |= EVENT_URING;
	body->ret = s->ret;
	body->fd = -1;
	sk = sock_of(body, AS(struct file, GET(req, file)));
	if (sk)
		put_socket(s, body, AS(struct sock, sk), true);
	event_submit(s, RING_NORMAL);
	return 0;
}
