/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * look.bpf.h: what a packet looks like, as one number, the same on its way to
 * ovs-vswitchd and back: there it is an skb, here bytes of a message. Plain
 * IPv4 is one read; all else goes the way of identity.bpf.h.
 */
#ifndef NETSONDE_LOOK_BPF_H
#define NETSONDE_LOOK_BPF_H

#include "identity.bpf.h"

/* of a message: the attribute's header, the frame's, and of L3 as much as look_plain() reads */
#define LOOK_L3_BYTES 40
#define LOOK_FRAME_AT 4
#define LOOK_L3_AT (LOOK_FRAME_AT + sizeof(struct wire_eth))

/*
 * IPv4 without options, no fragment, TCP, UDP or ICMP, read in words from its L3 header on; 0: another, or less than
 * its headers at hand. The same fields as in identity.bpf.h: no checksum of L4, no payload.
 */
static __always_inline __u64 look_plain(__u64 *words, __u64 at_hand)
{
	__u64 hash;

	/* little endian, as all machines with these programs are: version and length first, protocol in byte 9 */
	if ((words[0] & 0xff) != 0x45 || words[0] >> 48 & 0xff3f || at_hand < 28)
		return 0;
	switch (words[1] >> 8 & 0xff) {
	case PACKET_TCP:
		if (at_hand < 40)
			return 0;
		words[4] &= 0xffffffff;
		break;
	case PACKET_UDP:
		words[3] &= 0xffff;
		words[4] = 0;
		break;
	case PACKET_ICMP:
		words[2] &= 0x0000ffffffffffff;
		words[3] &= 0xffffffff;
		words[4] = 0;
		break;
	default:
		return 0;
	}
	hash = identity_mix(identity_mix(words[0], words[1]), words[2]);
	return identity_mix(identity_mix(hash, words[3]), words[4]) | 1;
}

/* headers tell IP packets apart; of others the first bytes do */
static __always_inline __u64 look_slow(const struct packet_place *place)
{
	const bool ip = place->type == PACKET_IP4 || place->type == PACKET_IP6;
	struct identity identity;

	identity_of(place, ip ? 0 : IDENTITY_PAYLOAD, &identity);
	return identity.headers ^ identity.payload;
}

static __always_inline __u64 look_skb_slow(enum sonde_access access, struct sk_buff *skb)
{
	struct packet_place place;
	struct packet_tags tags;

	packet_locate(access, skb, &place, &tags);
	return look_slow(&place);
}

static __noinline int look_skb_direct(struct sk_buff *skb, __u64 *look)
{
	if (look)
		*look = look_skb_slow(SONDE_DIRECT, skb);
	return 0;
}

static __noinline int look_skb_probe(struct sk_buff *skb, __u64 *look)
{
	if (look)
		*look = look_skb_slow(SONDE_PROBE, skb);
	return 0;
}

/* L3 of a packet, if the skb's own words say that it is IPv4 and where */
struct look_head {
	__u64 words[LOOK_L3_BYTES / 8];
	__u64 at_hand;	/* bytes; 0: it is something else. What lies behind the tail is in words too. */
};

static __always_inline void look_head(enum sonde_access access, struct sk_buff *skb, struct look_head *head)
{
	struct packet_place place;

	head->at_hand = 0;
	packet_ask(access, skb, &place);
	if (place.type == PACKET_IP4 && packet_is_plain(&place) &&
	    !SONDE_COPY(head->words, sizeof(head->words), (void *)(place.cursor.head + place.l3)))
		head->at_hand = place.cursor.end - place.l3;
}

/** look_of_head: of a packet that goes to ovs-vswitchd; its look_head() is used up. 0: its headers cannot be read. */
static __always_inline __u64 look_of_head(enum sonde_access access, struct sk_buff *skb, struct look_head *head)
{
	__u64 look = head->at_hand ? look_plain(head->words, head->at_hand) : 0;

	if (look)
		return look;
	if (access == SONDE_DIRECT)
		look_skb_direct(skb, &look);
	else
		look_skb_probe(skb, &look);
	return look;
}

/** look_skb: the same, by the packet alone. Cost: 140 instructions for plain IPv4. */
static __always_inline __u64 look_skb(enum sonde_access access, struct sk_buff *skb)
{
	struct look_head head;

	look_head(access, skb, &head);
	return look_of_head(access, skb, &head);
}

/* a frame in memory */
struct look_frame {
	__u64 at, length;
};

static __noinline int look_frame_slow(const struct look_frame *frame, __u64 *look)
{
	struct packet_frame packet = {};
	struct wire_eth eth;

	if (!frame || !look)
		return 0;
	packet.place.cursor.head = frame->at;
	packet.place.cursor.end = frame->length;
	packet.device = PACKET_ETHER;
	*look = packet_read_frame(&packet, &eth) ? look_slow(&packet.place) : 0;
	return 0;
}

/* so placed that L3 begins with a word */
union look_bytes {
	__u64 words[(24 + LOOK_L3_BYTES) / 8];
	__u16 halves[(24 + LOOK_L3_BYTES) / 2];
};

/* bytes: the start of the frame, from its Ethernet header on, as far as 24 + LOOK_L3_BYTES */
static __always_inline __u64 look_bytes(union look_bytes *bytes, const struct look_frame *frame)
{
	__u64 look = 0;

	if (frame->length > sizeof(struct wire_eth) && bytes->halves[11] == bpf_htons(PACKET_IP4))
		look = look_plain(&bytes->words[3], frame->length - sizeof(struct wire_eth));
	if (!look)
		look_frame_slow(frame, &look);
	return look;
}

/** look_frame: of a packet that comes back, by its frame in memory; 0 as above. */
static __always_inline __u64 look_frame(const struct look_frame *frame)
{
	union look_bytes bytes;

	if (SONDE_COPY((char *)&bytes + 24 - sizeof(struct wire_eth), sizeof(struct wire_eth) + LOOK_L3_BYTES,
		       (void *)frame->at))
		return 0;
	return look_bytes(&bytes, frame);
}

/** look_attribute: the same, by the netlink attribute that holds the frame. */
static __always_inline __u64 look_attribute(const void *attribute)
{
	union look_bytes bytes;
	struct look_frame frame;

	if (SONDE_COPY((char *)&bytes + 24 - LOOK_L3_AT, LOOK_L3_AT + LOOK_L3_BYTES, attribute))
		return 0;
	frame.at = (__u64)attribute + LOOK_FRAME_AT;
	frame.length = bytes.halves[(24 - LOOK_L3_AT) / 2];
	if (frame.length <= LOOK_L3_AT)
		return 0;
	frame.length -= LOOK_FRAME_AT;
	return look_bytes(&bytes, &frame);
}

#endif
