// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Names asked for and answered in packets: port 53, UDP and TCP, plain. Attached to the root
 * control group, and only while somebody wants it. These programs see packets after routing
 * and may run in interrupts: they have a scratch of their own for each direction. */
#include "emit.h"

enum {
	DNS_BYTES = 512, /* of a message */
	DNS_PORT = 53,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
};

struct dns_event {
	struct event_header header;
	struct event_net net;
	struct event_string string;
	u8 message[DNS_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* in, out */
	__type(key, u32);
	__type(value, struct dns_event);
} dns_scratch SEC(".maps");

/* Fills addresses and protocol; returns where the transport header begins, 0: not IP. */
static __always_inline u32 read_ip(struct __sk_buff *skb, struct event_net *net)
{
	u8 first = 0, protocol = 0;

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return 0;
	if (first >> 4 == 4) {
		if (bpf_skb_load_bytes(skb, 9, &protocol, 1) ||
		    bpf_skb_load_bytes(skb, 12, net->src, 4) ||
		    bpf_skb_load_bytes(skb, 16, net->dst, 4))
			return 0;
		net->family = FAMILY_INET;
		net->protocol = protocol;
		return (first & 15) * 4;
	}
	if (bpf_skb_load_bytes(skb, 6, &protocol, 1) || bpf_skb_load_bytes(skb, 8, net->src, 16) ||
	    bpf_skb_load_bytes(skb, 24, net->dst, 16))
		return 0;
	net->family = FAMILY_INET6;
	net->protocol = protocol;
	return 40;
}

/* Where the DNS message begins; 0: none. */
static __always_inline u32 read_transport(struct __sk_buff *skb, struct event_net *net, u32 at)
{
	u16 ports[2] = {};
	u8 words = 0;

	if ((net->protocol != PROTOCOL_UDP && net->protocol != PROTOCOL_TCP) ||
	    bpf_skb_load_bytes(skb, at, ports, sizeof(ports)))
		return 0;
	net->src_port = __builtin_bswap16(ports[0]);
	net->dst_port = __builtin_bswap16(ports[1]);
	if (net->src_port != DNS_PORT && net->dst_port != DNS_PORT)
		return 0;
	if (net->protocol == PROTOCOL_UDP)
		return at + 8;
	if (bpf_skb_load_bytes(skb, at + 12, &words, 1))
		return 0;
	return at + (words >> 4) * 4 + 2; /* a message has its length before it */
}

/* Who sends: the current task, which holds for what is sent by a system call. */
static __always_inline void put_sender(struct event_header *header)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task(), *leader = NULL;
	struct cred *cred = NULL;

	bpf_core_read(&header->pid, sizeof(u32), &task->tgid);
	bpf_core_read(&header->tid, sizeof(u32), &task->pid);
	bpf_core_read(&leader, sizeof(leader), &task->group_leader);
	bpf_core_read(&header->start_ns, sizeof(u64), &leader->start_boottime);
	bpf_core_read(&cred, sizeof(cred), &task->cred);
	bpf_core_read(&header->uid, sizeof(u32), &cred->uid);
	bpf_core_read(&header->euid, sizeof(u32), &cred->euid);
}

static __always_inline void see_packet(struct __sk_buff *skb, u32 out)
{
	struct dns_event *event;
	u32 at, len;

	if (!active(filter_get()) || !wanted(TYPE_NET_DNS))
		return;
	event = bpf_map_lookup_elem(&dns_scratch, &out);
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(event->header) + sizeof(event->net));
	at = read_ip(skb, &event->net);
	if (!at)
		return;
	at = read_transport(skb, &event->net, at);
	if (!at || skb->len < at + 12)
		return;
	len = skb->len - at;
	if (len > DNS_BYTES)
		len = DNS_BYTES;
	len = bounded(len - 1, DNS_BYTES - 1) + 1; /* never 0, and the verifier sees it */
	if (bpf_skb_load_bytes(skb, at, event->message, len))
		return;
	if (out)
		put_sender(&event->header);
	event->header.cpu = bpf_get_smp_processor_id();
	event->header.type = TYPE_NET_DNS;
	event->header.layout = LAYOUT_NET;
	event->header.flags = EVENT_UNKNOWN;
	event->net.source = 1; /* PATH_OBJECT: the packet itself */
	event->net.fd = -1;
	event->string.kind = STRING_VALUE;
	event->string.flags = 0;
	event->string.len = len;
	event->string.whole = skb->len - at;
	submit_bytes(event, offsetof(struct dns_event, message) + len, sizeof(*event), TYPE_NET_DNS,
		     RING_PACKET);
}

SEC("cgroup_skb/egress")
int dns_out(struct __sk_buff *skb)
{
	see_packet(skb, 1);
	return 1;
}

SEC("cgroup_skb/ingress")
int dns_in(struct __sk_buff *skb)
{
	see_packet(skb, 0);
	return 1;
}
