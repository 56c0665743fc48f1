/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * identity.bpf.h: what a packet looks like, as two hashes: for a packet whose
 * memory is not the same before and after, such as one that went through
 * ovs-vswitchd. Checksums of L4 are left out: one that was left to the NIC is
 * filled in on the way.
 */
#ifndef NETSONDE_IDENTITY_BPF_H
#define NETSONDE_IDENTITY_BPF_H

#include "packet.bpf.h"

#define IDENTITY_PAYLOAD 32	/* bytes of payload that tell packets with equal headers apart */
#define IDENTITY_WORDS 8

struct identity {
	__u64 headers;	/* L3 and L4; below 1 << 63 and never 0, or 0: not readable */
	__u64 payload;	/* of as many bytes as asked for */
	__u32 length;	/* of payload that is at hand and covered, 0 to IDENTITY_PAYLOAD */
	__u32 whole;	/* there is no more payload than what is covered, or as much as asked for: set by the caller */
};

/**
 * identity_key: the key of a packet in ovs-vswitchd. With all of the payload's first bytes where they are at
 * hand, or where there are no more: sockets that never fragment send IPv4 headers that are all the same.
 */
static __always_inline __u64 identity_key(const struct identity *identity)
{
	if (identity->length < IDENTITY_PAYLOAD && !identity->whole)
		return identity->headers;
	return ((identity->headers ^ identity->payload) * 0x9e3779b97f4a7c15ULL >> 1) | 1;
}

/* one round of a multiplicative hash; the constant is 2^64 divided by the golden ratio */
static __always_inline __u64 identity_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/* hash of length bytes at offset, less than 64, all of which are at hand */
static __always_inline __u64 identity_hash(const struct packet_cursor *cursor, __u32 offset, __u64 length, __u64 hash)
{
	__u64 words[IDENTITY_WORDS] = {};

#ifndef SONDE_NATIVE
	/* the verifier must see the mask on the register that is the helper's argument */
	asm volatile("" : "+r"(length));
#endif
	length &= sizeof(words) - 1;
	if (SONDE_COPY(words, length, (void *)(cursor->head + offset)))
		return 0;
#pragma GCC unroll 8
	for (int i = 0; i < IDENTITY_WORDS; i++)
		hash = identity_mix(hash, words[i]);
	return hash;
}

/* bytes of an L4 header that never change on the way */
static __always_inline __u64 identity_l4(const struct packet_l4 *l4, __u32 *header)
{
	__u64 words[3] = {};

	switch (l4->protocol) {
	case PACKET_TCP:
		/* ports, sequence numbers, flags, window; not the checksum behind them */
		*header = 20;
		if (packet_load(&l4->cursor, l4->offset, words, 16))
			return 0;
		break;
	case PACKET_UDP:
		*header = 8;
		if (packet_load(&l4->cursor, l4->offset, words, 6))
			return 0;
		break;
	case PACKET_SCTP:
		*header = 12;
		if (packet_load(&l4->cursor, l4->offset, words, 8))
			return 0;
		break;
	case PACKET_ICMP:
	case PACKET_ICMP6:
		*header = 8;
		if (packet_load(&l4->cursor, l4->offset, words, 2) ||
		    packet_load(&l4->cursor, l4->offset + 4, &words[1], 4))
			return 0;
		break;
	default:
		*header = 0;
		return l4->protocol + 1;
	}
	return identity_mix(identity_mix(identity_mix(l4->protocol, words[0]), words[1]), words[2]) | 1;
}

static __always_inline __u64 identity_ip(const struct packet_place *place, struct packet_l4 *l4)
{
	struct packet_cursor cursor = place->cursor;
	union wire_l3 wire;

	if (place->type == PACKET_IP4) {
		if (packet_ip4(&cursor, place->l3, &wire.ip4))
			return 0;
		packet_ip4_l4(&cursor, place->l3, &wire.ip4, l4);
		return identity_hash(&cursor, place->l3, sizeof(wire.ip4), PACKET_IP4);
	}
	if (packet_ip6(&cursor, place->l3, &wire.ip6))
		return 0;
	packet_ip6_l4(&cursor, place->l3, &wire.ip6, l4);
	return identity_mix(identity_hash(&cursor, place->l3, sizeof(wire.ip6), PACKET_IP6),
			    l4->fragment_id);
}

/**
 * identity_of: of the packet whose L3 header is at place. payload: how many
 * bytes of payload to hash; IDENTITY_PAYLOAD: as many of them as are at hand.
 */
static __always_inline void identity_of(const struct packet_place *place, __u32 payload, struct identity *identity)
{
	struct packet_l4 l4 = {};
	__u32 header = 0, at_hand;
	__u64 hash, transport;

	*identity = (struct identity){};
	if (place->type == PACKET_IP4 || place->type == PACKET_IP6) {
		hash = identity_ip(place, &l4);
		if (!hash || l4.flags & (SONDE_TRUNCATED | SONDE_MALFORMED))
			return;
		if (!l4.fragment_offset) {
			transport = identity_l4(&l4, &header);
			if (!transport)
				return;
			hash = identity_mix(hash, transport);
		}
	} else {
		/* ARP, LLDP ...: all that is at hand is payload */
		hash = identity_mix(place->type, 1);
		l4.cursor = place->cursor;
		l4.offset = place->l3;
	}
	identity->headers = (hash >> 1) | 1;
	l4.offset += header;
	at_hand = l4.offset < l4.cursor.end ? l4.cursor.end - l4.offset : 0;
	if (payload > at_hand)
		payload = at_hand;
	if (payload > IDENTITY_PAYLOAD)
		payload = IDENTITY_PAYLOAD;
	identity->length = payload;
	if (payload)
		identity->payload = identity_hash(&l4.cursor, l4.offset, payload, 1);
}

enum identity_icmp {
	ICMP_ECHO_REPLY = 0,
	ICMP_ECHO_REQUEST = 8,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
};

/**
 * identity_echo: the key of an ICMP or ICMPv6 echo request, or of the reply to
 * it, which is the same; 0: it is neither, or the other one. Goes by no length,
 * which a header that is about to be sent does not have yet.
 */
static __always_inline __u64 identity_echo(const struct packet_place *place, bool request)
{
	struct wire_icmp icmp;
	union wire_l3 wire;
	__u32 offset;
	__u64 hash;

	if (place->type == PACKET_IP4) {
		if (packet_ip4(&place->cursor, place->l3, &wire.ip4) || wire.ip4.protocol != PACKET_ICMP)
			return 0;
		offset = place->l3 + (wire.ip4.version_ihl & 15) * 4;
		hash = wire.ip4.src ^ wire.ip4.dst;
	} else if (place->type == PACKET_IP6) {
		if (packet_ip6(&place->cursor, place->l3, &wire.ip6) || wire.ip6.next != PACKET_ICMP6)
			return 0;
		offset = place->l3 + sizeof(wire.ip6);
		hash = identity_mix(wire.ip6.src.quad[0] ^ wire.ip6.dst.quad[0],
				    wire.ip6.src.quad[1] ^ wire.ip6.dst.quad[1]);
	} else {
		return 0;
	}
	if (packet_load(&place->cursor, offset, &icmp, sizeof(icmp)))
		return 0;
	if (icmp.type != (place->type == PACKET_IP4 ? request ? ICMP_ECHO_REQUEST : ICMP_ECHO_REPLY :
			  request ? ICMP6_ECHO_REQUEST : ICMP6_ECHO_REPLY))
		return 0;
	hash = identity_mix(identity_mix(hash, place->type), (__u64)icmp.id << 16 | icmp.seq);
	return (hash >> 1) | 1;
}

#endif
