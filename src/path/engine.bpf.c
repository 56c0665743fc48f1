// SPDX-License-Identifier: GPL-2.0-only
/*
 * engine: packets in flight through this host. Each stage is one program, which
 * looks its packet up by skb->head and notes the stage and its time in the
 * packet's flight. A packet enters the table at a stage that begins the path,
 * if the filter wants it, and leaves it at the path's end or when its skb is
 * freed: only then are its times added to the histograms, all at once, which is
 * what makes a stage cheap.
 */
#include "sonde.bpf.h"
#include "abi/path.h"
#include "kernel/ovs.h"
#include "kernel/qdisc.h"
#include "kernel/skb.h"
#include "kernel/vhost.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "event.bpf.h"
#include "hist.bpf.h"
#include "identity.bpf.h"
#include "drop.bpf.h"

EVENT(path_packet);

/* the stages of the path that this run looks at; set by path/engine.c */
/* buckets of values below 512, and of those below 65536 in steps of 16, which no bucket divides */
const volatile __u16 path_buckets_fine[PATH_FINE] = {}, path_buckets_coarse[PATH_COARSE] = {};
const volatile __u32 path_begins = 0, path_ends = 0;	/* bits by enum path_stage */
const volatile __u8 path_edges[STAGE_MAX][STAGE_MAX] = {};	/* [to][from]: the cell */
const volatile __u32 path_cells = CELL_EDGES;
const volatile __u32 path_flags[STAGE_MAX] = {};	/* enum path_flag */
/* path rtt: the same for the echo reply to a packet that has ended */
const volatile __u32 path_reply_begins = 0, path_reply_ends = 0;
const volatile __u8 path_reply_edges[STAGE_MAX][STAGE_MAX] = {};
const volatile struct path_device path_devices[PATH_DEVICES] = {};
const volatile __u32 path_device_count = 0;
const volatile __u32 path_netns = 0;	/* whose IP output begins path host-tx */
const volatile __u32 path_set_mask = 0;	/* sets of flights less one */

/* path pair: times between the packets of a flow */
const volatile __u32 cfg_gaps = 0;

/* path metrics: bytes, CPUs, queues and their lengths */
const volatile __u32 cfg_metrics = 0;

/* path summary --top: the same by flow */
const volatile __u32 cfg_flows = 0;
__u32 epoch = 0;	/* user space flips it at each interval and reads the finished half */

/* path details */
const volatile __u32 cfg_details = 0;
const volatile __u32 cfg_bytes = 0;		/* the first bytes are kept: a packet may end without an skb */
const volatile __u32 cfg_lost = 0;		/* events for packets that did not end */
const volatile __u32 cfg_slow = 0;		/* thresholds are set: quick packets are no events */
const volatile __u64 cfg_threshold = 0;		/* ns in all; 0: none */
const volatile __u32 cfg_stage_thresholds = 0;	/* there are such */
const volatile __u64 cfg_stage_threshold[STAGE_MAX] = {};	/* ns from this stage to the next */

/*
 * 0 as long as no packet is in flight: then a stage costs two instructions. Set
 * by a packet that begins, cleared by user space when none has for a second.
 */
__u32 path_active = 0;
/* 1 while packets may begin: from when all is attached until the run ends */
__u32 path_open = 0;

/* keys and flights; sizes are set by path/engine.c */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct path_bucket);
} buckets SEC(".maps");

/* what path details keeps of single packets besides: one element a flight */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_trace);
} traces SEC(".maps");

/* one element a CPU; not a per-CPU map, which costs a call and cannot be mapped to user space */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct path_cpu));
} cpus SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct path_drop);
	__type(value, __u64);
} path_drops SEC(".maps");

/* where a flight stands */
struct path_slot {
	struct path_bucket *bucket;
	struct path_flight *flight;
	__u64 *key;
	__u32 index;	/* of its trace */
	__u32 unused;
};

static __always_inline struct path_cpu *path_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpus, &cpu);
}

/* once for all calls: each of its many branches would be verified at each of them */
__noinline int path_bucket_of_long(__u64 ns)
{
	return hist_index(ns);
}

/* hist_index() by table where packets are quick: a third of its cost */
static __always_inline __u32 path_bucket_of(__u64 ns)
{
	if (ns < PATH_FINE)
		return path_buckets_fine[ns];
	if (ns < PATH_COARSE * PATH_COARSE_STEP)
		return path_buckets_coarse[ns / PATH_COARSE_STEP];
	return path_bucket_of_long(ns);
}

/*
 * The bound is in assembler because the compiler compares one copy of a number and uses another, of which
 * the verifier then knows nothing. The cells end where the map's element ends. How many values there are
 * user space sums up from the buckets.
 */
static __always_inline void path_add(struct path_cpu *here, __u64 cell, __u64 ns)
{
	const __u64 end = path_cells;
	struct sonde_hist *hist;
	__u64 bucket;

	asm volatile("if %[cell] < %[end] goto +1\n\t%[cell] = 0" : [cell] "+r"(cell) : [end] "r"(end));
	hist = &here->cells[cell];
	__sync_fetch_and_add(&hist->sum, ns);
	if (ns > hist->max)
		hist->max = ns;
	bucket = path_bucket_of(ns);
	asm volatile("if %[bucket] < %[end] goto +1\n\t%[bucket] = 0" : [bucket] "+r"(bucket) : [end] "i"(HIST_BUCKETS));
	__sync_fetch_and_add(&hist->buckets[bucket], 1);
}

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
	__uint(max_entries, 16384);
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

static __always_inline __u64 flight_key(enum sonde_access access, struct sk_buff *skb)
{
	return sonde_address_of(SONDE_READ(access, skb, head));
}

static __always_inline __u32 flight_set(__u64 key)
{
	return key * 0x9e3779b97f4a7c15ULL >> 40 & path_set_mask;
}

/* the way of a key in its bucket: false if it is in none */
static __always_inline bool flight_way(struct path_slot *slot, __u32 set, __u64 key)
{
	struct path_bucket *bucket = slot->bucket;

#pragma GCC unroll 4
	for (__u32 way = 0; way < PATH_WAYS; way++) {
		if (bucket->key[way] == key) {
			slot->key = &bucket->key[way];
			slot->flight = &bucket->flight[way];
			slot->index = set * PATH_WAYS + way;
			return true;
		}
	}
	return false;
}

static __always_inline bool flight_find(struct path_slot *slot, __u64 key)
{
	__u32 set = flight_set(key);

	slot->bucket = bpf_map_lookup_elem(&buckets, &set);
	return slot->bucket && key && flight_way(slot, set, key);
}

/* the way with this number */
static __always_inline bool flight_at(struct path_slot *slot, __u32 index)
{
	__u32 set = index / PATH_WAYS, way = index & (PATH_WAYS - 1);

	slot->bucket = bpf_map_lookup_elem(&buckets, &set);
	if (!slot->bucket)
		return false;
	slot->key = &slot->bucket->key[way];
	slot->flight = &slot->bucket->flight[way];
	slot->index = index;
	return true;
}

static __always_inline void flight_free(struct path_slot *slot)
{
	*slot->key = 0;
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
	__u32 set = index / PATH_WAYS, hops;
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
		if (took > row->max)
			row->max = took;
		/* as in path_add() */
		asm volatile("if %[at] < %[end] goto +1\n\t%[at] = 0" : [at] "+r"(at) : [end] "i"(PATH_FLOW_BUCKETS));
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
		asm volatile("if %[cell] < %[end] goto +1\n\t%[cell] = 0" : [cell] "+r"(cell) : [end] "i"(PATH_CELLS));
		__sync_fetch_and_add(&row->cells[cell], flight->at[i] - flight->at[i - 1]);
	}
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

/* as fate of a flight that goes on */
#define FLIGHT_GOES_ON FATE_MAX

/*
 * What became of a flight (FATE_none: it has arrived) and the times between its stages are added to what this
 * CPU counts; then its way is free. Called by number: such a function is verified once, not at each call.
 */
__noinline int flight_count(__u32 index, __u32 fate)
{
	__u32 set = index / PATH_WAYS, hops;
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);
	struct path_cpu *here = path_here();
	struct path_flight *flight;

	if (!bucket || !here)
		return 0;
	flight = &bucket->flight[index & (PATH_WAYS - 1)];
	if (fate != FLIGHT_GOES_ON)
		bucket->key[index & (PATH_WAYS - 1)] = PATH_ENDING;
	if (fate == FATE_none) {
		__sync_fetch_and_add(&here->counts.ended, 1);
		if (!cfg_details)
			path_add(here, flight->upcalled ? CELL_upcalled : CELL_total,
				 flight->last - flight->first);
	} else if (fate < FATE_MAX) {
		__sync_fetch_and_add(&here->counts.fates[fate & (PATH_FATES - 1)], 1);
	}
	if (cfg_flows)
		flow_count(index, fate);
	hops = cfg_details ? 0 : flight->hops;
	for (__u32 i = 1; i < PATH_HOPS; i++) {
		if (i >= hops)
			break;
		path_add(here, flight->mark[i].cell, flight->at[i] - flight->at[i - 1]);
	}
	/* another CPU may have taken the way for its packet meanwhile */
	if (bucket->key[index & (PATH_WAYS - 1)] == PATH_ENDING)
		bucket->key[index & (PATH_WAYS - 1)] = 0;
	return 0;
}

/* what has begun and does not reach the path's end */
static __always_inline void flight_end(struct path_slot *slot, enum path_fate fate)
{
	flight_count(slot->index, fate);
}

/**
 * A way for a new key: the one that has it already, else a free one, else that
 * of the flight that began first. What was there is counted. CPUs at once may
 * take the same way: the ledger has one of the packets as lost.
 */
static __always_inline bool flight_claim(struct path_slot *slot, __u64 key)
{
	__u32 set = flight_set(key), oldest = 0;
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);

	slot->bucket = bucket;
	if (!bucket || !key)
		return false;
	if (flight_way(slot, set, key)) {
		flight_end(slot, FATE_replaced);
		goto claimed;
	}
	if (flight_way(slot, set, 0))
		goto claimed;
#pragma GCC unroll 4
	for (__u32 way = 1; way < PATH_WAYS; way++) {
		if (bucket->flight[way].first < bucket->flight[oldest & (PATH_WAYS - 1)].first)
			oldest = way;
	}
	oldest &= PATH_WAYS - 1;
	if (bucket->key[oldest] == PATH_ENDING)
		oldest = (oldest + 1) & (PATH_WAYS - 1);
	slot->key = &bucket->key[oldest];
	slot->flight = &bucket->flight[oldest];
	slot->index = set * PATH_WAYS + oldest;
	/* it may have ended on another CPU since */
	if (*slot->key)
		flight_end(slot, FATE_evicted);
claimed:
	*slot->key = key;
	return true;
}

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

	/* as in path_add() */
	asm volatile("if %[at] < %[end] goto +1\n\t%[at] = 0" : [at] "+r"(at) : [end] "i"(PATH_HOPS));
	trace->ifindex[at] = dev ? SONDE_READ(access, dev, ifindex) : 0;
	trace->pid[at] = bpf_get_current_pid_tgid();
	trace->cpu[at] = bpf_get_smp_processor_id();
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
	/* as in path_add() */
	asm volatile("if %[at] < %[end] goto +1\n\t%[at] = 0" : [at] "+r"(at) : [end] "i"(PATH_HOPS));
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
		/* as in path_add() */
		asm volatile("if %[from] < %[end] goto +1\n\t%[from] = 0" : [from] "+r"(from) : [end] "i"(STAGE_MAX));
		limit = cfg_stage_threshold[from];
		if (limit && flight->at[i] - flight->at[i - 1] >= limit)
			return 1;
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

static __always_inline int echo_key(enum sonde_access access, struct sk_buff *skb, bool request, __u64 *key)
{
	struct packet_place place;
	struct packet_tags tags;

	packet_locate(access, skb, &place, &tags);
	*key = identity_echo(&place, request);
	return 0;
}

static __noinline int echo_key_direct(struct sk_buff *skb, bool request, __u64 *key)
{
	return echo_key(SONDE_DIRECT, skb, request, key);
}

static __noinline int echo_key_probe(struct sk_buff *skb, bool request, __u64 *key)
{
	return echo_key(SONDE_PROBE, skb, request, key);
}

static __always_inline __u64 path_echo(enum sonde_access access, struct sk_buff *skb, bool request)
{
	__u64 key = 0;

	if (access == SONDE_DIRECT)
		echo_key_direct(skb, request, &key);
	else
		echo_key_probe(skb, request, &key);
	return key;
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

/* path rtt: an echo request has left; its flight waits for the reply under the key that the reply will have */
static __always_inline void path_await(enum sonde_access access, struct sk_buff *skb, struct path_slot *slot)
{
	__u64 key = path_echo(access, skb, true);
	struct path_slot waiting;

	if (!key || !flight_claim(&waiting, key)) {
		flight_end(slot, FATE_unreadable);
		return;
	}
	flight_copy(&waiting, slot);
	waiting.flight->skb = 0;
	waiting.flight->marks |= MARK_reply;
	waiting.flight->seen = 0;
	flight_free(slot);
}

/* path rtt: an echo reply comes in: the flight of its request goes on with this skb */
static __always_inline bool path_reply(enum sonde_access access, struct sk_buff *skb, __u64 head)
{
	__u64 key = path_echo(access, skb, false);
	struct path_slot waiting, slot;

	if (!key || !flight_find(&waiting, key) || !flight_claim(&slot, head))
		return false;
	flight_copy(&slot, &waiting);
	slot.flight->skb = (__u64)skb;
	flight_free(&waiting);
	return true;
}

/* one element a CPU, as in cpus */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_meters);
} meters SEC(".maps");

/* the kernel's own, a copy a CPU; a kernel whose types do not have it shows no backlog */
extern const struct softnet_data softnet_data __ksym __weak;

static __always_inline void meter_depth(struct path_meter *meter, __u64 depth)
{
	__sync_fetch_and_add(&meter->depths, 1);
	__sync_fetch_and_add(&meter->depth_sum, depth);
	if (depth > meter->depth_max)
		meter->depth_max = depth;
}

/* the length of the queue that a packet is about to join; kinds that count per CPU do not say */
static __always_inline void meter_qdisc(enum sonde_access access, struct sk_buff *skb, struct path_meter *meter,
					__u32 queue)
{
	struct net_device *dev = SONDE_READ(access, skb, dev);
	__u64 at = sonde_address_of(SONDE_READ(access, dev, _tx));
	struct Qdisc *qdisc;

	at += (__u64)queue * bpf_core_type_size(struct netdev_queue);
	qdisc = BPF_CORE_READ((struct netdev_queue *)at, qdisc);
	if (qdisc && !(BPF_CORE_READ(qdisc, flags) & TCQ_F_CPUSTATS))
		meter_depth(meter, BPF_CORE_READ(qdisc, q.qlen));
}

static __always_inline void meter_queue(__u64 *queues, __u64 queue)
{
	/* as in path_add(); the last counts all above */
	asm volatile("if %[queue] < %[end] goto +1\n\t%[queue] = %[last]"
		     : [queue] "+r"(queue) : [end] "i"(PATH_QUEUES), [last] "i"(PATH_QUEUES - 1));
	__sync_fetch_and_add(&queues[queue], 1);
}

static __always_inline int meter_count(enum sonde_access access, struct sk_buff *skb, struct path_flight *flight,
				       __u64 stage, bool begins)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct path_meters *here = bpf_map_lookup_elem(&meters, &cpu);
	struct path_meter *meter;
	__u64 queue;

	if (!here)
		return 0;
	/* as in path_add() */
	asm volatile("if %[stage] < %[end] goto +1\n\t%[stage] = 0" : [stage] "+r"(stage) : [end] "i"(STAGE_MAX));
	meter = &here->stage[stage];
	__sync_fetch_and_add(&meter->packets, 1);
	__sync_fetch_and_add(&meter->bytes, SONDE_READ(access, skb, len));
	if (!begins && flight->cpu != cpu)
		__sync_fetch_and_add(&meter->cpu_changes, 1);
	flight->cpu = cpu;
	queue = SONDE_READ(access, skb, queue_mapping);
	if (stage == STAGE_qdisc || stage == STAGE_driver) {
		if (stage == STAGE_qdisc)
			meter_qdisc(access, skb, meter, queue);
		else
			meter_queue(here->tx_queues, queue);
	}
	/* what is received has the number of its queue and one, or 0 if the driver does not say */
	if (begins && queue && (stage == STAGE_nic || stage == STAGE_receive))
		meter_queue(here->rx_queues, queue - 1);
	return 0;
}

static __noinline int meter_direct(struct sk_buff *skb, struct path_flight *flight, __u32 stage, bool begins)
{
	return meter_count(SONDE_DIRECT, skb, flight, stage, begins);
}

static __noinline int meter_probe(struct sk_buff *skb, struct path_flight *flight, __u32 stage, bool begins)
{
	return meter_count(SONDE_PROBE, skb, flight, stage, begins);
}

static __always_inline void path_meter(enum sonde_access access, struct sk_buff *skb, struct path_flight *flight,
				       __u32 stage, bool begins)
{
	if (access == SONDE_DIRECT)
		meter_direct(skb, flight, stage, begins);
	else
		meter_probe(skb, flight, stage, begins);
}

/* added to a stage: it counts only where the path has an edge to it; its hook fires for other devices too */
#define PATH_IF_EDGE 0x100

/* the stage itself, for a packet that is in flight */
static __always_inline void path_step(void *ctx, enum sonde_access access, struct sk_buff *skb,
				      struct path_slot *slot, __u32 where)
{
	struct path_flight *flight = slot->flight;
	__u32 from, cell, stage = where & (PATH_IF_EDGE - 1);

	if (stage >= STAGE_MAX)
		return;
	if (stage == STAGE_actions && flight->seen & 1U << STAGE_actions)
		stage = STAGE_again;
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
	if (cell == CELL_other)
		return;
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

/* of what this host is about to send the header is not complete: see filter_unfinished() */
static __always_inline bool path_out_wanted(enum sonde_access access, struct sk_buff *skb, __u64 head)
{
	const __u32 set = flt.set;

	if (!set)
		return true;
	/* what a tunnel carries is found by the long way, which needs no length there */
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

	if (!path_active)
		path_active = 1;
	flight->skb = (__u64)skb;
	flight->seen = 1U << stage;
	flight->upcalled = 0;
	flight->marks = 0;
	flight->hops = 0;
	flight_hop(flight, slot->index, access, skb, stage, CELL_none, bpf_ktime_get_ns());
	flight->first = flight->last;
	if (here)
		__sync_fetch_and_add(&here->counts.begun, 1);
	if (cfg_metrics)
		path_meter(access, skb, flight, stage, true);
	if (cfg_flows)
		flow_note(access, skb, slot->index);
	if (cfg_bytes) {
		struct path_trace *trace = trace_of(slot);

		if (!trace)
			return;
		if (access == SONDE_DIRECT)
			trace_bytes_direct(skb, trace);
		else
			trace_bytes_probe(skb, trace);
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
	if (!(flags & FLAG_fast) || (stage == STAGE_actions && seen & 1U << STAGE_actions) || at >= PATH_HOPS)
		goto slow;
	/* as in path_add() */
	asm volatile("if %[from] < %[end] goto +1\n\t%[from] = 0" : [from] "+r"(from) : [end] "i"(STAGE_MAX));
	cell = path_edges[stage][from];
	if (cell == CELL_none) {
		if (where & PATH_IF_EDGE)
			return 0;
		goto slow;
	}
	now = bpf_ktime_get_ns();
	flight->seen = seen | 1U << stage;
	flight->skb = (__u64)skb;
	flight->last = now;
	flight->stage = stage;
	asm volatile("%[at] &= %[end]" : [at] "+r"(at) : [end] "i"(PATH_HOPS - 1));
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
	if (flags & FLAG_details && flight_is_slow(flight))
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

STAGE(stage_ovs, STAGE_ovs)
STAGE(stage_actions, STAGE_actions)
STAGE(stage_conntrack, STAGE_conntrack)
STAGE(stage_forward, STAGE_forward)
STAGE(stage_ip, STAGE_ip)
STAGE(stage_l4, STAGE_l4)
STAGE(stage_socket, STAGE_socket)
STAGE(stage_read, STAGE_read)
STAGE(stage_dequeue, STAGE_dequeue | PATH_IF_EDGE)
STAGE(stage_backlog, STAGE_backlog | PATH_IF_EDGE)
STAGE(stage_port_in, STAGE_port_in | PATH_IF_EDGE)

/* only IPv6 packets begin at STAGE_out in first_do(): where none can pass, the verifier is spared the filter */
static __always_inline bool path_out6_refused(__u32 stage)
{
	const __u32 set = flt.set;

	return stage == STAGE_out && !(set & FILTER_TUNNEL) && set & (FILTER_IP4 | FILTER_ARP);
}

/* a stage that begins the path, unless the packet has begun at an earlier one */
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
	if (path_open && path_begins & 1U << stage && !path_out6_refused(stage) && path_wanted(access, skb) &&
	    (!path_reply_begins || path_echo(access, skb, true)))
		path_begin(access, skb, key, stage);
	return 0;
}

static __noinline int first_direct(void *ctx, struct sk_buff *skb, __u32 stage)
{
	return first_do(ctx, SONDE_DIRECT, skb, stage);
}

static __noinline int first_probe(void *ctx, struct sk_buff *skb, __u32 stage)
{
	return first_do(ctx, SONDE_PROBE, skb, stage);
}

static __always_inline int path_stage_first(void *ctx, enum sonde_access access, struct sk_buff *skb, __u32 stage)
{
	return access == SONDE_DIRECT ? first_direct(ctx, skb, stage) : first_probe(ctx, skb, stage);
}

__u64 path_devices_known[PATH_DEVICES];	/* struct net_device, once it was seen */

static __always_inline __u32 role_netns(enum sonde_access access, struct net_device *dev)
{
	struct net *net = SONDE_READ(access, dev, nd_net.net);

	return SONDE_READ(access, net, ns.inum);
}

/* what a device is to this path */
static __always_inline int role_do(enum sonde_access access, struct net_device *dev)
{
	__u32 ifindex = SONDE_READ(access, dev, ifindex);

	/* unrolled so that the verifier removes what is not used */
#pragma GCC unroll 16
	for (__u32 i = 0; i < PATH_DEVICES; i++) {
		if (i >= path_device_count)
			break;
		if (ifindex != path_devices[i].ifindex)
			continue;
		/* seen before: spares the way to its namespace */
		if (path_devices_known[i] == (__u64)dev)
			return path_devices[i].role;
		if (role_netns(access, dev) != path_devices[i].netns)
			continue;
		path_devices_known[i] = (__u64)dev;
		return path_devices[i].role;
	}
	return ROLE_none;
}

static __noinline int role_probe(struct net_device *dev)
{
	return role_do(SONDE_PROBE, dev);
}

static __always_inline __u32 path_role(enum sonde_access access, struct net_device *dev)
{
	return access == SONDE_DIRECT ? role_do(access, dev) : role_probe(dev);
}

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

/* flight_claim() where the set is not empty, and what follows it */
static __noinline int out_claim_direct(struct sk_buff *skb, __u64 key)
{
	path_begin(SONDE_DIRECT, skb, key, STAGE_out);
	return 0;
}

static __noinline int out_claim_probe(struct sk_buff *skb, __u64 key)
{
	path_begin(SONDE_PROBE, skb, key, STAGE_out);
	return 0;
}

static __always_inline int out_do(enum sonde_access access, struct sk_buff *skb, struct net *net)
{
	__u64 key = flight_key(access, skb);
	struct path_slot slot = {};
	__u32 set;

	if (path_active) {
		set = flight_set(key);
		slot.bucket = bpf_map_lookup_elem(&buckets, &set);
		if (slot.bucket && key && flight_way(&slot, set, key))
			/* a clone, such as the original of a packet that TCP sends again */
			flight_end(&slot, FATE_replaced);
	}
	if (!path_out_wanted(access, skb, key) || !path_at_home(access, net) ||
	    (path_reply_begins && !path_echo(access, skb, true)))
		return 0;
	/* not before: most packets are refused */
	set = flight_set(key);
	slot.bucket = bpf_map_lookup_elem(&buckets, &set);
	if (!slot.bucket || !key)
		return 0;
	if (slot.bucket->key[0])
		return access == SONDE_DIRECT ? out_claim_direct(skb, key) : out_claim_probe(skb, key);
	slot.key = &slot.bucket->key[0];
	slot.flight = &slot.bucket->flight[0];
	slot.index = set * PATH_WAYS;
	*slot.key = key;
	flight_begin(access, skb, &slot, STAGE_out);
	return 0;
}

static __noinline int out_probe(struct sk_buff *skb, struct net *net)
{
	return out_do(SONDE_PROBE, skb, net);
}

/* __ip_local_out(net, sk, skb) */
static __always_inline int at_out4(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[2];
	struct net *net = (struct net *)args[0];

	if (!path_open)
		return 0;
	return access == SONDE_DIRECT ? out_do(access, skb, net) : out_probe(skb, net);
}

/* __ip6_local_out(net, sk, skb), ip6_output(net, sk, skb): TCP over IPv6 calls only the second one */
static __always_inline int at_out(void *ctx, const __u64 *args, enum sonde_access access)
{
	if (!path_at_home(access, (struct net *)args[0]))
		return 0;
	return path_stage_first(ctx, access, (struct sk_buff *)args[2], STAGE_out);
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
	if (path_active && flight_find(&slot, flight_key(access, skb)) && slot.flight->stage == STAGE_out &&
	    slot.flight->skb == (__u64)skb)
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

/*
 * Between guest and host there is no skb that could be followed: what a vhost
 * thread does next belongs to the packets that it has in hand.
 */

struct path_hand {
	__u64 key;	/* that the flight has while it is in hand */
	__u32 index;	/* of its trace: bucket and way */
	__u32 unused;
};

/* vhost reads up to 64 packets before it tells the guest */
#define PATH_HANDS 128

struct path_worker {
	__u64 kick, run;	/* ns; 0: not since the last packets were sent */
	__u64 sent_kick, sent_run, sent;	/* of the packets that are being sent */
	__u64 used, irqfd, inject;	/* of the packets in hand */
	__u64 taken;		/* numbers the packets taken */
	__u32 hands;
	__u32 unused;
	struct path_hand hand[PATH_HANDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, __u32);
	__type(value, struct path_worker);
} workers SEC(".maps");

/* what a new worker looks like: it is too large for the stack */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_worker);
} worker_new SEC(".maps");

/* when the guest kicked, by the work that vhost's thread is to do */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} kicks SEC(".maps");

static __always_inline struct path_worker *worker_here(void)
{
	__u32 thread = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&workers, &thread);
}

static __always_inline struct path_worker *worker_make(void)
{
	__u32 thread = bpf_get_current_pid_tgid(), zero = 0;
	struct path_worker *worker = bpf_map_lookup_elem(&workers, &thread), *empty;

	if (worker)
		return worker;
	empty = bpf_map_lookup_elem(&worker_new, &zero);
	if (!empty || bpf_map_update_elem(&workers, &thread, empty, BPF_NOEXIST))
		return NULL;
	return bpf_map_lookup_elem(&workers, &thread);
}

/* vhost_poll_wakeup(wait, mode, sync, key): by the guest's kick, or because the tap has packets */
static __always_inline int at_kick(void *ctx, const __u64 *args, enum sonde_access access)
{
	__u64 work, now;

	if (!path_open || !bpf_core_type_exists(struct vhost_poll))
		return 0;
	work = args[0] - bpf_core_field_offset(struct vhost_poll, wait) +
	       bpf_core_field_offset(struct vhost_poll, work);
	now = bpf_ktime_get_ns();
	/* the first kick counts: those that follow find the thread already called */
	bpf_map_update_elem(&kicks, &work, &now, BPF_NOEXIST);
	return 0;
}

/* handle_tx_kick(work): vhost's thread begins to send what the guest has put into its ring */
static __always_inline int at_worker(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker;
	__u64 work = args[0], *kick;

	if (!path_open)
		return 0;
	worker = worker_make();
	if (!worker)
		return 0;
	kick = bpf_map_lookup_elem(&kicks, &work);
	worker->kick = kick ? *kick : 0;
	worker->run = bpf_ktime_get_ns();
	if (kick)
		bpf_map_delete_elem(&kicks, &work);
	return 0;
}

/* tun_sendmsg(sock, m, len): one packet, or a batch. Only the first since a kick has waited for it. */
static __always_inline int at_tun(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker = path_open ? worker_here() : NULL;

	if (!worker)
		return 0;
	worker->sent_kick = worker->kick;
	worker->sent_run = worker->run;
	worker->sent = bpf_ktime_get_ns();
	worker->kick = worker->run = 0;
	return 0;
}

HOOK_FUNCTION(kick, vhost_poll_wakeup, at_kick)
HOOK_FUNCTION(worker, handle_tx_kick, at_worker)
HOOK_FUNCTION(tun, tun_sendmsg, at_tun)

/* stages that are in the past; a function of its own for the stack's sake */
static __noinline int tap_before(struct path_flight *flight, __u32 index, struct path_worker *worker)
{
	__u32 from = STAGE_none;

	flight->hops = 0;
	flight->first = worker->sent;
	if (worker->sent_run) {
		flight->first = worker->sent_run;
		if (worker->sent_kick) {
			flight->first = worker->sent_kick;
			flight_hop(flight, index, SONDE_PROBE, NULL, STAGE_kick, CELL_none, worker->sent_kick);
			from = STAGE_kick;
		}
		flight_hop(flight, index, SONDE_PROBE, NULL, STAGE_worker,
			   from ? path_edges[STAGE_worker][STAGE_kick] : CELL_none, worker->sent_run);
		from = STAGE_worker;
	}
	flight_hop(flight, index, SONDE_PROBE, NULL, STAGE_tun,
		   from ? path_edges[STAGE_tun][STAGE_worker] : CELL_none, worker->sent);
	return 0;
}

/* a packet begins on a tap: what came before is known of the vhost thread that sends it. Returns 1 if it has begun. */
static __always_inline int tap_begin(void *ctx, enum sonde_access access, struct sk_buff *skb)
{
	struct path_worker *worker;
	struct path_slot slot;
	__u64 begin;

	path_stage_first(ctx, access, skb, STAGE_tap_in);
	if (!path_active || !(path_begins & 1U << STAGE_tap_in))
		return 0;
	if (!flight_find(&slot, flight_key(access, skb)) || slot.flight->stage != STAGE_tap_in)
		return 0;
	worker = worker_here();
	if (!worker || !worker->sent)
		return 1;
	begin = slot.flight->first;
	tap_before(slot.flight, slot.index, worker);
	flight_hop(slot.flight, slot.index, access, skb, STAGE_tap_in, path_edges[STAGE_tap_in][STAGE_tun], begin);
	return 1;
}

static __noinline int tap_direct(void *ctx, struct sk_buff *skb)
{
	return tap_begin(ctx, SONDE_DIRECT, skb);
}

static __noinline int tap_probe(void *ctx, struct sk_buff *skb)
{
	return tap_begin(ctx, SONDE_PROBE, skb);
}

/* tun_do_read(tun, tfile, to, noblock, ptr): ptr is an skb that vhost has taken out of the tap's ring; bit 0: an XDP frame */
static __always_inline int vhost_do(void *ctx, enum sonde_access access, struct sk_buff *skb)
{
	struct path_worker *worker;
	struct path_slot slot;
	__u32 at;

	if (!flight_find(&slot, flight_key(access, skb)))
		return 0;
	path_step(ctx, access, skb, &slot, STAGE_vhost);
	if (*slot.key == 0 || slot.flight->stage != STAGE_vhost)
		return 0;
	worker = worker_make();
	at = worker ? worker->hands : PATH_HANDS;
	if (at >= PATH_HANDS) {
		flight_end(&slot, FATE_evicted);
		return 0;
	}
	/* the skb dies now; the flight stays where it is under a key that no skb and no looks can have */
	*slot.key = 1ULL << 62 | (__u64)(__u32)bpf_get_current_pid_tgid() << 24 | (++worker->taken & 0xffffff);
	worker->hand[at].key = *slot.key;
	worker->hand[at].index = slot.index;
	worker->hands = at + 1;
	return 0;
}

static __noinline int vhost_direct(void *ctx, struct sk_buff *skb)
{
	return vhost_do(ctx, SONDE_PROBE, skb);
}

static __always_inline int at_vhost(void *ctx, const __u64 *args, enum sonde_access access)
{
	if (!path_active || !args[4] || args[4] & 1)
		return 0;
	/* a pointer of no type: read by helper in any case */
	return vhost_direct(ctx, (struct sk_buff *)args[4]);
}

HOOK_FUNCTION(vhost, tun_do_read, at_vhost)

/* vhost_add_used_and_signal_n(dev, vq, heads, ...) writes the used ring and signals, if the guest wants that */
static __always_inline int at_used(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker = path_active ? worker_here() : NULL;

	if (!worker || !worker->hands)
		return 0;
	worker->used = bpf_ktime_get_ns();
	worker->irqfd = worker->inject = 0;
	return 0;
}

/* irqfd_wakeup(wait, mode, sync, key): within the signal */
static __always_inline int at_irqfd(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker = path_active ? worker_here() : NULL;

	if (worker && worker->hands && worker->used && !worker->irqfd)
		worker->irqfd = bpf_ktime_get_ns();
	return 0;
}

/* kvm_arch_set_irq_inatomic(entry, kvm, source, level, line_status): within irqfd_wakeup() */
static __always_inline int at_inject(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker = path_active ? worker_here() : NULL;

	if (worker && worker->hands && worker->irqfd && !worker->inject)
		worker->inject = bpf_ktime_get_ns();
	return 0;
}

HOOK_FUNCTION(used, vhost_add_used_and_signal_n, at_used)
/* not by fentry: on 6.12 that attaches to this function and never runs */
SEC("kprobe/irqfd_wakeup") int irqfd__kp__irqfd_wakeup(struct pt_regs *ctx)
{
	return at_irqfd(ctx, NULL, SONDE_PROBE);
}

HOOK_FUNCTION(inject, kvm_arch_set_irq_inatomic, at_inject)

/* one stage after the packet's skb is gone */
static __noinline int hand_step(struct path_flight *flight, __u32 index, __u32 from, __u32 to, __u64 at)
{
	if (from < STAGE_MAX && to < STAGE_MAX)
		flight_hop(flight, index, SONDE_PROBE, NULL, to,
			   path_reply_begins ? path_reply_edges[to][from] : path_edges[to][from], at);
	return 0;
}

/* a packet arrives in the guest: no skb is left, so user space reads the headers out of the trace's bytes */
static __always_inline void hand_event(void *ctx, struct path_flight *flight, __u32 index)
{
	struct path_packet *event;

	if (!event_wanted())
		return;
	event = event_reserve(sizeof(*event));
	if (!event)
		return;
	event->packet.length = 0;
	event_fill(event, index, flight, &path_arrived);
	event_submit(ctx, event, sizeof(*event));
}

static __noinline int hand_arrive(void *ctx, struct path_worker *worker, __u64 key, __u32 index)
{
	__u32 set = index / PATH_WAYS, way = index % PATH_WAYS;
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);
	struct path_flight *flight;
	__u64 used = worker->used;

	/* given up or evicted meanwhile */
	if (!bucket || bucket->key[way & (PATH_WAYS - 1)] != key)
		return 0;
	flight = &bucket->flight[way & (PATH_WAYS - 1)];
	/* where tasks are preempted a program may be skipped: then it is told from its return */
	if (used < flight->last)
		used = bpf_ktime_get_ns();
	hand_step(flight, index, STAGE_vhost, STAGE_used, used);
	if (worker->irqfd >= used)
		hand_step(flight, index, STAGE_used, STAGE_irqfd, worker->irqfd);
	if (worker->irqfd >= used && worker->inject >= worker->irqfd)
		hand_step(flight, index, STAGE_irqfd, STAGE_inject, worker->inject);
	if (cfg_details && flight_is_slow(flight))
		hand_event(ctx, flight, index);
	flight_count(index, FATE_none);
	return 0;
}

static __always_inline int hands_arrive(void *ctx)
{
	struct path_worker *worker = path_active ? worker_here() : NULL;

	if (!worker || !worker->hands)
		return 0;
	for (__u32 i = 0; i < PATH_HANDS; i++) {
		if (i >= worker->hands)
			break;
		hand_arrive(ctx, worker, worker->hand[i].key, worker->hand[i].index);
	}
	worker->hands = 0;
	worker->used = 0;
	return 0;
}

SEC("fexit/vhost_add_used_and_signal_n") int arrived__fx__vhost_add_used_and_signal_n(__u64 *ctx)
{
	return hands_arrive(ctx);
}

SEC("kretprobe/vhost_add_used_and_signal_n") int arrived__kr__vhost_add_used_and_signal_n(struct pt_regs *ctx)
{
	return hands_arrive(ctx);
}

/* tracepoints that fire for each device: the device tells which stage it is */

static __always_inline int queue_do(void *ctx, enum sonde_access access, struct sk_buff *skb)
{
	switch (path_role(access, SONDE_READ(access, skb, dev))) {
	case ROLE_phy:
		return path_stage(ctx, access, skb, STAGE_qdisc);
	case ROLE_vm:
		return path_stage(ctx, access, skb, STAGE_qdisc | PATH_IF_EDGE);
	case ROLE_none:
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
		stage_dequeue(ctx, SONDE_PROBE, skb);
	}
	return 0;
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
		if ((access == SONDE_DIRECT ? tap_direct(ctx, skb) : tap_probe(ctx, skb)) && cfg_gaps)
			path_gap(access, skb, CELL_gap_in);
		return 0;
	}
	return stage_backlog(ctx, access, skb);
}

/* netif_rx(skb) */
static __always_inline int at_port_in(void *ctx, const __u64 *args, enum sonde_access access)
{
	return stage_port_in(ctx, access, (struct sk_buff *)args[0]);
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

	if (path_role(access, SONDE_READ(access, skb, dev)) != ROLE_phy)
		return 0;
	path_stage_first(ctx, access, skb, STAGE_nic);
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

/* through ovs-vswitchd: the packet's memory is another one afterwards, so its looks are the key meanwhile */

static __noinline int identity_probe(struct sk_buff *skb, struct identity *identity)
{
	struct packet_place place;
	struct packet_tags tags;

	packet_locate(SONDE_PROBE, skb, &place, &tags);
	identity_of(&place, IDENTITY_PAYLOAD, identity);
	return 0;
}

/* path_flight.upcalled: packets that look the same and are on their way; the bit: they are not to be told apart */
#define UPCALL_AMBIGUOUS 0x80

/* the flight with this look that is in ovs-vswitchd; its payload is compared as far as it was known */
static __always_inline bool flight_find_look(struct path_slot *slot, const struct identity *identity)
{
	__u64 key = identity_key(identity);
	__u32 set = flight_set(key);
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);

	slot->bucket = bucket;
	if (!bucket)
		return false;
#pragma GCC unroll 4
	for (__u32 way = 0; way < PATH_WAYS; way++) {
		struct path_flight *flight = &bucket->flight[way];

		if (bucket->key[way] != key || flight->payload != identity->length ||
		    flight->skb != identity->payload)
			continue;
		slot->key = &bucket->key[way];
		slot->flight = flight;
		slot->index = set * PATH_WAYS + way;
		return true;
	}
	return false;
}

/* a way for a packet that goes to ovs-vswitchd; more than one can have the same key */
static __always_inline bool flight_claim_look(struct path_slot *slot, __u64 key)
{
	__u32 set = flight_set(key);

	slot->bucket = bpf_map_lookup_elem(&buckets, &set);
	if (!slot->bucket || !flight_way(slot, set, 0))
		return false;
	*slot->key = key;
	return true;
}

/*
 * A flight goes on under the looks of its packet. Called by numbers, as flight_count() and for the same reason; that
 * the packet is then read by helper calls is nothing beside an upcall.
 */
__noinline int flight_up(__u32 index, __u64 skb)
{
	struct path_slot slot, there;
	struct identity identity;

	if (!flight_at(&slot, index))
		return 0;
	identity_probe((struct sk_buff *)skb, &identity);
	if (!identity.headers) {
		flight_end(&slot, FATE_unreadable);
		return 0;
	}
	if (flight_find_look(&there, &identity)) {
		/* 127 equal ones at once are as good as more */
		if ((there.flight->upcalled & ~UPCALL_AMBIGUOUS) < UPCALL_AMBIGUOUS - 1)
			there.flight->upcalled++;
		there.flight->upcalled |= UPCALL_AMBIGUOUS;
		flight_end(&slot, FATE_ambiguous);
		return 0;
	}
	if (!flight_claim_look(&there, identity_key(&identity))) {
		flight_end(&slot, FATE_evicted);
		return 0;
	}
	flight_copy(&there, &slot);
	there.flight->skb = identity.payload;
	there.flight->payload = identity.length;
	there.flight->upcalled = 1;
	flight_free(&slot);
	return 0;
}

#define UPCALL_MISS 1	/* OVS_PACKET_CMD_MISS */

/*
 * queue_userspace_packet(dp, skb, key, upcall_info, cutlen): once a segment. A
 * flow's own action can send copies there too: only a miss takes the packet.
 */
static __always_inline int upcall_do(void *ctx, enum sonde_access access, struct sk_buff *skb, struct dp_upcall_info *info)
{
	struct path_slot slot;

	if (!path_active || !flight_find(&slot, flight_key(access, skb)))
		return 0;
	if (bpf_core_type_exists(struct dp_upcall_info)) {
		if (BPF_CORE_READ(info, cmd) != UPCALL_MISS)
			return 0;
	} else if (slot.flight->stage != STAGE_ovs && slot.flight->stage != STAGE_conntrack) {
		return 0;
	}
	path_step(ctx, access, skb, &slot, STAGE_upcall);
	flight_up(slot.index, sonde_address_of(skb));
	return 0;
}

static __noinline int upcall_direct(void *ctx, struct sk_buff *skb, struct dp_upcall_info *info)
{
	return upcall_do(ctx, SONDE_DIRECT, skb, info);
}

static __noinline int upcall_probe(void *ctx, struct sk_buff *skb, struct dp_upcall_info *info)
{
	return upcall_do(ctx, SONDE_PROBE, skb, info);
}

static __always_inline int at_upcall(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	struct dp_upcall_info *info = (struct dp_upcall_info *)args[3];

	return access == SONDE_DIRECT ? upcall_direct(ctx, skb, info) : upcall_probe(ctx, skb, info);
}

HOOK_FUNCTION(upcall, queue_userspace_packet, at_upcall)

/* the frame that ovs-vswitchd sends back lies at skb->data, and nothing is known of it yet */
static __noinline int frame_identity(struct sk_buff *skb, __u32 payload, struct identity *identity)
{
	struct packet_frame frame = {};
	struct wire_eth eth;

	packet_ask(SONDE_PROBE, skb, &frame.place);
	frame.data = sonde_address_of(SONDE_READ(SONDE_PROBE, skb, data)) - frame.place.cursor.head;
	frame.place.mac = frame.data;
	frame.device = PACKET_ETHER;
	identity->headers = 0;
	if (packet_read_frame(&frame, &eth))
		identity_of(&frame.place, payload, identity);
	return 0;
}

/* how many bytes of payload the flights with this key have hashed: those of the first that is not IDENTITY_PAYLOAD */
static __always_inline __u32 flight_payload(__u64 key)
{
	__u32 set = flight_set(key), payload = IDENTITY_PAYLOAD;
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);

	if (!bucket)
		return payload;
#pragma GCC unroll 4
	for (__u32 way = 0; way < PATH_WAYS; way++) {
		if (bucket->key[way] == key && bucket->flight[way].payload < payload)
			payload = bucket->flight[way].payload;
	}
	return payload;
}

/* as flight_up(): the packet has come back in this skb */
__noinline int flight_back(__u64 address)
{
	struct sk_buff *skb = (struct sk_buff *)address;
	struct path_slot there, slot;
	struct identity identity;
	__u32 payload = IDENTITY_PAYLOAD;

#pragma GCC unroll 2
	for (int turn = 0; turn < 2; turn++) {
		frame_identity(skb, payload, &identity);
		if (!identity.headers)
			return 0;
		if (flight_find_look(&there, &identity))
			break;
		/* a packet of which less was in the linear area when it left */
		payload = flight_payload(identity.headers);
		if (turn || payload == IDENTITY_PAYLOAD)
			return 0;
	}
	if (there.flight->upcalled & UPCALL_AMBIGUOUS) {
		/* the last of them: the others were counted when they left */
		if (--there.flight->upcalled == UPCALL_AMBIGUOUS)
			flight_end(&there, FATE_ambiguous);
		return 0;
	}
	if (!flight_claim(&slot, flight_key(SONDE_PROBE, skb)))
		return 0;
	flight_copy(&slot, &there);
	flight_free(&there);
	return 1;
}

/* ovs_flow_key_extract_userspace(net, attr, skb, key, log): the packet is a new skb with what was sent back */
static __always_inline int at_back(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[2];

	if (!path_active || !flight_back(sonde_address_of(skb)))
		return 0;
	return access == SONDE_DIRECT ? stage_direct(ctx, skb, STAGE_back) : stage_probe(ctx, skb, STAGE_back);
}

HOOK_FUNCTION(back, ovs_flow_key_extract_userspace, at_back)

/* returns not 0 when ovs-vswitchd cannot be asked: its socket is full, or nobody listens */
/* as flight_up() */
__noinline int flight_lost(__u64 skb)
{
	struct identity identity;
	struct path_slot slot;

	identity_probe((struct sk_buff *)skb, &identity);
	if (identity.headers && flight_find_look(&slot, &identity))
		flight_end(&slot, FATE_upcall_lost);
	return 0;
}

SEC("fexit/queue_userspace_packet") int upcall_lost__fx__queue_userspace_packet(__u64 *ctx)
{
	return path_active && (int)ctx[5] ? flight_lost(sonde_address_of((void *)ctx[1])) : 0;
}

/* the skb's memory moves while it is on its way */

/* flights by skb, between entry and exit of a function that gives the skb another head */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} moves SEC(".maps");

/* pskb_expand_head(skb, nhead, ntail, gfp) */
SEC("fentry/pskb_expand_head") int move__fe__pskb_expand_head(__u64 *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)ctx[0];
	__u64 key, id = ctx[0];
	struct path_slot slot;

	if (!path_active)
		return 0;
	key = flight_key(SONDE_DIRECT, skb);
	if (flight_find(&slot, key) && slot.flight->skb == id)
		bpf_map_update_elem(&moves, &id, &key, BPF_ANY);
	return 0;
}

static __always_inline void flight_move(__u64 from, __u64 to, __u64 skb)
{
	struct path_slot old, new;

	if (from == to || !flight_find(&old, from) || !flight_claim(&new, to))
		return;
	flight_copy(&new, &old);
	new.flight->skb = skb;
	flight_free(&old);
}

SEC("fexit/pskb_expand_head") int moved__fx__pskb_expand_head(__u64 *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)ctx[0];
	__u64 *from, key, id = ctx[0];

	if (!path_active)
		return 0;
	from = bpf_map_lookup_elem(&moves, &id);
	if (!from)
		return 0;
	key = *from;
	bpf_map_delete_elem(&moves, &id);
	flight_move(key, flight_key(SONDE_DIRECT, skb), id);
	return 0;
}

/* __skb_gso_segment(skb, features, tx_path): the first segment stands for the packet */
SEC("fexit/__skb_gso_segment") int segmented__fx____skb_gso_segment(__u64 *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)ctx[0], *first = (struct sk_buff *)ctx[3];

	/* an error as a pointer is no skb */
	if (!path_active || !first || ctx[3] >= (__u64)-4095)
		return 0;
	flight_move(flight_key(SONDE_DIRECT, skb), flight_key(SONDE_PROBE, first), ctx[3]);
	return 0;
}

/* the end of an skb is the end of its flight */

static __always_inline int freed_do(void *ctx, enum sonde_access access, struct sk_buff *skb,
				    const struct path_end *end)
{
	struct path_slot slot;

	if (!flight_find(&slot, flight_key(access, skb)))
		return 0;
	/* of a clone: the packet itself is elsewhere. No skb: it waits for its fragments, and is given up here. */
	if (slot.flight->skb != (__u64)skb && !(end->fate == FATE_dropped && !slot.flight->skb))
		return 0;
	if (end->fate == FATE_dropped) {
		struct path_drop drop = {
			.stage = slot.flight->stage,
			.reason = end->reason,
			.place = end->place,
		};
		__u64 *count, one = 1;

		count = bpf_map_lookup_elem(&path_drops, &drop);
		if (count) {
			__sync_fetch_and_add(count, 1);
		} else if (bpf_map_update_elem(&path_drops, &drop, &one, BPF_NOEXIST)) {
			/* another CPU may have made the row since */
			count = bpf_map_lookup_elem(&path_drops, &drop);
			if (count)
				__sync_fetch_and_add(count, 1);
			else
				loss_add(LOSS_rows);
		}
	}
	path_lose(ctx, access, skb, &slot, end);
	return 0;
}

static __noinline int freed_direct(void *ctx, struct sk_buff *skb, const struct path_end *end)
{
	return freed_do(ctx, SONDE_DIRECT, skb, end);
}

static __noinline int freed_probe(void *ctx, struct sk_buff *skb, const struct path_end *end)
{
	return freed_do(ctx, SONDE_PROBE, skb, end);
}

static __always_inline int path_freed(void *ctx, enum sonde_access access, struct sk_buff *skb,
				      const struct path_end *end)
{
	if (!path_active)
		return 0;
	return access == SONDE_DIRECT ? freed_direct(ctx, skb, end) : freed_probe(ctx, skb, end);
}

/* consume_skb(skb) */
static __always_inline int at_consume(void *ctx, const __u64 *args, enum sonde_access access)
{
	const struct path_end end = { .fate = FATE_consumed };

	return path_freed(ctx, access, (struct sk_buff *)args[0], &end);
}

/* kfree_skb(skb, location, reason) */
static __always_inline int at_drop(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct drop drop = drop_read(args);
	const struct path_end end = { .fate = FATE_dropped, .reason = drop.reason, .place = drop.place };

	return path_freed(ctx, access, drop.skb, &end);
}

/* kfree_skb_partial(skb, head_stolen): TCP has made it a part of the packet before */
static __always_inline int at_coalesced(void *ctx, const __u64 *args, enum sonde_access access)
{
	const struct path_end end = { .fate = FATE_merged };

	return path_freed(ctx, access, (struct sk_buff *)args[0], &end);
}

/*
 * inet_frag_queue_insert(queue, skb, offset, end): a fragment waits for the
 * others, for IPv4, IPv6 and connection tracking (since 5.1). The packet that
 * they make goes on in the memory of the first one, under another skb.
 */
static __always_inline int at_fragment(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_slot slot;

	if (!path_active || !flight_find(&slot, flight_key(access, (struct sk_buff *)args[1])))
		return 0;
	if ((__u32)args[2]) {
		flight_end(&slot, FATE_merged);
	} else {
		slot.flight->skb = 0;
	}
	return 0;
}

HOOK_FUNCTION(fragment, inet_frag_queue_insert, at_fragment)
HOOK_TRACEPOINT(consume, consume_skb, at_consume)
HOOK_TRACEPOINT(drop, kfree_skb, at_drop)
HOOK_FUNCTION(coalesced, kfree_skb_partial, at_coalesced)

/*
 * skb_attempt_defer_free(skb): since 5.18 how TCP is done with what was read, on 7.3 UDP too. On the CPU
 * where the skb was made it is freed without a tracepoint.
 */
HOOK_FUNCTION(deferred, skb_attempt_defer_free, at_consume)
