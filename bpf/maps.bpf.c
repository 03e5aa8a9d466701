// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "maps.h"

const volatile __u32 generation = 0; /* a type that user space has */
const volatile bool complete_has_cqe = false;
const volatile bool has_hooks = false;
const volatile __u32 lane_chunk_bits = 20;
const volatile __u32 lane_chunks = 1;

struct guards_type guards SEC(".maps");
struct verdicts_type verdicts SEC(".maps");
struct buckets_type buckets SEC(".maps");
struct rings_type rings SEC(".maps");
struct lanes_type lanes SEC(".maps");
struct scratches_type scratches SEC(".maps");
struct counters_type counters SEC(".maps");
struct marks_type marks SEC(".maps");
struct filters_type filters SEC(".maps");
struct handlers_type handlers SEC(".maps");
struct slots_type slots SEC(".maps");
struct uring_handlers_type uring_handlers SEC(".maps");
struct seen_type seen SEC(".maps");
struct requests_type requests SEC(".maps");
struct request_scratch_type request_scratch SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
