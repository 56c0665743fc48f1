/* SPDX-License-Identifier: GPL-2.0-only */
/* step.bpf.h: a packet in flight is at a stage, or begins there. */
#ifndef NETSONDE_PATH_STEP_BPF_H
#define NETSONDE_PATH_STEP_BPF_H

#include "filter.bpf.h"
#include "path/echo.bpf.h"
#include "path/meter.bpf.h"
#include "path/trace.bpf.h"

/* added to a stage: it counts only where the path has an edge to it; its hook fires for other devices too */
#define PATH_IF_EDGE 0x100

/*
 * The stage has an skb that is not the flight's, in the same memory. A clone is the packet, too, and may go on in its
 * place, but not where each receiver is given one, nor out of a queue; any other skb is another packet, and the end
 * of ours was not seen.
 */
static __always_inline bool path_takes(enum sonde_access access, struct sk_buff *skb, struct path_slot *slot, __u32 stage)
{
	struct path_cpu *here;

	if (!SONDE_READ_BITS(access, skb, cloned)) {
		flight_end(slot, FATE_replaced);
		return false;
	}
	if (stage != STAGE_socket && stage != STAGE_read && stage != STAGE_backlog)
		return true;
	here = path_here();
	if (here)
		__sync_fetch_and_add(&here->counts.copies, 1);
	return false;
}

/* the stage itself, for a packet that is in flight */
static __always_inline void path_step(void *ctx, enum sonde_access access, struct sk_buff *skb,
				      struct path_slot *slot, __u32 where)
{
	struct path_flight *flight = slot->flight;
	__u32 from, cell, stage = where & (PATH_IF_EDGE - 1);

	if (stage >= STAGE_MAX)
		return;
	/* none: it was put together from fragments */
	if (flight->skb != (__u64)skb && flight->skb && !path_takes(access, skb, slot, stage))
		return;
	/* what Open vSwitch passes from NIC to NIC goes by no port */
	if (path_port && stage == STAGE_qdisc && !(flight->seen & 1U << STAGE_port_out)) {
		/* if it is no copy of what goes by a port */
		if (flight->skb == (__u64)skb && !(flight->seen & 1U << STAGE_port_in))
			flight_end(slot, FATE_consumed);
		return;
	}
	if (stage == STAGE_actions && flight->seen & 1U << STAGE_actions)
		stage = STAGE_again;
	if (stage == STAGE_l4 && flight->marks & MARK_tunnel && !(flight->seen & 1U << STAGE_tunnel))
		stage = STAGE_tunnel;
	from = flight->stage;
	if (from >= STAGE_MAX)
		return;
	cell = path_edges[stage][from];
	if (path_reply_begins && flight->marks & MARK_reply)
		cell = path_reply_edges[stage][from];
	if (cell == CELL_none) {
		if (where & PATH_IF_EDGE)
			return;
		/* a copy is somewhere that the packet has been, or it goes a way that the path does not know */
		if (flight->seen & 1U << stage) {
			struct path_cpu *here = path_here();

			if (here)
				__sync_fetch_and_add(&here->counts.copies, 1);
			return;
		}
		cell = CELL_other;
	}
	flight->seen |= 1U << stage;
	flight->skb = (__u64)skb;
	flight_hop(flight, slot->index, access, skb, stage, cell, bpf_ktime_get_ns());
	if (cfg_metrics)
		path_meter(access, skb, flight, stage, false);
	/* over no edge it is another way: no end of this path */
	if (cell == CELL_other) {
		/* what this host sends to itself has no NIC on its way */
		if (path_begins & 1U << STAGE_out && path_ends & 1U << STAGE_l4 && stage == STAGE_ip)
			flight_end(slot, FATE_consumed);
		return;
	}
	if (path_reply_begins && !(flight->marks & MARK_reply)) {
		if (path_ends & 1U << stage)
			path_await(access, skb, slot);
		return;
	}
	if ((path_reply_begins ? path_reply_ends : path_ends) & 1U << stage)
		path_finish(ctx, access, skb, slot);
}

/* functions of their own: filter and flight together would need more stack than a program may have */
static __noinline int wanted_direct(struct sk_buff *skb)
{
	return sonde_forget(filter_pass(SONDE_DIRECT, skb));
}

static __noinline int wanted_probe(struct sk_buff *skb)
{
	return sonde_forget(filter_pass(SONDE_PROBE, skb));
}

static __always_inline bool path_wanted(enum sonde_access access, struct sk_buff *skb)
{
	return !flt.set || (access == SONDE_DIRECT ? wanted_direct(skb) : wanted_probe(skb));
}

/*
 * --inner and --vni for an outer packet that is about to be sent: as filter_tunnel(), but its header has no length yet,
 * and skb->protocol is what the inner packet has.
 */
static __always_inline bool outer_pass(enum sonde_access access, struct sk_buff *skb)
{
	const __u32 set = flt.set;
	struct packet_tunnel tunnel;
	struct packet_place place;
	struct packet_tags tags;
	struct wire_udp udp;
	struct wire_eth eth;
	union wire_l3 wire;
	__u32 offset;

	packet_ask(access, skb, &place);
	place.type = packet_guess(&place);
	if (place.type == PACKET_IP4) {
		if (packet_ip4(&place.cursor, place.l3, &wire.ip4) || wire.ip4.protocol != PACKET_UDP)
			return false;
		offset = place.l3 + (wire.ip4.version_ihl & 15) * 4;
	} else {
		if (packet_ip6(&place.cursor, place.l3, &wire.ip6) || wire.ip6.next != PACKET_UDP)
			return false;
		offset = place.l3 + sizeof(wire.ip6);
	}
	if (packet_load(&place.cursor, offset, &udp, sizeof(udp)))
		return false;
	packet_find_tunnel(&place.cursor, offset + sizeof(udp), bpf_ntohs(udp.dst_port), &tunnel);
	if (tunnel.kind == SONDE_NO_TUNNEL || (set & FILTER_VNI && tunnel.vni != flt.vni))
		return false;
	if (set & FILTER_HEADERS && !(set & FILTER_INNER) && !filter_headers(set, &place.cursor, place.l3, place.type))
		return false;
	packet_enter_tunnel(&tunnel, &place, &tags, &eth);
	return !(set & FILTER_INNER) || filter_headers(set, &place.cursor, place.l3, place.type);
}

static __noinline int outer_direct(struct sk_buff *skb)
{
	return sonde_forget(outer_pass(SONDE_DIRECT, skb));
}

static __noinline int outer_probe(struct sk_buff *skb)
{
	return sonde_forget(outer_pass(SONDE_PROBE, skb));
}

/* of what this host is about to send the header is not complete: see filter_unfinished() */
static __always_inline bool path_out_wanted(enum sonde_access access, struct sk_buff *skb, __u64 head)
{
	const __u32 set = flt.set;

	if (!set)
		return true;
	if (set & FILTER_TUNNEL && !(set & (FILTER_VLAN | FILTER_DEVICE | FILTER_NETNS)))
		return access == SONDE_DIRECT ? outer_direct(skb) : outer_probe(skb);
	if (set & (FILTER_TUNNEL | FILTER_VLAN | FILTER_DEVICE))
		return access == SONDE_DIRECT ? wanted_direct(skb) : wanted_probe(skb);
	return filter_unfinished(access, skb, set, head);
}

/* the flight has its way: its first stage */
static __always_inline void flight_begin(enum sonde_access access, struct sk_buff *skb, struct path_slot *slot,
					 __u32 stage)
{
	struct path_cpu *here = path_here();
	struct path_flight *flight = slot->flight;

	flight->skb = (__u64)skb;
	flight->seen = 1U << stage;
	flight->upcalled = 0;
	flight->marks = path_decap ? MARK_tunnel : 0;
	flight_note(flight, slot->index, access, skb, stage, CELL_none, bpf_ktime_get_ns(), 0);
	flight->first = flight->last;
	if (here)
		__sync_fetch_and_add(&here->counts.begun, 1);
	/* in this order: user space clears it, and sets it again if one has begun since it looked */
	if (!path_active)
		path_active = 1;
	if (cfg_metrics)
		path_meter(access, skb, flight, stage, true);
	if (cfg_flows)
		flow_note(access, skb, slot->index);
	if (cfg_bytes) {
		struct path_trace *trace = trace_of(slot);

		if (trace)
			trace_bytes_take(access, skb, &trace->begun);
	}
}

static __always_inline void path_begin(enum sonde_access access, struct sk_buff *skb, __u64 key, __u32 stage)
{
	struct path_slot slot;

	if (flight_claim(&slot, key))
		flight_begin(access, skb, &slot, stage);
}

static __always_inline int stage_do(void *ctx, enum sonde_access access, struct sk_buff *skb, __u32 stage)
{
	struct path_slot slot;

	if (flight_find(&slot, flight_key(access, skb)))
		path_step(ctx, access, skb, &slot, stage);
	return 0;
}

static __noinline int stage_direct(void *ctx, struct sk_buff *skb, __u32 stage)
{
	return stage_do(ctx, SONDE_DIRECT, skb, stage);
}

static __noinline int stage_probe(void *ctx, struct sk_buff *skb, __u32 stage)
{
	return stage_do(ctx, SONDE_PROBE, skb, stage);
}

/*
 * What stage_direct() does, for what is nearly always so: the flight is the first of its set, the path has an
 * edge, nothing is asked for but times. bench/ counts each instruction here.
 */
static __always_inline int stage_fast(void *ctx, struct sk_buff *skb, __u32 where)
{
	const __u32 stage = where & (PATH_IF_EDGE - 1), flags = path_flags[stage];
	__u64 key = flight_key(SONDE_DIRECT, skb), at, now;
	__u32 set = flight_set(key), seen, cell;
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);
	struct path_flight *flight;
	__u64 from;

	if (!bucket || !key)
		return 0;
	flight = &bucket->flight[0];
	if (bucket->key[0] != key) {
		if (bucket->key[1] != key && bucket->key[2] != key && bucket->key[3] != key)
			return 0;
		goto slow;
	}
	from = flight->stage;
	seen = flight->seen;
	at = flight->hops;
	if (!(flags & FLAG_fast) || flight->skb != (__u64)skb ||
	    (stage == STAGE_actions && seen & 1U << STAGE_actions))
		goto slow;
	BELOW(at, PATH_HOPS, slow);
	BELOW(from, STAGE_MAX, slow);
	cell = path_edges[stage][from];
	if (cell == CELL_none) {
		if (where & PATH_IF_EDGE)
			return 0;
		goto slow;
	}
	now = bpf_ktime_get_ns();
	flight->seen = seen | 1U << stage;
	flight->last = now;
	flight->stage = stage;
	flight->at[at] = now;
	flight->mark[at].stage = stage;
	flight->mark[at].cell = cell;
	flight->hops = at + 1;
	if (flags & FLAG_details) {
		__u32 index = set * PATH_WAYS;
		struct path_trace *trace = bpf_map_lookup_elem(&traces, &index);

		if (trace)
			trace_hop(trace, at, SONDE_DIRECT, skb);
	}
	if (!(flags & FLAG_ends))
		return 0;
	if (flags & FLAG_details && flight_is_slow(flight, set * PATH_WAYS))
		event_direct(ctx, skb, set * PATH_WAYS, flight, &path_arrived);
	flight_count(set * PATH_WAYS, FATE_none);
	return 0;
slow:
	return stage_direct(ctx, skb, where);
}

static __always_inline int path_stage(void *ctx, enum sonde_access access, struct sk_buff *skb, __u32 where)
{
	return access == SONDE_DIRECT ? stage_fast(ctx, skb, where) : stage_probe(ctx, skb, where);
}

/*
 * A stage in the middle of a path. Its body is a function of its own so that a program that finds no packet in
 * flight ends before it has saved registers.
 */
#define STAGE(name, where)                                                                         \
	static __noinline int name##_direct(void *ctx, struct sk_buff *skb)                        \
	{                                                                                          \
		return path_stage(ctx, SONDE_DIRECT, skb, where);                                  \
	}                                                                                          \
	static __always_inline int name(void *ctx, enum sonde_access access, struct sk_buff *skb)  \
	{                                                                                          \
		if (!path_active)                                                                  \
			return 0;                                                                  \
		return access == SONDE_DIRECT ? name##_direct(ctx, skb) :                          \
						stage_probe(ctx, skb, where);                      \
	}

/* only IPv6 packets begin at STAGE_out in first_do(): where none can pass, the verifier is spared the filter */
static __always_inline bool path_out6_refused(__u32 stage)
{
	const __u32 set = flt.set;

	return stage == STAGE_out && !(set & FILTER_TUNNEL) && set & (FILTER_IP4 | FILTER_ARP);
}

/* a stage that begins the path, unless the packet has begun at an earlier one. Returns 1 if it may begin here. */
static __always_inline int first_do(void *ctx, enum sonde_access access, struct sk_buff *skb, __u32 stage)
{
	__u64 key = flight_key(access, skb);
	struct path_slot slot;

	if (path_active && flight_find(&slot, key)) {
		if (slot.flight->skb == (__u64)skb && slot.flight->stage < STAGE_MAX &&
		    (path_reply_begins && slot.flight->marks & MARK_reply ?
			     path_reply_edges[stage][slot.flight->stage] :
			     path_edges[stage][slot.flight->stage])) {
			path_step(ctx, access, skb, &slot, stage);
			return 0;
		}
		/* a clone, such as the original of a packet that TCP sends again */
		flight_end(&slot, FATE_replaced);
	}
	if (path_reply_begins & 1U << stage) {
		if (path_active && path_reply(access, skb, key) && flight_find(&slot, key))
			path_step(ctx, access, skb, &slot, stage);
		return 0;
	}
	return path_open && path_begins & 1U << stage && !path_out6_refused(stage);
}

static __noinline int first_direct(void *ctx, struct sk_buff *skb, __u32 stage)
{
	return first_do(ctx, SONDE_DIRECT, skb, stage);
}

static __noinline int first_probe(void *ctx, struct sk_buff *skb, __u32 stage)
{
	return first_do(ctx, SONDE_PROBE, skb, stage);
}

static __noinline int begin_direct(struct sk_buff *skb, __u32 stage)
{
	path_begin(SONDE_DIRECT, skb, flight_key(SONDE_DIRECT, skb), stage);
	return 0;
}

static __noinline int begin_probe(struct sk_buff *skb, __u32 stage)
{
	path_begin(SONDE_PROBE, skb, flight_key(SONDE_PROBE, skb), stage);
	return 0;
}

/* one after the other, not one inside the other: that would need more stack than a program may have */
static __always_inline int path_stage_first(void *ctx, enum sonde_access access, struct sk_buff *skb, __u32 stage)
{
	if (!(access == SONDE_DIRECT ? first_direct(ctx, skb, stage) : first_probe(ctx, skb, stage)))
		return 0;
	if (!path_wanted(access, skb) || (path_reply_begins && !path_echo(access, skb, true)))
		return 0;
	return access == SONDE_DIRECT ? begin_direct(skb, stage) : begin_probe(skb, stage);
}

#endif
