// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Every system call's exit: drop what nobody wants, hand the rest to its handler. */
#include "call.h"

SEC("tp_btf/sys_exit")
int sys_exit(u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct event_filter *filter = filter_get();
	u64 number = (u32)call_number(regs);
	struct scratch *s;
	bool compat;
	u8 call;

	if (!active(filter) || number >= EVENT_CALLS ||
	    !(filter->calls[number] | filter->calls32[number]))
		return 0;
	compat = is_compat();
	call = compat ? filter->calls32[number] : filter->calls[number];
	if (call == CALL_NONE || (call < CALL_OWN_END && is_own(filter)))
		return 0;
	s = scratch_get();
	if (!s)
		return 0;
	s->call = call;
	s->number = number;
	s->compat = compat;
	s->ret = ctx[1];
	call_args(regs, compat, s->args);
	bpf_tail_call(ctx, &handlers, call);
	return 0;
}
