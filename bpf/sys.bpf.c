// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The kernel itself: modules, bpf(2). */
#include "walk.h"

SEC("tp_btf/sys_exit")
int call_module(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_file *body;
	struct file *file;
	u8 type;

	if (!s)
		return 0;
	type = s->call == CALL_DELETE_MODULE ? TYPE_KERNEL_MODULE_UNLOAD : TYPE_KERNEL_MODULE_LOAD;
	if (!wanted(type))
		return 0;
	body = event_begin_call(s, type, LAYOUT_FILE, sizeof(*body));
	body->ret = s->ret;
	body->fd = -1;
	if (s->call == CALL_FINIT_MODULE) {
		body->fd = s->args[0];
		body->flags = s->args[2];
		file = file_of(body->fd);
		if (file) {
			put_inode(body, GET(file, f_inode));
			put_file_path(s, STRING_PATH, file);
		}
	} else if (s->call == CALL_DELETE_MODULE) {
		put_argument(s, STRING_NAME, s->args[0], 64);
	}
	event_submit(s, s->ret < 0 ? RING_NORMAL : RING_CRITICAL);
	return 0;
}

enum {
	COMMAND_LOOKUP = 1,
	COMMAND_NEXT_KEY = 4,
	COMMAND_PROG_LOAD = 5,
	COMMAND_FIRST_ID = 11, /* *_GET_NEXT_ID, *_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD */
	COMMAND_LAST_ID = 16,
};

SEC("tp_btf/sys_exit")
int call_bpf(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_args *body;
	u32 command, program_type = 0;

	if (!s || !wanted(TYPE_KERNEL_BPF))
		return 0;
	command = s->args[0];
	if (command == COMMAND_LOOKUP || command == COMMAND_NEXT_KEY ||
	    (command >= COMMAND_FIRST_ID && command < COMMAND_LAST_ID))
		return 0; /* reads */
	body = event_begin_call(s, TYPE_KERNEL_BPF, LAYOUT_CALL, sizeof(*body));
	body->ret = s->ret;
	body->args[0] = command;
	if (command == COMMAND_PROG_LOAD) {
		bpf_probe_read_user(&program_type, sizeof(program_type), (void *)s->args[1]);
		body->args[1] = program_type;
		/* union bpf_attr: prog_name is 48 bytes in */
		put_argument(s, STRING_NAME, s->args[1] + 48, 16);
	}
	/* Element writes come by the million from tools that live on them. */
	event_submit(s, s->ret < 0 || command == 2 || command == 3 ? RING_BULK : RING_CRITICAL);
	return 0;
}
