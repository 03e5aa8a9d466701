/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the kernel's sockets say. */
#ifndef CAIRN_BPF_NET_H_
#define CAIRN_BPF_NET_H_

#include "walk.h"

enum { SOURCE_OBJECT = 1, SOURCE_ARGUMENT = 2 }; /* cairn.PathSource */

static __always_inline struct sock *sock_of(struct event_net *body, struct file *file)
{
	struct inode *inode = AS(struct inode, GET(file, f_inode));
	struct socket *socket;

	if ((GET(inode, i_mode) & MODE_TYPE) != MODE_SOCKET)
		return NULL;
	socket = AS(struct socket, GET(file, private_data));
	body->type = GET(socket, type);
	return GET(socket, sk);
}

static __always_inline void put_addresses(struct event_net *body, struct sock *sk)
{
	body->source = SOURCE_OBJECT;
	body->dst_port = __builtin_bswap16(GET(sk, __sk_common.skc_dport));
	body->src_port = GET(sk, __sk_common.skc_num);
	if (body->family == FAMILY_INET) {
		bpf_core_read(body->src, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(body->dst, 4, &sk->__sk_common.skc_daddr);
	} else if (body->family == FAMILY_INET6) {
		bpf_core_read(body->src, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(body->dst, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

/* sun_path of a bound socket. */
static __always_inline void put_unix(struct scratch *s, struct unix_address *address)
{
	u32 at = string_begin(s);
	u32 from = s->used;
	int len = 0;

	if (!at || from > EVENT_BYTES)
		return;
	bpf_core_read(&len, sizeof(len), &address->len);
	len -= 2; /* sun_family */
	if (len > 0 && len <= 108 &&
	    !bpf_probe_read_kernel(s->data + from, bounded(len, 127),
				   (void *)address +
				       bpf_core_field_offset(struct unix_address, name) + 2))
		s->used = from + len;
	string_end(s, at, STRING_SOCKET, 0, 0);
}

/* All a socket says of itself: of its peer where `peer`, else of its own address. */
static __always_inline void put_socket(struct scratch *s, struct event_net *body, struct sock *sk,
				       bool peer)
{
	struct unix_sock *end = AS(struct unix_sock, sk);

	body->family = GET(sk, __sk_common.skc_family);
	body->protocol = GET(sk, sk_protocol);
	body->netns = GET(AS(struct net, GET(sk, __sk_common.skc_net.net)), ns.inum);
	if (body->family != FAMILY_UNIX) {
		put_addresses(body, sk);
		return;
	}
	body->source = SOURCE_OBJECT;
	if (peer)
		end = AS(struct unix_sock, GET(end, peer));
	if (GET(end, addr))
		put_unix(s, GET(end, addr));
}

#endif /* CAIRN_BPF_NET_H_ */
