/* SPDX-License-Identifier: GPL-2.0-only */
/* flight.bpf.h: the table of packets in flight, by the memory of their skbs. */
#ifndef NETSONDE_PATH_FLIGHT_BPF_H
#define NETSONDE_PATH_FLIGHT_BPF_H

#include "abi/path.h"
#include "kernel/skb.h"
#include "read.bpf.h"
#include "path/settings.bpf.h"

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

/* where a flight stands */
struct path_slot {
	struct path_bucket *bucket;
	struct path_flight *flight;
	__u64 *key;
	__u32 index;	/* of its trace */
	__u32 unused;
};

static __always_inline __u64 flight_key(enum sonde_access access, struct sk_buff *skb)
{
	return sonde_address_of(SONDE_READ(access, skb, head));
}

static __always_inline __u32 flight_set(__u64 key)
{
	return key * 0x9e3779b97f4a7c15ULL >> 40 & path_set_mask;
}

/* way: modulo PATH_WAYS; by a number that the verifier no longer knows: else it walks all that follows once more for each way */
static __always_inline void flight_take(struct path_slot *slot, __u32 set, __u32 way)
{
	way = sonde_forget(way) & (PATH_WAYS - 1);
	slot->key = &slot->bucket->key[way];
	slot->flight = &slot->bucket->flight[way];
	slot->index = set * PATH_WAYS + way;
}

/* the way of a key in its bucket: false if it is in none */
static __always_inline bool flight_way(struct path_slot *slot, __u32 set, __u64 key)
{
	struct path_bucket *bucket = slot->bucket;

#pragma GCC unroll 4
	for (__u32 way = 0; way < PATH_WAYS; way++) {
		if (bucket->key[way] == key) {
			flight_take(slot, set, way);
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
	__u32 set = index / PATH_WAYS;

	slot->bucket = bpf_map_lookup_elem(&buckets, &set);
	if (!slot->bucket)
		return false;
	flight_take(slot, set, index);
	return true;
}

static __always_inline void flight_free(struct path_slot *slot)
{
	*slot->key = 0;
}

#endif
