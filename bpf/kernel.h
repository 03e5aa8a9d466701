/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reading the kernel's own structures. */
#ifndef CAIRN_BPF_KERNEL_H_
#define CAIRN_BPF_KERNEL_H_

#include <linux/bpf.h>
/* After linux/bpf.h. */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel_types.h"

extern const volatile __u32 generation;	     /* of these programs: maps.h, active() */
extern const volatile bool has_hooks;	     /* the lsm backend: objects.bpf.c is attached */
extern const volatile __u32 lane_chunk_bits; /* of a chunk's bytes; maps.h, lanes */
extern const volatile __u32 lane_chunks;     /* of one lane */
extern const volatile bool complete_has_cqe; /* io_uring_complete's third argument, from 6.12 */

/*
 * From 6.2 on bpf_rdonly_cast() makes any pointer readable with plain loads, which the kernel turns
 * into loads that yield 0 on a fault. Before that each read is a helper call: HELPER_READS, an
 * object of its own, because libbpf looks for a function that the kernel does not have in all
 * modules, which takes CAP_SYS_ADMIN.
 */
#ifdef HELPER_READS
#define AS(type, pointer) ((type *)(void *)(pointer))
#define GET(pointer, field)                                                                        \
	({                                                                                         \
		__typeof__(pointer) from_ = (pointer);                                             \
		__typeof__(from_->field) value_;                                                   \
		bpf_core_read(&value_, sizeof(value_), &from_->field);                             \
		value_;                                                                            \
	})
#else
extern void *bpf_rdonly_cast(void *pointer, u32 type_id) __ksym;
#define AS(type, pointer)                                                                          \
	((type *)bpf_rdonly_cast((void *)(pointer), bpf_core_type_id_kernel(type)))
#define GET(pointer, field) ((pointer)->field)
#endif

/* `value` & `mask`, which the compiler cannot move away from where the verifier must see it. */
static __always_inline u64 bounded(u64 value, u32 mask)
{
	asm volatile("%0 &= %1" : "+r"(value) : "i"(mask));
	return value;
}

/* Cuts the u64 `value` where it is used: a bound found earlier is lost to the verifier of 6.1 when
 * the compiler puts the value aside on the stack. */
#define at_most(value, limit)                                                                      \
	asm volatile("if %0 <= %1 goto +1\n%0 = %1" : "+r"(value) : "i"(limit))

#define KERNEL_THREAD 0x00200000 /* PF_KTHREAD, of task_struct.flags */

static __always_inline struct task_struct *current_task(void)
{
	return AS(struct task_struct, bpf_get_current_task());
}

#define MAGIC_ANONYMOUS 0x09041934 /* linux/magic.h */
#define MAGIC_PIDFS 0x50494446
#define MAGIC_PROC 0x9fa0
#define MODE_TYPE 0170000
#define MODE_SOCKET 0140000
#define FMODE_CREATED_BIT 0x100000 /* since 4.19 */
#define AT_FDCWD_VALUE (-100)
#define FAMILY_UNIX 1
#define FAMILY_INET 2
#define FAMILY_INET6 10

#endif /* CAIRN_BPF_KERNEL_H_ */
