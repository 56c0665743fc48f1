/* SPDX-License-Identifier: GPL-2.0-only */
/* trace.bpf.h: what path details keeps of single packets, and the events that it makes of them. */
#ifndef NETSONDE_PATH_TRACE_BPF_H
#define NETSONDE_PATH_TRACE_BPF_H

#include "event.bpf.h"
#include "packet.bpf.h"
#include "path/flight.bpf.h"
#include "path/ledger.bpf.h"

/* of flights with more than PATH_HOPS stages; the least recently used make room */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct path_further);
} furthers SEC(".maps");

/* what a new one looks like: it is too large for the stack */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_further);
} further_new SEC(".maps");

/* PATH_BYTES from L3 on: what path details prints of a packet that was lost without an skb at hand, or by --bytes */
static __always_inline int trace_bytes(enum sonde_access access, struct sk_buff *skb, struct path_bytes *to)
{
	struct packet_place place;
	struct packet_tags tags;
	__u64 at_hand, data;

	data = sonde_address_of(SONDE_READ(access, skb, data)) - flight_key(access, skb);
	packet_locate(access, skb, &place, &tags);
	at_hand = place.cursor.end > place.l3 ? place.cursor.end - place.l3 : 0;
	if (at_hand > PATH_BYTES)
		at_hand = PATH_BYTES;
	to->length = SONDE_READ(access, skb, len) + data - place.l3;
	to->eth_type = place.type;
	to->at_hand = at_hand;
	if (SONDE_COPY(to->bytes, PATH_BYTES, (void *)(place.cursor.head + place.l3)))
		to->at_hand = 0;
	return 0;
}

static __noinline int trace_bytes_direct(struct sk_buff *skb, struct path_bytes *to)
{
	return trace_bytes(SONDE_DIRECT, skb, to);
}

static __noinline int trace_bytes_probe(struct sk_buff *skb, struct path_bytes *to)
{
	return trace_bytes(SONDE_PROBE, skb, to);
}

static __always_inline void trace_bytes_take(enum sonde_access access, struct sk_buff *skb, struct path_bytes *to)
{
	if (access == SONDE_DIRECT)
		trace_bytes_direct(skb, to);
	else
		trace_bytes_probe(skb, to);
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

static __always_inline struct path_further *further_of(const struct path_flight *flight, __u32 index)
{
	struct path_further *further = bpf_map_lookup_elem(&furthers, &index);

	return further && further->first == flight->first ? further : NULL;
}

/* a stage beyond PATH_HOPS; where it finds no room, event_fill() says so */
static __noinline int hop_further(struct path_flight *flight, __u32 index, struct sk_buff *skb, __u32 mark, __u64 now)
{
	struct path_further *further, *empty;
	struct net_device *dev = skb ? sonde_dev(SONDE_PROBE, skb) : NULL;
	__u64 at = flight->hops - PATH_HOPS;
	struct path_hop *hop;
	__u32 zero = 0;

	if (!at) {
		empty = bpf_map_lookup_elem(&further_new, &zero);
		if (!empty || bpf_map_update_elem(&furthers, &index, empty, BPF_ANY))
			return 0;
		further = bpf_map_lookup_elem(&furthers, &index);
		if (further)
			further->first = flight->first;
	} else {
		further = further_of(flight, index);
	}
	BELOW(at, PATH_HOPS_FURTHER, none);
	if (!further)
		return 0;
	hop = &further->hop[at];
	hop->at = now;
	hop->ifindex = dev ? SONDE_READ(SONDE_PROBE, dev, ifindex) : 0;
	hop->pid = bpf_get_current_pid_tgid();
	hop->cpu = bpf_get_smp_processor_id();
	hop->mark.stage = mark;
	hop->mark.cell = mark >> 8;
none:
	return 0;
}

/* a stage into the flight, at a time that may be past; at: how many it has, less than PATH_HOPS */
static __always_inline void flight_note(struct path_flight *flight, __u32 index, enum sonde_access access,
					struct sk_buff *skb, __u32 stage, __u32 cell, __u64 now, __u64 at)
{
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

/*
 * One more stage. What has more than there is room for goes on from its last one: its times up to here are added now, or
 * in path details the others go elsewhere.
 */
static __always_inline void flight_hop(struct path_flight *flight, __u32 index, enum sonde_access access,
				       struct sk_buff *skb, __u32 stage, __u32 cell, __u64 now)
{
	__u64 at = flight->hops;

	if (at >= PATH_HOPS) {
		if (cfg_details) {
			hop_further(flight, index, skb, stage | cell << 8, now);
			flight->last = now;
			flight->stage = stage;
			flight->hops++;
			return;
		}
		flight_count(index, FLIGHT_GOES_ON);
		flight->at[0] = flight->last;
		at = 1;
	}
	flight_note(flight, index, access, skb, stage, cell, now, at);
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
	const struct path_further *further;

	event->at = flight->first;
	event->took = flight->last - flight->first;
	event->more.place = end->place;
	event->more.reason = end->reason;
	event->more.fate = end->fate;
	bpf_probe_read_kernel(&event->more.flight, sizeof(event->more.flight), flight);
	if (trace)
		bpf_probe_read_kernel(&event->more.trace, sizeof(event->more.trace), trace);
	event->more.ended.length = 0;
	event->more.further.first = 0;
	if (flight->hops <= PATH_HOPS)
		return;
	further = further_of(flight, index);
	if (further)
		bpf_probe_read_kernel(&event->more.further, sizeof(event->more.further), further);
	if (!further || flight->hops > PATH_HOPS + PATH_HOPS_FURTHER)
		loss_add(LOSS_stages);
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
	if (cfg_bytes_twice)
		trace_bytes_take(access, skb, &event->more.ended);
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

/* a threshold of the stage where it was before */
static __always_inline bool hop_is_slow(__u64 from, __u64 took)
{
	__u64 limit;

	BELOW(from, STAGE_MAX, none);
	limit = cfg_stage_threshold[from];
	return limit && took >= limit;
none:
	return false;
}

static __noinline int further_is_slow(struct path_flight *flight, __u32 index)
{
	const struct path_further *further = further_of(flight, index);
	__u64 last = flight->at[PATH_HOPS - 1];
	__u32 stage = flight->mark[PATH_HOPS - 1].stage, hops = flight->hops - PATH_HOPS;

	for (__u32 i = 0; further && i < PATH_HOPS_FURTHER; i++) {
		if (i >= hops)
			break;
		if (hop_is_slow(stage, further->hop[i].at - last))
			return 1;
		last = further->hop[i].at;
		stage = further->hop[i].mark.stage;
	}
	return 0;
}

/* whether path details shows a packet that has arrived */
static __noinline int flight_is_slow(struct path_flight *flight, __u32 index)
{
	__u32 hops = flight->hops;

	if (!cfg_slow || (cfg_threshold && flight->last - flight->first >= cfg_threshold))
		return 1;
	if (!cfg_stage_thresholds)
		return 0;
	for (__u32 i = 1; i < PATH_HOPS; i++) {
		if (i >= hops)
			break;
		if (hop_is_slow(flight->mark[i - 1].stage, flight->at[i] - flight->at[i - 1]))
			return 1;
	}
	return hops > PATH_HOPS ? further_is_slow(flight, index) : 0;
}

/* a packet has reached the end of the path */
static __always_inline void path_finish(void *ctx, enum sonde_access access, struct sk_buff *skb,
					struct path_slot *slot)
{
	if (cfg_details && flight_is_slow(slot->flight, slot->index))
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
		struct path_further *further = from->flight->hops > PATH_HOPS ? further_of(from->flight, from->index) : NULL;
		__u32 there = to->index;

		if (further)
			bpf_map_update_elem(&furthers, &there, further, BPF_ANY);

		if (source && target)
			bpf_probe_read_kernel(target, sizeof(*target), source);
	}
}

#endif
