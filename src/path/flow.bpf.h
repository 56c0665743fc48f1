/* SPDX-License-Identifier: GPL-2.0-only */
/* flow.bpf.h: flights by flow, and the times between the packets of a flow. */
#ifndef NETSONDE_PATH_FLOW_BPF_H
#define NETSONDE_PATH_FLOW_BPF_H

#include "filter.bpf.h"
#include "loss.bpf.h"
#include "packet.bpf.h"
#include "path/cell.bpf.h"
#include "path/flight.bpf.h"

/* --top: which flow a flight belongs to: one element a flight */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sonde_flow);
} flight_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct path_flow_key);
	__type(value, struct path_flow);
} flows SEC(".maps");

/* what a new row looks like: it is too large for the stack */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_flow);
} flow_new SEC(".maps");

static __noinline int flow_of_direct(struct sk_buff *skb, struct sonde_flow *flow)
{
	flow_parse(SONDE_DIRECT, skb, flow);
	return 0;
}

static __noinline int flow_of_probe(struct sk_buff *skb, struct sonde_flow *flow)
{
	flow_parse(SONDE_PROBE, skb, flow);
	return 0;
}

/* when a flow's last packet passed; flows that are quiet for long make room for others */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct path_gap);
	__type(value, __u64);
} gaps SEC(".maps");

static __noinline int gap_count(const struct path_gap *gap)
{
	__u64 now = bpf_ktime_get_ns(), *last;
	struct path_cpu *here = path_here();

	if (!here)
		return 0;
	last = bpf_map_lookup_elem(&gaps, gap);
	if (last) {
		/* another CPU may have been later with the packet before */
		if (now > *last)
			path_add(here, gap->cell, now - *last);
		*last = now;
		return 0;
	}
	bpf_map_update_elem(&gaps, gap, &now, BPF_ANY);
	return 0;
}

/* three functions, none inside another: together they would need more stack than a program may have */
static __noinline int gap_direct(struct sk_buff *skb, __u32 cell)
{
	struct path_gap gap = { .cell = cell };

	flow_of_direct(skb, &gap.flow);
	return gap_count(&gap);
}

static __noinline int gap_probe(struct sk_buff *skb, __u32 cell)
{
	struct path_gap gap = { .cell = cell };

	flow_of_probe(skb, &gap.flow);
	return gap_count(&gap);
}

static __always_inline void path_gap(enum sonde_access access, struct sk_buff *skb, enum path_cell cell)
{
	if (access == SONDE_DIRECT)
		gap_direct(skb, cell);
	else
		gap_probe(skb, cell);
}

/* --top: the row of the flight's flow, made if there is none */
static __always_inline struct path_flow *flow_row(__u32 index)
{
	const struct sonde_flow *flow = bpf_map_lookup_elem(&flight_flows, &index);
	struct path_flow_key key = {};
	struct path_flow *row, *empty;
	__u32 zero = 0;

	if (!flow)
		return NULL;
	key.epoch = epoch;
	key.flow = *flow;
	row = bpf_map_lookup_elem(&flows, &key);
	if (row)
		return row;
	empty = bpf_map_lookup_elem(&flow_new, &zero);
	if (!empty)
		return NULL;
	bpf_map_update_elem(&flows, &key, empty, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&flows, &key);
	if (!row)
		loss_add(LOSS_flows);
	return row;
}

/* as flight_count() */
__noinline int flow_count(__u32 index, __u32 fate)
{
	__u32 set = index / PATH_WAYS, hops, here;
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);
	struct path_flow *row = flow_row(index);
	struct path_flight *flight;

	if (!bucket || !row)
		return 0;
	flight = &bucket->flight[index & (PATH_WAYS - 1)];
	if (fate == FATE_none) {
		__u64 took = flight->last - flight->first, at = path_bucket_of(took) / PATH_FLOW_STEP;

		__sync_fetch_and_add(&row->count, 1);
		__sync_fetch_and_add(&row->sum, took);
		here = bpf_get_smp_processor_id() & (PATH_FLOW_MAXIMA / 2 - 1);
		if (took > row->max[here])
			path_max(&row->max[here], &row->max[here + PATH_FLOW_MAXIMA / 2], took);
		BELOW(at, PATH_FLOW_BUCKETS, none);
		__sync_fetch_and_add(&row->buckets[at], 1);
	} else if (fate < FATE_MAX) {
		__sync_fetch_and_add(&row->not_ended, 1);
	}
	hops = flight->hops;
	for (__u32 i = 1; i < PATH_HOPS; i++) {
		__u64 cell;

		if (i >= hops)
			break;
		cell = flight->mark[i].cell;
		BELOW(cell, PATH_CELLS, none);
		__sync_fetch_and_add(&row->cells[cell], flight->at[i] - flight->at[i - 1]);
	}
none:
	return 0;
}

/* which flow a flight belongs to that begins */
static __always_inline void flow_note(enum sonde_access access, struct sk_buff *skb, __u32 index)
{
	struct sonde_flow *flow = bpf_map_lookup_elem(&flight_flows, &index);

	if (!flow)
		return;
	if (access == SONDE_DIRECT)
		flow_of_direct(skb, flow);
	else
		flow_of_probe(skb, flow);
}

#endif
