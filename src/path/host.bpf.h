/* SPDX-License-Identifier: GPL-2.0-only */
/* host.bpf.h: stages in this host's own stack and in Open vSwitch's datapath. */
#ifndef NETSONDE_PATH_HOST_BPF_H
#define NETSONDE_PATH_HOST_BPF_H

#include "kernel/skb.h"
#include "path/step.bpf.h"

STAGE(stage_ovs, STAGE_ovs)
STAGE(stage_actions, STAGE_actions)
STAGE(stage_conntrack, STAGE_conntrack)
STAGE(stage_forward, STAGE_forward)
STAGE(stage_ip, STAGE_ip)
STAGE(stage_l4, STAGE_l4)
STAGE(stage_socket, STAGE_socket)
STAGE(stage_read, STAGE_read)

/* stages that are a function called with the skb at a fixed place among its arguments */
#define STAGE_BODY(body, function, argument)                                                       \
	static __always_inline int body(void *ctx, const __u64 *args, enum sonde_access access)    \
	{                                                                                          \
		return function(ctx, access, (struct sk_buff *)args[argument]);                    \
	}

STAGE_BODY(at_ovs, stage_ovs, 1)
STAGE_BODY(at_actions, stage_actions, 1)
STAGE_BODY(at_conntrack, stage_conntrack, 1)
STAGE_BODY(at_forward, stage_forward, 0)
STAGE_BODY(at_socket, stage_socket, 1)
STAGE_BODY(at_read, stage_read, 1)
STAGE_BODY(at_copied, stage_read, 0)

/* of all hosts that share this kernel, the one in the namespace that netsonde runs in or --netns names */
static __always_inline bool path_at_home(enum sonde_access access, struct net *net)
{
	return SONDE_READ(access, net, ns.inum) == path_netns;
}

/* the skb that is about to be sent is known: it has a tunnel's header in front of it now */
static __always_inline bool out_is_outer(const struct path_flight *flight, struct sk_buff *skb)
{
	__u32 from = flight->stage;

	return flight->skb == (__u64)skb && from < STAGE_MAX && path_edges[STAGE_encap][from];
}

static __always_inline int out_encap(void *ctx, enum sonde_access access, struct sk_buff *skb)
{
	return access == SONDE_DIRECT ? stage_direct(ctx, skb, STAGE_encap) : stage_probe(ctx, skb, STAGE_encap);
}

static __always_inline int out_do(void *ctx, enum sonde_access access, struct sk_buff *skb, struct net *net)
{
	__u64 key = flight_key(access, skb);
	struct path_slot slot = {};
	__u32 set;

	if (path_active) {
		set = flight_set(key);
		slot.bucket = bpf_map_lookup_elem(&buckets, &set);
		if (slot.bucket && key && flight_way(&slot, set, key)) {
			if (out_is_outer(slot.flight, skb))
				return out_encap(ctx, access, skb);
			/* a clone, such as the original of a packet that TCP sends again */
			flight_end(&slot, FATE_replaced);
		}
	}
	if (!path_out_wanted(access, skb, key) || !path_at_home(access, net) ||
	    (path_reply_begins && !path_echo(access, skb, true)))
		return 0;
	/* not before: most packets are refused */
	set = flight_set(key);
	slot.bucket = bpf_map_lookup_elem(&buckets, &set);
	if (!slot.bucket || !key)
		return 0;
	/* a way has to be found, or made free */
	if (slot.bucket->key[0])
		return access == SONDE_DIRECT ? begin_direct(skb, STAGE_out) : begin_probe(skb, STAGE_out);
	slot.key = &slot.bucket->key[0];
	slot.flight = &slot.bucket->flight[0];
	slot.index = set * PATH_WAYS;
	slot.flight->first = ~0ULL; /* see flight_claim() */
	*slot.key = key;
	flight_begin(access, skb, &slot, STAGE_out);
	return 0;
}

static __noinline int out_probe(void *ctx, struct sk_buff *skb, struct net *net)
{
	return out_do(ctx, SONDE_PROBE, skb, net);
}

/* what is in flight and gets a tunnel's header; false: any other packet */
static __always_inline bool out_outer(void *ctx, enum sonde_access access, struct sk_buff *skb)
{
	struct path_slot slot;

	if (!path_active || !flight_find(&slot, flight_key(access, skb)) || !out_is_outer(slot.flight, skb))
		return false;
	out_encap(ctx, access, skb);
	return true;
}

/* __ip_local_out(net, sk, skb) */
static __always_inline int at_out4(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[2];
	struct net *net = (struct net *)args[0];

	/* an answer of this host goes on with the flight of what it answers */
	if (path_reply_begins & 1U << STAGE_out)
		return path_active && path_at_home(access, net) ? path_stage_first(ctx, access, skb, STAGE_out) : 0;
	/* a guest's packets begin elsewhere */
	if (!(path_begins & 1U << STAGE_out)) {
		out_outer(ctx, access, skb);
		return 0;
	}
	if (!path_open)
		return 0;
	return access == SONDE_DIRECT ? out_do(ctx, access, skb, net) : out_probe(ctx, skb, net);
}

/* __ip6_local_out(net, sk, skb), ip6_output(net, sk, skb): TCP over IPv6 calls only the second one */
static __always_inline int at_out(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[2];

	if (out_outer(ctx, access, skb) || !((path_begins | path_reply_begins) & 1U << STAGE_out))
		return 0;
	if (!path_at_home(access, (struct net *)args[0]))
		return 0;
	return path_stage_first(ctx, access, skb, STAGE_out);
}

HOOK_FUNCTION(out4, __ip_local_out, at_out4)
HOOK_FUNCTION(out6, __ip6_local_out, at_out)

/* also what is forwarded comes here: that was received */
static __always_inline int at_out_late(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[2];
	struct path_slot slot;

	if (SONDE_READ(access, skb, skb_iif) || !path_at_home(access, (struct net *)args[0]))
		return 0;
	if (path_active && flight_find(&slot, flight_key(access, skb)) && slot.flight->skb == (__u64)skb &&
	    (slot.flight->stage == STAGE_out || slot.flight->stage == STAGE_encap))
		return 0;
	return path_stage_first(ctx, access, skb, STAGE_out);
}

HOOK_FUNCTION(out6_late, ip6_output, at_out_late)

HOOK_FUNCTION(ovs, ovs_vport_receive, at_ovs)
HOOK_FUNCTION(actions, ovs_execute_actions, at_actions)
HOOK_FUNCTION(conntrack, ovs_ct_execute, at_conntrack)
HOOK_FUNCTION(forward4, ip_forward, at_forward)
HOOK_FUNCTION(forward6, ip6_forward, at_forward)

/* a veth's other end may be in a namespace of its own: what happens there is not this host's */
static __always_inline bool stage_at_home(enum sonde_access access, __u64 net)
{
	return path_active && path_at_home(access, (struct net *)net);
}

/* ip_rcv_core(skb, net) */
static __always_inline int at_ip4(void *ctx, const __u64 *args, enum sonde_access access)
{
	return stage_at_home(access, args[1]) ? stage_ip(ctx, access, (struct sk_buff *)args[0]) : 0;
}

/* ip6_rcv_core(skb, dev, net) */
static __always_inline int at_ip6(void *ctx, const __u64 *args, enum sonde_access access)
{
	return stage_at_home(access, args[2]) ? stage_ip(ctx, access, (struct sk_buff *)args[0]) : 0;
}

/* ip_protocol_deliver_rcu(net, skb, protocol), ip6_protocol_deliver_rcu(net, skb, nexthdr, have_final) */
static __always_inline int at_l4(void *ctx, const __u64 *args, enum sonde_access access)
{
	return stage_at_home(access, args[0]) ? stage_l4(ctx, access, (struct sk_buff *)args[1]) : 0;
}

HOOK_FUNCTION(ip4, ip_rcv_core, at_ip4)
HOOK_FUNCTION(ip6, ip6_rcv_core, at_ip6)
HOOK_FUNCTION(l4_4, ip_protocol_deliver_rcu, at_l4)
HOOK_FUNCTION(l4_6, ip6_protocol_deliver_rcu, at_l4)
HOOK_FUNCTION(socket_udp, __udp_enqueue_schedule_skb, at_socket)
HOOK_FUNCTION(socket_tcp, tcp_queue_rcv, at_socket)
HOOK_FUNCTION(read_udp, skb_consume_udp, at_read)
HOOK_TRACEPOINT(read_copy, skb_copy_datagram_iovec, at_copied)

#endif
