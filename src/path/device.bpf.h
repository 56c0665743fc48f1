/* SPDX-License-Identifier: GPL-2.0-only */
/* device.bpf.h: tracepoints that fire for each device: the device tells which stage it is. */
#ifndef NETSONDE_PATH_DEVICE_BPF_H
#define NETSONDE_PATH_DEVICE_BPF_H

#include "path/flow.bpf.h"
#include "path/guest.bpf.h"
#include "path/role.bpf.h"
#include "path/step.bpf.h"

STAGE(stage_dequeue, STAGE_dequeue | PATH_IF_EDGE)

/* --internal-interface: the packet goes by another port than the one that is asked for, which is no way of this run's */
static __noinline int port_is_other(struct sk_buff *skb, __u32 stage)
{
	struct net_device *dev = SONDE_READ(SONDE_PROBE, skb, dev);
	struct path_slot slot;

	if ((__u32)SONDE_READ(SONDE_PROBE, dev, ifindex) == path_port_ifindex)
		return 0;
	if (!flight_find(&slot, flight_key(SONDE_PROBE, skb)))
		return 1;
	/* a tunnel's outer packet may go by the port of another bridge */
	if (slot.flight->seen & 1U << STAGE_encap ||
	    (slot.flight->marks & MARK_tunnel && !(slot.flight->seen & 1U << STAGE_tunnel)))
		return 0;
	if (stage < STAGE_MAX && slot.flight->skb == (__u64)skb && slot.flight->stage < STAGE_MAX &&
	    path_edges[stage][slot.flight->stage])
		flight_end(&slot, FATE_consumed);
	return 1;
}

static __always_inline int queue_do(void *ctx, enum sonde_access access, struct sk_buff *skb)
{
	switch (path_role(access, SONDE_READ(access, skb, dev))) {
	case ROLE_phy:
		return path_stage(ctx, access, skb, STAGE_qdisc);
	case ROLE_vm:
	case ROLE_vm_to:
		return path_stage(ctx, access, skb, STAGE_qdisc | PATH_IF_EDGE);
	case ROLE_none:
		if (path_port && port_is_other(skb, STAGE_port_out))
			return 0;
		return path_stage(ctx, access, skb, STAGE_port_out | PATH_IF_EDGE);
	}
	return 0;
}

static __always_inline int xmit_do(void *ctx, enum sonde_access access, struct sk_buff *skb, struct net_device *dev)
{
	struct path_slot slot;

	switch (path_role(access, dev)) {
	case ROLE_phy:
		return path_stage(ctx, access, skb, STAGE_driver);
	case ROLE_vm:
	case ROLE_vm_to:
		path_stage(ctx, access, skb, STAGE_tap_out);
		/* not within the stage: all functions that call each other there would need too much stack */
		if (cfg_gaps && flight_find(&slot, flight_key(access, skb)) && slot.flight->stage == STAGE_tap_out)
			path_gap(access, skb, CELL_gap_out);
		return 0;
	}
	return 0;
}

/* functions of their own for the reason that STAGE() gives */
static __noinline int queue_direct(void *ctx, struct sk_buff *skb)
{
	return queue_do(ctx, SONDE_DIRECT, skb);
}

static __noinline int xmit_direct(void *ctx, struct sk_buff *skb, struct net_device *dev)
{
	return xmit_do(ctx, SONDE_DIRECT, skb, dev);
}

/* net_dev_queue(skb) */
static __always_inline int at_queue(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[0];

	if (!path_active)
		return 0;
	return access == SONDE_DIRECT ? queue_direct(ctx, skb) : queue_do(ctx, access, skb);
}

/* net_dev_start_xmit(skb, dev) */
static __always_inline int at_xmit(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[0];
	struct net_device *dev = (struct net_device *)args[1];

	if (!path_active)
		return 0;
	return access == SONDE_DIRECT ? xmit_direct(ctx, skb, dev) : xmit_do(ctx, access, skb, dev);
}

#define BULK_MAX 16	/* packets of one dequeue that are looked at; the others have no such stage */

/*
 * A further packet of a bulk. By number, as flight_count(), or it is verified as often as a bulk is long. Nothing
 * is sent from here: no path ends at this stage.
 */
__noinline int dequeue_more(__u64 address)
{
	return stage_do(NULL, SONDE_PROBE, (struct sk_buff *)address, STAGE_dequeue | PATH_IF_EDGE);
}

/* qdisc_dequeue(qdisc, txq, packets, skb): skb is NULL when there was none; the others of a bulk hang on it */
static __always_inline int at_dequeue(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[3];
	__u32 packets = args[2];

	if (!path_active || !skb)
		return 0;
	stage_dequeue(ctx, access, skb);
	for (__u32 i = 1; i < BULK_MAX; i++) {
		if (i >= packets)
			break;
		skb = SONDE_READ(SONDE_PROBE, skb, next);
		if (!skb)
			break;
		dequeue_more(sonde_address_of(skb));
	}
	return 0;
}

/* "openvswitch" is what all internal ports, and no other devices, are of */
#define KIND_INTERNAL 0x697773766e65706fULL	/* openvswi */

static __always_inline bool port_is_internal(enum sonde_access access, struct net_device *dev)
{
	const struct rtnl_link_ops *ops = SONDE_READ(access, dev, rtnl_link_ops);
	__u64 kind = 0;

	if (!ops || role_netns(access, dev) != path_netns)
		return false;
	SONDE_COPY(&kind, sizeof(kind), SONDE_READ(access, ops, kind));
	return kind == KIND_INTERNAL;
}

/* of a device that is not named: the internal port, a tunnel's, or one to which a copy of the packet has gone */
static __always_inline int backlog_do(void *ctx, enum sonde_access access, struct sk_buff *skb)
{
	struct net_device *dev = SONDE_READ(access, skb, dev);

	if (!path_active || !(path_tunnels ? role_netns(access, dev) == path_netns : port_is_internal(access, dev)))
		return 0;
	return path_stage(ctx, access, skb, STAGE_backlog | PATH_IF_EDGE);
}

static __noinline int backlog_direct(void *ctx, struct sk_buff *skb)
{
	return backlog_do(ctx, SONDE_DIRECT, skb);
}

/* netif_receive_skb(skb) */
static __always_inline int at_receive(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[0];

	if (!path_active && !path_open)
		return 0;
	switch (path_role(access, SONDE_READ(access, skb, dev))) {
	case ROLE_phy:
		return path_stage_first(ctx, access, skb, STAGE_receive);
	case ROLE_vm:
	case ROLE_vm_from:
		path_stage_first(ctx, access, skb, STAGE_tap_in);
		if ((access == SONDE_DIRECT ? tap_direct(skb) : tap_probe(skb)) && cfg_gaps)
			path_gap(access, skb, CELL_gap_in);
		return 0;
	}
	return access == SONDE_DIRECT ? backlog_direct(ctx, skb) : backlog_do(ctx, access, skb);
}

static __noinline int port_in_direct(void *ctx, struct sk_buff *skb)
{
	return port_is_internal(SONDE_DIRECT, SONDE_READ(SONDE_DIRECT, skb, dev)) ?
		       path_stage(ctx, SONDE_DIRECT, skb, STAGE_port_in | PATH_IF_EDGE) : 0;
}

/* netif_rx(skb): an internal port receives, or a veth or tunnel, which are none: a copy of the packet goes there */
static __always_inline int at_port_in(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[0];

	/* a path that begins at a port */
	if (path_begins & 1U << STAGE_port_in)
		return path_role(access, SONDE_READ(access, skb, dev)) == ROLE_phy ?
			       path_stage_first(ctx, access, skb, STAGE_port_in) : 0;
	if (!path_active || (path_port && port_is_other(skb, STAGE_port_in)))
		return 0;
	if (access == SONDE_DIRECT)
		return port_in_direct(ctx, skb);
	return port_is_internal(access, SONDE_READ(access, skb, dev)) ?
		       stage_probe(ctx, skb, STAGE_port_in | PATH_IF_EDGE) : 0;
}

/* enqueue_to_backlog(skb, cpu, qtail): the CPU is the one that RPS has chosen */
static __always_inline int at_depth(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_slot slot;
	const struct softnet_data *data;
	struct path_meters *here;
	__u32 cpu = bpf_get_smp_processor_id();

	if (!path_active || !&softnet_data ||
	    !flight_find(&slot, flight_key(access, (struct sk_buff *)args[0])))
		return 0;
	data = bpf_per_cpu_ptr(&softnet_data, (__u32)args[1]);
	here = bpf_map_lookup_elem(&meters, &cpu);
	if (data && here)
		meter_depth(&here->stage[STAGE_port_in], SONDE_READ(SONDE_PROBE, data, input_pkt_queue.qlen));
	return 0;
}

HOOK_FUNCTION(depth, enqueue_to_backlog, at_depth)

/* what this CPU's driver gives to GRO; only one packet at a time, as GRO runs in one softirq */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} gro_packets SEC(".maps");

/* napi_gro_receive_entry(skb), napi_gro_frags_entry(skb) */
static __always_inline int at_nic(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[0];
	__u64 *packet;
	__u32 zero = 0;

	if (path_role(access, SONDE_READ(access, skb, dev)) == ROLE_phy)
		path_stage_first(ctx, access, skb, STAGE_nic);
	else if (!path_tunnels)
		return 0;
	packet = bpf_map_lookup_elem(&gro_packets, &zero);
	if (packet)
		*packet = flight_key(access, skb);
	return 0;
}

/* enum gro_result, since 3.0: the first two say that the packet is a part of another one now */
#define GRO_MERGED_FREE 1

/* napi_gro_receive_exit(ret), napi_gro_frags_exit(ret) */
static __always_inline int at_merged(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_slot slot;
	__u64 *packet;
	__u32 zero = 0;

	packet = bpf_map_lookup_elem(&gro_packets, &zero);
	if (!packet || !*packet)
		return 0;
	if ((__u32)args[0] <= GRO_MERGED_FREE && flight_find(&slot, *packet)) {
		flight_end(&slot, FATE_merged);
	}
	*packet = 0;
	return 0;
}

HOOK_TRACEPOINT(queue, net_dev_queue, at_queue)
HOOK_TRACEPOINT(xmit, net_dev_start_xmit, at_xmit)
HOOK_TRACEPOINT(dequeue, qdisc_dequeue, at_dequeue)
HOOK_TRACEPOINT(receive, netif_receive_skb, at_receive)
HOOK_TRACEPOINT(port_in, netif_rx, at_port_in)
HOOK_TRACEPOINT(nic, napi_gro_receive_entry, at_nic)
HOOK_TRACEPOINT(nic_frags, napi_gro_frags_entry, at_nic)
HOOK_TRACEPOINT(merged, napi_gro_receive_exit, at_merged)
HOOK_TRACEPOINT(merged_frags, napi_gro_frags_exit, at_merged)

#endif
