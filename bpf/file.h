/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Events about open files, and which uses of one are the first. */
#ifndef CAIRN_BPF_FILE_H_
#define CAIRN_BPF_FILE_H_

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

static __always_inline struct seen_key seen_key_of(struct file *file)
{
	return (struct seen_key){
	    .file = (u64)file,
	    .pid = bpf_get_current_pid_tgid() >> 32,
	};
}

/* The first such use of this open file by this process? */
static __always_inline bool first_use(struct file *file, u32 use)
{
	struct seen_key key = seen_key_of(file);
	struct seen_uses now = {
	    .inode = GET(AS(struct inode, GET(file, f_inode)), i_ino),
	    .uses = use,
	};
	struct seen_uses *known = bpf_map_lookup_elem(&seen, &key);

	if (!known || known->inode != now.inode) {
		bpf_map_update_elem(&seen, &key, &now, BPF_ANY);
		return true;
	}
	if (known->uses & use)
		return false;
	known->uses |= use;
	return true;
}

/* The kernel uses a closed file's memory again: a newly opened one has no uses yet. The entry
 * stays, for those to come: taking it out and putting one in takes longer than all else here. */
static __always_inline void forget_uses(struct file *file)
{
	struct seen_key key = seen_key_of(file);
	struct seen_uses *known = bpf_map_lookup_elem(&seen, &key);

	if (known)
		known->uses = 0;
}

static __always_inline void use_open_file(struct scratch *s, u32 type, struct file *file, s32 fd,
					  u8 flags)
{
	u32 use;

	if (!wanted(type) || s->ret == -11 || s->ret == -4 || s->ret == -512)
		return; /* EAGAIN, EINTR: tried again */
	use = type == TYPE_FILE_READ ? SEEN_READ : SEEN_WRITE;
	if (!file || !first_use(file, s->ret < 0 ? use * SEEN_FAILED : use))
		return;
	begin_file(s, type, file, fd);
	((struct event_header *)s->data)->flags |= flags;
	put_file_path(s, STRING_PATH, file);
	event_submit(s, RING_BULK);
}

static __always_inline void use_file(struct scratch *s, u32 type, s32 fd)
{
	if (wanted(type))
		use_open_file(s, type, file_of(fd), fd, 0);
}

#endif /* CAIRN_BPF_FILE_H_ */
