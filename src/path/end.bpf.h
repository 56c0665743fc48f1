/* SPDX-License-Identifier: GPL-2.0-only */
/* end.bpf.h: the memory of a packet moves, becomes a part of another one's, or is freed. */
#ifndef NETSONDE_PATH_END_BPF_H
#define NETSONDE_PATH_END_BPF_H

#include "drop.bpf.h"
#include "path/device.bpf.h"
#include "path/step.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct path_drop);
	__type(value, __u64);
} path_drops SEC(".maps");

/* flights by skb, between entry and exit of a function that gives the skb another head */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
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
	if (flight_find(&slot, key) && slot.flight->skb == id && bpf_map_update_elem(&moves, &id, &key, BPF_ANY))
		loss_add(LOSS_moves);
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

/* __kfree_skb(skb): how TCP frees what it has used up itself, such as pure ACKs; without a tracepoint */
static __always_inline int at_freed(void *ctx, const __u64 *args, enum sonde_access access)
{
	__u32 zero = 0;
	__u64 *packet = path_active ? bpf_map_lookup_elem(&gro_packets, &zero) : NULL;
	struct path_slot slot;

	/* so does GRO what it has made a part of another packet: at_merged() is next */
	if (packet && *packet && *packet == flight_key(access, (struct sk_buff *)args[0]) &&
	    flight_find(&slot, *packet) && (slot.flight->stage == STAGE_nic || slot.flight->stage == STAGE_tunnel))
		return 0;
	return at_consume(ctx, args, access);
}

HOOK_FUNCTION(freed, __kfree_skb, at_freed)

/*
 * skb_attempt_defer_free(skb): since 5.18 how TCP is done with what was read, on 7.3 UDP too. On the CPU
 * where the skb was made it is freed without a tracepoint.
 */
HOOK_FUNCTION(deferred, skb_attempt_defer_free, at_consume)

#endif
