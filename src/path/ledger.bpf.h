/* SPDX-License-Identifier: GPL-2.0-only */
/* ledger.bpf.h: a flight ends, and what it was at is counted; a new one takes a way in the table. */
#ifndef NETSONDE_PATH_LEDGER_BPF_H
#define NETSONDE_PATH_LEDGER_BPF_H

#include "path/cell.bpf.h"
#include "path/flight.bpf.h"
#include "path/flow.bpf.h"

/* as fate of a flight that goes on */
#define FLIGHT_GOES_ON FATE_MAX

/*
 * What became of a flight (FATE_none: it has arrived) and the times between its stages are added to what this
 * CPU counts; then its way is free. Called by number: such a function is verified once, not at each call.
 */
__noinline int flight_count(__u32 index, __u32 fate)
{
	__u32 set = index / PATH_WAYS, hops, upcall;
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
	} else {
		__u64 what = fate;

		BELOW(what, FATE_MAX, goes_on);
		__sync_fetch_and_add(&here->counts.fates[what], 1);
goes_on:;
	}
	if (cfg_flows)
		flow_count(index, fate);
	hops = cfg_details ? 0 : flight->hops;
	/* once if upcalled is not 0; by no branch, for which the verifier would walk the loop twice */
	upcall = (flight->upcalled + 255U) / 256 * path_upcall_cells;
	for (__u32 i = 1; i < PATH_HOPS; i++) {
		if (i >= hops)
			break;
		path_add(here, flight->mark[i].cell + upcall, flight->at[i] - flight->at[i - 1]);
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
	__u64 first = ~0ULL;
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
	for (__u32 way = 0; way < PATH_WAYS; way++) {
		if (bucket->key[way] > PATH_TAKEN && bucket->flight[way].first < first) {
			first = bucket->flight[way].first;
			oldest = way;
		}
	}
	if (first == ~0ULL)
		return false;
	flight_take(slot, set, oldest);
	/* it may have ended on another CPU since */
	if (*slot->key > PATH_TAKEN)
		flight_end(slot, FATE_evicted);
claimed:
	/* until it has begun it is the youngest, and not too late for user space either */
	slot->flight->first = ~0ULL;
	*slot->key = key;
	return true;
}

#endif
