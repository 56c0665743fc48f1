/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the packet parser found in one packet, and the flow a packet belongs to.
 * Written by bpf/packet.bpf.h, printed by core/packet.c.
 *
 * Numbers are in host byte order; addresses are bytes as on the wire. A member
 * is valid only if the bit of its header is set in .has: the rest is not
 * cleared, because events are not.
 */
#ifndef NETSONDE_ABI_PACKET_H
#define NETSONDE_ABI_PACKET_H

#include <linux/types.h>

/** IPv4: byte[0..3], the rest zero. */
union sonde_address {
	__u8 byte[16];
	__u32 word[4];
	__u64 quad[2];
};

/** Bits of sonde_headers.has, and the members that each makes valid. */
enum sonde_has {
	SONDE_HAS_ETH = 1 << 0,		/* eth_* */
	SONDE_HAS_IP4 = 1 << 1,		/* src, dst, protocol, ttl, tos, ip_id, ip_length, ... */
	SONDE_HAS_IP6 = 1 << 2,		/* the same and flow_label; ip_id only in fragments */
	SONDE_HAS_FRAGMENT = 1 << 3,	/* IPv4 or IPv6: a piece of a fragmented packet */
	SONDE_HAS_ARP = 1 << 4,		/* arp, src = sender's and dst = target's IPv4 address */
	SONDE_HAS_TCP = 1 << 5,
	SONDE_HAS_UDP = 1 << 6,
	SONDE_HAS_SCTP = 1 << 7,
	SONDE_HAS_ICMP = 1 << 8,
	SONDE_HAS_ICMP6 = 1 << 9,	/* icmp */
};

/** Bits of sonde_headers.flags. */
enum sonde_headers_flags {
	SONDE_TRUNCATED = 1 << 0,	/* a header that was announced is not at hand */
	SONDE_MALFORMED = 1 << 1,	/* a header contradicts itself: the rest is ignored */
	SONDE_DONT_FRAGMENT = 1 << 2,
	SONDE_MORE_FRAGMENTS = 1 << 3,
};

#define SONDE_VLANS 3	/* one held in the skb, two in the frame */

struct sonde_vlan {
	__u16 tpid;	/* 0x8100 or 0x88a8 */
	__u16 tci;	/* priority 3 bits, drop eligible 1, id 12 */
};

struct sonde_tcp {
	__u16 src_port, dst_port;
	__u32 seq, ack;
	__u16 window;	/* as in the header, not scaled */
	__u16 flags;	/* 9 bits, FIN = 1 */
};

struct sonde_udp {
	__u16 src_port, dst_port;
	__u16 length;
};

struct sonde_sctp {
	__u16 src_port, dst_port;
	__u32 vtag;
};

struct sonde_icmp {
	__u8 type, code;
	__u16 id, seq;	/* of echo messages */
};

struct sonde_arp {
	__u16 op;
	__u8 sender_mac[6], target_mac[6];
};

/** Headers from Ethernet to L4, of the packet or of what a tunnel carries. 96 bytes. */
struct sonde_headers {
	__u16 has;		/* enum sonde_has */
	__u16 eth_type;		/* last EtherType that was read: behind the VLAN tags; 0 unknown */
	__u8 eth_dst[6], eth_src[6];
	struct sonde_vlan vlan[SONDE_VLANS];	/* outermost first */
	__u8 vlans;		/* entries of vlan[] that count */
	__u8 vlan_in_tag;	/* 1: vlan[0] is held in the skb, not in the frame */
	__u8 flags;		/* enum sonde_headers_flags */
	__u8 protocol;		/* of L4, behind IPv6 extension headers */
	union sonde_address src, dst;
	__u8 ttl, tos;		/* IPv6: hop limit, traffic class */
	__u16 fragment_offset;	/* bytes */
	__u32 ip_id;
	__u32 ip_length;	/* as the header says, with itself; 0: GSO, above 65,535 */
	__u32 flow_label;
	union {
		struct sonde_tcp tcp;
		struct sonde_udp udp;
		struct sonde_sctp sctp;
		struct sonde_icmp icmp;
		struct sonde_arp arp;
	};
};

enum sonde_tunnel {
	SONDE_NO_TUNNEL,
	SONDE_VXLAN,
	SONDE_GENEVE,
};

/** A packet: 112 bytes, and 96 for what a tunnel carries. */
struct sonde_packet {
	__u32 length;	/* from the first known header on, with a tag that the skb holds */
	__u32 linear;	/* bytes readable from start on: those in the skb's linear area */
	__u16 start;	/* offset from skb->head of that header: Ethernet, else L3 */
	__u8 tunnel;	/* enum sonde_tunnel; SONDE_NO_TUNNEL: inner is not written */
	__u8 unused;
	__u32 vni;
	struct sonde_headers outer;
	struct sonde_headers inner;
};

/**
 * The flow of a packet, as a key: each of the 40 bytes is written. Ports are
 * zero for protocols that have none and for fragments that do not carry them.
 */
struct sonde_flow {
	union sonde_address src, dst;
	__u16 src_port, dst_port;
	__u8 protocol;		/* of L4; 0 with family 0 and for ARP */
	__u8 family;		/* 4 (ARP too), 6, 0: addresses unknown */
	__u16 eth_type;		/* 0 unknown */
};

_Static_assert(sizeof(struct sonde_headers) == 96, "printed as one table, kept in each event");
_Static_assert(sizeof(struct sonde_packet) == 208, "no holes");
_Static_assert(sizeof(struct sonde_flow) == 40, "a key has no holes");

#endif
