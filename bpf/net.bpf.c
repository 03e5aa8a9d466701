// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Sockets: addresses come from the kernel's socket; of a failed call from the caller. */
#include "net.h"

/* The address the caller gave. */
static __always_inline void put_given(struct scratch *s, struct event_net *body, u64 pointer,
				      u32 len, bool source)
{
	u8 raw[32] = {};
	u16 port;

	body->source = SOURCE_ARGUMENT;
	if (len < 2 || bpf_probe_read_user(raw, len < 28 ? bounded(len, 31) : 28, (void *)pointer))
		return;
	body->family = *(u16 *)raw;
	port = __builtin_bswap16(*(u16 *)(raw + 2));
	if (body->family == FAMILY_UNIX) {
		u32 at = string_begin(s);
		u32 from = s->used;

		if (!at || from > EVENT_BYTES)
			return;
		len -= 2;
		if (len > 0 && len <= 108 &&
		    !bpf_probe_read_user(s->data + from, bounded(len, 127), (void *)pointer + 2))
			s->used = from + len;
		string_end(s, at, STRING_SOCKET, 0, 0);
		return;
	}
	if (source)
		body->src_port = port;
	else
		body->dst_port = port;
	if (body->family == FAMILY_INET)
		__builtin_memcpy(source ? body->src : body->dst, raw + 4, 4);
	else if (body->family == FAMILY_INET6)
		__builtin_memcpy(source ? body->src : body->dst, raw + 8, 16);
}

/* connect and bind. */
SEC("tp_btf/sys_exit")
int call_address(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_net *body;
	struct sock *sk = NULL;
	struct file *file;
	bool bind;

	if (!s)
		return 0;
	bind = s->call == CALL_BIND;
	if (!wanted(bind ? TYPE_NET_BIND : TYPE_NET_CONNECT))
		return 0;
	body =
	    event_begin_call(s, bind ? TYPE_NET_BIND : TYPE_NET_CONNECT, LAYOUT_NET, sizeof(*body));
	body->ret = s->ret;
	body->fd = s->args[0];
	file = file_of(body->fd);
	if (file)
		sk = sock_of(body, file);
	/* EINPROGRESS: the address has been taken. */
	if (sk && (s->ret >= 0 || s->ret == -115)) {
		put_socket(s, body, AS(struct sock, sk), !bind);
	} else {
		if (sk) {
			sk = AS(struct sock, sk);
			body->protocol = GET(sk, sk_protocol);
			body->netns =
			    GET(AS(struct net, GET(sk, __sk_common.skc_net.net)), ns.inum);
		}
		put_given(s, body, s->args[1], s->args[2], bind);
	}
	event_submit(s, RING_NORMAL);
	return 0;
}

#define TYPE_RAW 3
#define FAMILY_PACKET 17

/* socket, listen, accept: all from the kernel's socket. */
SEC("tp_btf/sys_exit")
int call_socket(u64 *ctx)
{
	struct scratch *s = scratch_get();
	struct event_net *body;
	struct sock *sk = NULL;
	struct file *file;
	u8 type = TYPE_NET_SOCKET;

	if (!s)
		return 0;
	if (s->call == CALL_LISTEN)
		type = TYPE_NET_LISTEN;
	else if (s->call == CALL_ACCEPT)
		type = TYPE_NET_ACCEPT;
	else if ((s->args[1] & 0xf) == TYPE_RAW || s->args[0] == FAMILY_PACKET)
		type = TYPE_NET_RAW_SOCKET;
	if (!wanted(type) || (type == TYPE_NET_ACCEPT && s->ret == -11))
		return 0;
	body = event_begin_call(s, type, LAYOUT_NET, sizeof(*body));
	body->ret = s->ret;
	body->fd = s->call == CALL_LISTEN || s->ret < 0 ? s->args[0] : s->ret;
	if (s->call == CALL_LISTEN)
		body->backlog = s->args[1];
	if (s->call == CALL_SOCKET) {
		body->family = s->args[0];
		body->type = s->args[1] & 0xf;
		body->protocol = s->args[2];
		body->fd = s->ret;
	}
	file = s->call == CALL_SOCKET && s->ret < 0 ? NULL : file_of(body->fd);
	if (file)
		sk = sock_of(body, file);
	if (sk) {
		put_socket(s, body, AS(struct sock, sk), false);
		if (s->call == CALL_SOCKET)
			body->src_port = 0;
	}
	event_submit(s, type == TYPE_NET_SOCKET ? RING_BULK : RING_NORMAL);
	return 0;
}
