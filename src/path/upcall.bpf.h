/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * upcall.bpf.h: a packet on its way through ovs-vswitchd: its memory is another one afterwards, so its looks
 * are the key meanwhile.
 */
#ifndef NETSONDE_PATH_UPCALL_BPF_H
#define NETSONDE_PATH_UPCALL_BPF_H

#include "identity.bpf.h"
#include "kernel/ovs.h"
#include "path/step.bpf.h"

static __noinline int identity_probe(struct sk_buff *skb, struct identity *identity)
{
	struct packet_place place;
	struct packet_tags tags;

	packet_locate(SONDE_PROBE, skb, &place, &tags);
	identity_of(&place, IDENTITY_PAYLOAD, identity);
	identity->whole = !SONDE_READ(SONDE_PROBE, skb, data_len);
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
		flight_take(slot, set, way);
		return true;
	}
	return false;
}

/* a way for a packet that goes to ovs-vswitchd; more than one can have the same key. Returns what becomes of it if not. */
static __always_inline enum path_fate flight_claim_look(struct path_slot *slot, __u64 key)
{
	__u32 set = flight_set(key);
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);

	slot->bucket = bucket;
	if (!bucket)
		return FATE_evicted;
	if (!flight_way(slot, set, 0))
		/* headers alone, since the payload is not at hand, tell no more than so many packets apart */
		return bucket->key[0] == key && bucket->key[1] == key && bucket->key[2] == key &&
		       bucket->key[3] == key ? FATE_ambiguous : FATE_evicted;
	*slot->key = key;
	return FATE_none;
}

/*
 * A flight goes on under the looks of its packet. Called by numbers, as flight_count() and for the same reason; that
 * the packet is then read by helper calls is nothing beside an upcall. Returns FATE_none, or what becomes of it if it cannot.
 */
__noinline int flight_up(__u32 index, __u64 skb)
{
	struct path_slot slot, there;
	struct identity identity;
	enum path_fate fate;

	if (!flight_at(&slot, index))
		return FATE_none;
	identity_probe((struct sk_buff *)skb, &identity);
	if (!identity.headers)
		return FATE_unreadable;
	if (flight_find_look(&there, &identity)) {
		/* 127 equal ones at once are as good as more */
		if ((there.flight->upcalled & ~UPCALL_AMBIGUOUS) < UPCALL_AMBIGUOUS - 1)
			there.flight->upcalled++;
		there.flight->upcalled |= UPCALL_AMBIGUOUS;
		return FATE_ambiguous;
	}
	fate = flight_claim_look(&there, identity_key(&identity));
	if (fate)
		return fate;
	flight_copy(&there, &slot);
	there.flight->skb = identity.payload;
	there.flight->payload = identity.length;
	there.flight->upcalled = 1;
	flight_free(&slot);
	return FATE_none;
}

#define UPCALL_MISS 1	/* OVS_PACKET_CMD_MISS */

/*
 * queue_userspace_packet(dp, skb, key, upcall_info, cutlen): once a segment. A
 * flow's own action can send copies there too: only a miss takes the packet.
 */
static __always_inline int upcall_do(void *ctx, enum sonde_access access, struct sk_buff *skb, struct dp_upcall_info *info)
{
	struct path_end end = {};
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
	/* it was another packet's, or this is a copy */
	if (*slot.key <= PATH_TAKEN || slot.flight->stage != STAGE_upcall)
		return 0;
	end.fate = flight_up(slot.index, sonde_address_of(skb));
	if (end.fate)
		path_lose(ctx, access, skb, &slot, &end);
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
	identity->whole = payload == IDENTITY_PAYLOAD && !SONDE_READ(SONDE_PROBE, skb, data_len);
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
	slot.flight->skb = address;
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

/* as flight_up(): which flight is that of a packet in ovs-vswitchd. Returns its index and one, or 0. */
__noinline int flight_of_look(__u64 skb)
{
	struct identity identity;
	struct path_slot slot;

	identity_probe((struct sk_buff *)skb, &identity);
	return identity.headers && flight_find_look(&slot, &identity) ? slot.index + 1 : 0;
}

/* queue_userspace_packet() returns not 0 when ovs-vswitchd cannot be asked: its socket is full, or nobody listens */
SEC("fexit/queue_userspace_packet") int upcall_lost__fx__queue_userspace_packet(__u64 *ctx)
{
	const struct path_end end = { .fate = FATE_upcall_lost };
	struct path_slot slot;
	__u32 index;

	if (!path_active || !(int)ctx[5])
		return 0;
	index = flight_of_look(sonde_address_of((void *)ctx[1]));
	if (index && flight_at(&slot, index - 1))
		path_lose(ctx, SONDE_PROBE, (struct sk_buff *)ctx[1], &slot, &end);
	return 0;
}

#endif
