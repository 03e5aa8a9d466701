/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A system call's number and arguments, by architecture and ABI; and who is not captured. */
#ifndef CAIRN_BPF_CALL_H_
#define CAIRN_BPF_CALL_H_

#include "emit.h"

#if defined(__TARGET_ARCH_x86)
static __always_inline s64 call_number(struct pt_regs *regs)
{
	return regs->orig_ax;
}
static __always_inline bool is_compat(void)
{
	struct task_struct *task = current_task();

	return GET(task, thread_info.status) & 2; /* TS_COMPAT */
}
static __always_inline void call_args(struct pt_regs *regs, bool compat, u64 *args)
{
	if (compat) {
		args[0] = (u32)regs->bx;
		args[1] = (u32)regs->cx;
		args[2] = (u32)regs->dx;
		args[3] = (u32)regs->si;
		args[4] = (u32)regs->di;
		args[5] = (u32)regs->bp;
	} else {
		args[0] = regs->di;
		args[1] = regs->si;
		args[2] = regs->dx;
		args[3] = regs->r10;
		args[4] = regs->r8;
		args[5] = regs->r9;
	}
}
enum { CLOSE_NATIVE = 3, CLOSE_COMPAT = 6 };
#elif defined(__TARGET_ARCH_arm64)
enum { CLOSE_NATIVE = 57, CLOSE_COMPAT = 6 };
static __always_inline s64 call_number(struct pt_regs *regs)
{
	return regs->syscallno;
}
static __always_inline bool is_compat(void)
{
	struct task_struct *task = current_task();

	return GET(task, thread_info.flags) & (1UL << 22); /* TIF_32BIT */
}
static __always_inline void call_args(struct pt_regs *regs, bool compat, u64 *args)
{
	args[0] = regs->orig_x0;
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
}
#endif

static __always_inline bool is_own(struct event_filter *filter)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	bool own = false;
	int i;

#pragma unroll
	for (i = 0; i < EVENT_OWN; i++)
		own |= filter->own[i] == pid;
	return own;
}

#endif /* CAIRN_BPF_CALL_H_ */
