/* SPDX-License-Identifier: GPL-2.0-only */
/* trace.bpf.h: what path details keeps of single packets, and the events that it makes of them. */
#ifndef NETSONDE_PATH_TRACE_BPF_H
#define NETSONDE_PATH_TRACE_BPF_H

#include "event.bpf.h"
#include "packet.bpf.h"
#include "path/flight.bpf.h"
#include "path/ledger.bpf.h"

/* PATH_BYTES from L3 on: what path details prints of a packet that was lost without an skb at hand */
static __always_inline int trace_bytes(enum sonde_access access, struct sk_buff *skb, struct path_trace *trace)
{
	struct packet_place place;
	struct packet_tags tags;
	__u64 at_hand, data;

	data = sonde_address_of(SONDE_READ(access, skb, data)) - flight_key(access, skb);
	packet_locate(access, skb, &place, &tags);
	at_hand = place.cursor.end > place.l3 ? place.cursor.end - place.l3 : 0;
	if (at_hand > PATH_BYTES)
		at_hand = PATH_BYTES;
	trace->length = SONDE_READ(access, skb, len) + data - place.l3;
	trace->eth_type = place.type;
	trace->bytes_at_hand = at_hand;
	if (SONDE_COPY(trace->bytes, PATH_BYTES, (void *)(place.cursor.head + place.l3)))
		trace->bytes_at_hand = 0;
	return 0;
}

static __noinline int trace_bytes_direct(struct sk_buff *skb, struct path_trace *trace)
{
	return trace_bytes(SONDE_DIRECT, skb, trace);
}

static __noinline int trace_bytes_probe(struct sk_buff *skb, struct path_trace *trace)
{
	return trace_bytes(SONDE_PROBE, skb, trace);
}

static __always_inline struct path_trace *trace_of(const struct path_slot *slot)
{
	__u32 index = slot->index;

	return bpf_map_lookup_elem(&traces, &index);
}

/* what path details wants to know of a stage besides its time */
static __always_inline void trace_hop(struct path_trace *trace, __u64 at, enum sonde_access access,
				      struct sk_buff *skb)
{
	struct net_device *dev = skb ? sonde_dev(access, skb) : NULL;

	BELOW(at, PATH_HOPS, none);
	trace->ifindex[at] = dev ? SONDE_READ(access, dev, ifindex) : 0;
	trace->pid[at] = bpf_get_current_pid_tgid();
	trace->cpu[at] = bpf_get_smp_processor_id();
none:;
}

/*
 * A stage into the flight, at a time that may be past. What has more stages than there is room for goes on from
 * its last one: its times up to here are added now, or in path details the last stages are lost.
 */
static __always_inline void flight_hop(struct path_flight *flight, __u32 index, enum sonde_access access,
				       struct sk_buff *skb, __u32 stage, __u32 cell, __u64 now)
{
	__u64 at = flight->hops;

	if (at >= PATH_HOPS) {
		if (cfg_details) {
			at = PATH_HOPS - 1;
		} else {
			flight_count(index, FLIGHT_GOES_ON);
			flight->at[0] = flight->last;
			at = 1;
		}
	}
	BELOW(at, PATH_HOPS, none);
	flight->at[at] = now;
	flight->mark[at].stage = stage;
	flight->mark[at].cell = cell;
	flight->last = now;
	flight->stage = stage;
	flight->hops = at + 1;
	if (cfg_details) {
		struct path_trace *trace = bpf_map_lookup_elem(&traces, &index);

		if (trace)
			trace_hop(trace, at, access, skb);
	}
none:;
}

/* how a packet's way ended */
struct path_end {
	__u64 place;
	__u32 fate, reason;
};

/* not on the stack, where each byte counts */
static const struct path_end path_arrived = { .fate = FATE_none };

static __always_inline void event_fill(struct path_packet *event, __u32 index, const struct path_flight *flight,
				       const struct path_end *end)
{
	const struct path_trace *trace = bpf_map_lookup_elem(&traces, &index);

	event->at = flight->first;
	event->took = flight->last - flight->first;
	event->more.place = end->place;
	event->more.reason = end->reason;
	event->more.fate = end->fate;
	bpf_probe_read_kernel(&event->more.flight, sizeof(event->more.flight), flight);
	if (trace)
		bpf_probe_read_kernel(&event->more.trace, sizeof(event->more.trace), trace);
}

static __always_inline int event_send(void *ctx, enum sonde_access access, struct sk_buff *skb, __u32 index,
				      struct path_flight *flight, const struct path_end *end)
{
	struct path_packet *event;

	if (!event_wanted())
		return 0;
	event = event_reserve(sizeof(*event));
	if (!event)
		return 0;
	packet_parse(access, skb, &event->packet);
	event_fill(event, index, flight, end);
	event_submit(ctx, event, sizeof(*event));
	return 0;
}

static __noinline int event_direct(void *ctx, struct sk_buff *skb, __u32 index, struct path_flight *flight,
				   const struct path_end *end)
{
	return event_send(ctx, SONDE_DIRECT, skb, index, flight, end);
}

static __noinline int event_probe(void *ctx, struct sk_buff *skb, __u32 index, struct path_flight *flight,
				  const struct path_end *end)
{
	return event_send(ctx, SONDE_PROBE, skb, index, flight, end);
}

static __always_inline void path_event(void *ctx, enum sonde_access access, struct sk_buff *skb,
				       const struct path_slot *slot, const struct path_end *end)
{
	if (access == SONDE_DIRECT)
		event_direct(ctx, skb, slot->index, slot->flight, end);
	else
		event_probe(ctx, skb, slot->index, slot->flight, end);
}

/* the flight ends before the path does */
static __always_inline void path_lose(void *ctx, enum sonde_access access, struct sk_buff *skb,
				      struct path_slot *slot, const struct path_end *end)
{
	if (cfg_details && cfg_lost)
		path_event(ctx, access, skb, slot, end);
	flight_end(slot, end->fate);
}

/* whether path details shows a packet that has arrived */
static __noinline int flight_is_slow(struct path_flight *flight)
{
	__u32 hops = flight->hops;

	if (!cfg_slow || (cfg_threshold && flight->last - flight->first >= cfg_threshold))
		return 1;
	if (!cfg_stage_thresholds)
		return 0;
	for (__u32 i = 1; i < PATH_HOPS; i++) {
		__u64 limit, from;

		if (i >= hops)
			break;
		from = flight->mark[i - 1].stage;
		BELOW(from, STAGE_MAX, none);
		limit = cfg_stage_threshold[from];
		if (limit && flight->at[i] - flight->at[i - 1] >= limit)
			return 1;
none:;
	}
	return 0;
}

/* a packet has reached the end of the path */
static __always_inline void path_finish(void *ctx, enum sonde_access access, struct sk_buff *skb,
					struct path_slot *slot)
{
	if (cfg_details && flight_is_slow(slot->flight))
		path_event(ctx, access, skb, slot, &path_arrived);
	flight_count(slot->index, FATE_none);
}

static __always_inline void flight_copy(struct path_slot *to, const struct path_slot *from)
{
	bpf_probe_read_kernel(to->flight, sizeof(*to->flight), from->flight);
	if (cfg_flows) {
		__u32 here = from->index, there = to->index;
		struct sonde_flow *source = bpf_map_lookup_elem(&flight_flows, &here);
		struct sonde_flow *target = bpf_map_lookup_elem(&flight_flows, &there);

		if (source && target)
			bpf_probe_read_kernel(target, sizeof(*target), source);
	}
	if (cfg_details) {
		struct path_trace *source = trace_of(from), *target = trace_of(to);

		if (source && target)
			bpf_probe_read_kernel(target, sizeof(*target), source);
	}
}

#endif
