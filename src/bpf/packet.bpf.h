/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * packet.bpf.h: from an skb to its headers. One parser for the filter, for flow
 * keys and for whole packets, and for unit tests (SONDE_NATIVE).
 *
 * An skb may be met anywhere between a driver and a socket, so nothing about
 * it is taken for granted: header offsets may be unset or left over from
 * another layer, a VLAN tag may stand in the skb, in the frame or in both, and
 * the bytes are whatever someone sent. Only the linear area can be read.
 */
#ifndef NETSONDE_PACKET_BPF_H
#define NETSONDE_PACKET_BPF_H

#include <bpf/bpf_endian.h>

#include "abi/packet.h"
#include "abi/types.h"
#include "kernel/skb.h"
#include "read.bpf.h"

#define PACKET_ETHER 1			/* ARPHRD_ETHER */
#define PACKET_LOOPBACK 772		/* ARPHRD_LOOPBACK: also has an Ethernet header */
#define PACKET_NO_DEVICE 0xffff		/* ARPHRD_VOID: no device has it */
#define PACKET_MAC_UNSET 0xffff
#define PACKET_FRAME_VLANS 2
/* below this a type field is a length (IEEE 802.3), and skb->protocol the kernel's own number */
#define PACKET_TYPE_MIN 0x0600
#define PACKET_EXTENSIONS 6		/* IPv6 extension headers that are followed */

enum packet_type {
	PACKET_IP4 = 0x0800,
	PACKET_ARP = 0x0806,
	PACKET_TEB = 0x6558,		/* Ethernet inside Geneve */
	PACKET_VLAN = 0x8100,
	PACKET_IP6 = 0x86dd,
	PACKET_QINQ = 0x88a8,
};

enum packet_protocol {
	PACKET_HOP_BY_HOP = 0,
	PACKET_ICMP = 1,
	PACKET_TCP = 6,
	PACKET_UDP = 17,
	PACKET_ROUTING = 43,
	PACKET_FRAGMENT = 44,
	PACKET_AH = 51,
	PACKET_ICMP6 = 58,
	PACKET_DEST_OPTIONS = 60,
	PACKET_SCTP = 132,
};

enum packet_port {
	PACKET_VXLAN_PORT = 4789,
	PACKET_VXLAN_LINUX_PORT = 8472,	/* from before one was assigned, Linux's default */
	PACKET_GENEVE_PORT = 6081,
};

/* headers as on the wire */

struct wire_eth {
	__u8 dst[6], src[6];
	__be16 type;
};

struct wire_vlan {
	__be16 tci, type;
};

struct wire_ip4 {
	__u8 version_ihl, tos;
	__be16 length, id, fragment;
	__u8 ttl, protocol;
	__be16 checksum;
	__u32 src, dst;
};

struct wire_ip6 {
	__be32 first;		/* version 4 bits, traffic class 8, flow label 20 */
	__be16 length;
	__u8 next, hop_limit;
	union sonde_address src, dst;
};

struct wire_extension {
	__u8 next, length;
	__be16 fragment;	/* the rest: of a fragment header */
	__be32 id;
};

struct wire_arp {
	__be16 hardware, protocol;
	__u8 hardware_length, protocol_length;
	__be16 op;
	__u8 sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
};

union wire_l3 {
	struct wire_ip4 ip4;
	struct wire_ip6 ip6;
	struct wire_arp arp;
};

struct wire_tcp {
	__be16 src_port, dst_port;
	__be32 seq, ack;
	__be16 flags, window, checksum, urgent;
};

struct wire_udp {
	__be16 src_port, dst_port, length, checksum;
};

struct wire_sctp {
	__be16 src_port, dst_port;
	__be32 vtag;
};

struct wire_icmp {
	__u8 type, code;
	__be16 checksum, id, seq;
};

struct wire_vxlan {
	__u8 flags, reserved[3], vni[3], last;
};

struct wire_geneve {
	__u8 version_length, flags;
	__be16 type;
	__u8 vni[3], last;
};

/*
 * Structs below have no holes: the compiler copies holes too, and the verifier
 * refuses to read what nobody wrote.
 */

/** The bytes that may be read: offsets from head, below end. */
struct packet_cursor {
	__u64 head;
	__u64 end;
};

/** Where a packet's L3 header is. Small, so that it lives in registers. */
struct packet_place {
	struct packet_cursor cursor;
	__u32 mac;		/* skb->mac_header, believed or not */
	__u32 l3;
	__u64 type;		/* EtherType at l3, 0 unknown */
};

/** VLAN tags in a frame, as far as they were read. */
struct packet_tags {
	__u16 count;
	__u16 flags;		/* SONDE_TRUNCATED */
	struct sonde_vlan vlan[PACKET_FRAME_VLANS];
};

/** The start of a frame, for what an skb's own words leave open. */
struct packet_frame {
	struct packet_place place;
	struct packet_tags tags;
	__u16 protocol;		/* skb->protocol */
	__u16 device;		/* ARPHRD_* of the skb's device, or PACKET_NO_DEVICE */
	__u64 data;		/* skb->data */
};

/** Where a packet's L4 header is. */
struct packet_l4 {
	struct packet_cursor cursor;	/* ends with the IP packet: behind it is padding */
	__u32 offset;
	__u32 fragment_id;
	__u16 fragment_offset;	/* bytes; not 0: no L4 header here */
	__u8 protocol;
	__u8 has;		/* SONDE_HAS_FRAGMENT: a piece of a fragmented packet */
	__u8 flags;		/* MORE_FRAGMENTS; TRUNCATED, MALFORMED: no L4 to read */
	__u8 unused[3];
};

struct packet_tunnel {
	__u32 offset;		/* of what is carried */
	__u32 vni;
	__u16 type;		/* of what is carried: PACKET_TEB or a type of L3 */
	__u8 kind;		/* enum sonde_tunnel */
	__u8 flags;		/* SONDE_TRUNCATED */
};

/** packet_load: len bytes at an offset from head; 0, or not 0 if they are not all there. */
static __always_inline int packet_load(const struct packet_cursor *cursor, __u32 off, void *dst,
				       const __u32 len)
{
	if (off > cursor->end || cursor->end - off < len)
		return -1;
	return SONDE_COPY(dst, len, (void *)(cursor->head + off));
}

static __always_inline bool packet_is_vlan(__u16 type)
{
	return type == PACKET_VLAN || type == PACKET_QINQ;
}

static __always_inline bool packet_has_ports(__u8 protocol)
{
	return protocol == PACKET_TCP || protocol == PACKET_UDP || protocol == PACKET_SCTP;
}

/**
 * sonde_dev: the skb's device, or NULL if it has none now. skb->dev shares its
 * place with UDP's dev_scratch and with a pointer to another skb while the skb
 * is in a tree (TCP out of order queue, netem), so it is believed only if the
 * device's first transmit queue points back to it. Then skb->skb_iif may help.
 * Cost on 6.1: 30 instructions (direct).
 */
static __always_inline struct net_device *sonde_dev(enum sonde_access access, struct sk_buff *skb)
{
	struct net_device *dev = SONDE_READ(access, skb, dev);
	struct netdev_queue *queue;

	if (!sonde_kernel_pointer(dev))
		return NULL;
	queue = SONDE_READ(access, dev, _tx);
	if (!sonde_kernel_pointer(queue))
		return NULL;
	if (SONDE_READ(access, queue, dev) != dev)
		return NULL;
	return dev;
}

/**
 * sonde_netns: inode number of the network namespace: that of dev, which is
 * what sonde_dev() gave, else of the skb's socket; 0 unknown.
 */
static __always_inline __u32 sonde_netns(enum sonde_access access, struct sk_buff *skb,
					 struct net_device *dev)
{
	struct net *net;
	struct sock *sk;

	if (dev) {
		net = SONDE_READ(access, dev, nd_net.net);
		return SONDE_READ(access, net, ns.inum);
	}
	/*
	 * By helper in any case: where the verifier trusts skb->sk it makes
	 * plain loads of what is read through it, and the place is shared with
	 * ip_defrag_offset.
	 */
	sk = SONDE_READ(SONDE_PROBE, skb, sk);
	if (!sonde_kernel_pointer(sk))
		return 0;
	net = SONDE_READ(SONDE_PROBE, sk, __sk_common.skc_net.net);
	if (!sonde_kernel_pointer(net))
		return 0;
	return SONDE_READ(SONDE_PROBE, net, ns.inum);
}

/** sonde_device_fill: the device that an skb came in by or leaves by, and its name; zeros: none. */
static __always_inline void sonde_device_fill(enum sonde_access access, struct sk_buff *skb, struct sonde_device *device)
{
	struct net_device *dev = sonde_dev(access, skb);

	__builtin_memset(device, 0, sizeof(*device));
	if (!dev)
		return;
	device->ifindex = SONDE_READ(access, dev, ifindex);
	device->netns = sonde_netns(access, skb, dev);
	SONDE_COPY(device->name, sizeof(device->name), dev->name);
}

/** packet_tag: true and the tag, if the skb itself holds a VLAN tag. */
static __always_inline bool packet_tag(enum sonde_access access, struct sk_buff *skb,
				       struct sonde_vlan *vlan)
{
	if (SONDE_EXISTS(skb, vlan_all)) {
		if (!SONDE_READ(access, skb, vlan_all))
			return false;
	} else if (SONDE_EXISTS(skb, vlan_present)) {
		if (!SONDE_READ_BITS(access, skb, vlan_present))
			return false;
	} else {
		return false;
	}
	vlan->tpid = bpf_ntohs(SONDE_READ(access, skb, vlan_proto));
	vlan->tci = SONDE_READ(access, skb, vlan_tci);
	return true;
}

/* walks the tags in a frame, from place->l3 on if place->type says that one is there */
static __always_inline void packet_walk_tags(struct packet_place *place, struct packet_tags *tags)
{
	/* vlan[] too, for the same reason as no holes */
	*tags = (struct packet_tags){};
#pragma GCC unroll 2
	for (int i = 0; i < PACKET_FRAME_VLANS; i++) {
		struct wire_vlan tag;

		if (!packet_is_vlan(place->type))
			return;
		if (packet_load(&place->cursor, place->l3, &tag, sizeof(tag))) {
			tags->flags = SONDE_TRUNCATED;
			return;
		}
		tags->vlan[i].tpid = place->type;
		tags->vlan[i].tci = bpf_ntohs(tag.tci);
		tags->count = i + 1;
		place->type = bpf_ntohs(tag.type);
		place->l3 += sizeof(tag);
	}
}

/**
 * packet_read_frame: reads the Ethernet header at place.mac and the tags behind
 * it, and sets place.l3, .type and tags. True if there is one: the device is of
 * a kind that has such headers or, where the device is not known, the header
 * agrees with skb->protocol.
 */
static __always_inline bool packet_read_frame(struct packet_frame *frame, struct wire_eth *eth)
{
	__u16 type;

	if (frame->place.mac == PACKET_MAC_UNSET)
		return false;
	if (frame->device != PACKET_ETHER && frame->device != PACKET_LOOPBACK &&
	    frame->device != PACKET_NO_DEVICE)
		return false;
	if (packet_load(&frame->place.cursor, frame->place.mac, eth, sizeof(*eth)))
		return false;
	type = bpf_ntohs(eth->type);
	frame->place.type = type;
	frame->place.l3 = frame->place.mac + sizeof(*eth);
	packet_walk_tags(&frame->place, &frame->tags);
	return frame->device != PACKET_NO_DEVICE || type == frame->protocol ||
	       frame->place.type == frame->protocol;
}

/*
 * A packet that this host sends has its IP header before skb->protocol is set
 * (in __ip_local_out()). The first byte of IPv4 without options is 0x45.
 */
static __always_inline __u16 packet_guess(const struct packet_place *place)
{
	__u8 first;

	if (packet_load(&place->cursor, place->l3, &first, sizeof(first)))
		return 0;
	if (first >= 0x45 && first <= 0x4f)
		return PACKET_IP4;
	return first >> 4 == 6 ? PACKET_IP6 : 0;
}

/* whether the skb's own words say where L3 is: most do */
static __always_inline bool packet_is_plain(const struct packet_place *place)
{
	return place->l3 && place->l3 < place->cursor.end && place->l3 != place->mac &&
	       place->type >= PACKET_TYPE_MIN && !packet_is_vlan(place->type);
}

/**
 * packet_read: settles where L3 is, given the skb's own words in place.l3 and
 * .type, and reads the Ethernet header and the tags before it. False: there is
 * no Ethernet header.
 */
static __always_inline bool packet_read(struct packet_frame *frame, struct wire_eth *eth)
{
	struct packet_place *place = &frame->place;
	struct packet_place said = *place;
	bool ethernet = packet_read_frame(frame, eth);
	bool known = said.l3 && said.l3 < said.cursor.end;

	if (ethernet && packet_is_plain(&said) && place->l3 == said.l3)
		return true;
	/* before 5.18 a packet socket's frame through a VLAN device: no protocol, network_header anywhere */
	if (ethernet && !said.type && frame->device != PACKET_NO_DEVICE)
		return true;
	/* both at one place: a frame if its type agrees, else an IP packet whose mac_header moved */
	if (ethernet && known && said.l3 == said.mac)
		ethernet = said.type < PACKET_TYPE_MIN || bpf_ntohs(eth->type) == said.type ||
			   place->type == said.type;
	if (ethernet && !packet_is_plain(&said) &&
	    (!known || said.l3 == said.mac ||
	     (said.l3 >= said.mac + sizeof(*eth) && said.l3 <= place->l3)))
		return true;
	place->l3 = known ? said.l3 : frame->data;
	place->type = said.type;
	if (said.type < PACKET_TYPE_MIN)
		place->type = known && !said.type ? packet_guess(place) : 0;
	packet_walk_tags(place, &frame->tags);
	return false;
}

/* not inlined, since few packets need it */
static __noinline int packet_read_slowly(struct packet_frame *frame)
{
	struct wire_eth eth;

	return sonde_forget(packet_read(frame, &eth));
}

/* the skb's own words */
static __always_inline void packet_ask(enum sonde_access access, struct sk_buff *skb,
				       struct packet_place *place)
{
	place->cursor.head = sonde_address_of(SONDE_READ(access, skb, head));
	place->cursor.end = SONDE_READ(access, skb, tail);
	place->mac = SONDE_READ(access, skb, mac_header);
	place->l3 = SONDE_READ(access, skb, network_header);
	place->type = bpf_ntohs(SONDE_READ(access, skb, protocol));
}

/* what else packet_read() needs to know of the skb; place is there */
static __always_inline void packet_ask_frame(enum sonde_access access, struct sk_buff *skb,
					     struct packet_frame *frame)
{
	struct net_device *dev = sonde_dev(access, skb);

	frame->tags = (struct packet_tags){};
	frame->protocol = bpf_ntohs(SONDE_READ(access, skb, protocol));
	frame->device = sonde_forget(dev ? SONDE_READ(access, dev, type) : PACKET_NO_DEVICE);
	frame->data = sonde_address_of(SONDE_READ(access, skb, data)) - frame->place.cursor.head;
}

/**
 * packet_locate: finds L3. As a rule network_header and skb->protocol say it.
 * They do not
 * - between eth_type_trans() and __netif_receive_skb(): the offset is unset;
 * - for a tag in the frame: a received one has network_header at the tag, a
 *   sent one behind it, skb->protocol is that of the tag in both cases;
 * - for frames from packet sockets: network_header can be at the frame's start.
 * Then the Ethernet header is asked, if there is one; else skb->data is L3. The
 * tags that were met on the way are in tags.
 */
static __always_inline void packet_locate(enum sonde_access access, struct sk_buff *skb,
					  struct packet_place *place, struct packet_tags *tags)
{
	struct packet_frame frame;

	*tags = (struct packet_tags){};
	packet_ask(access, skb, place);
	if (packet_is_plain(place))
		return;
	frame.place = *place;
	packet_ask_frame(access, skb, &frame);
	packet_read_slowly(&frame);
	place->l3 = frame.place.l3;
	place->type = frame.place.type;
	*tags = frame.tags;
}

/** packet_ip4: 0, or SONDE_TRUNCATED or SONDE_MALFORMED if there is no IPv4 header. */
static __always_inline int packet_ip4(const struct packet_cursor *cursor, __u32 off,
				      struct wire_ip4 *ip)
{
	if (packet_load(cursor, off, ip, sizeof(*ip)))
		return SONDE_TRUNCATED;
	return ip->version_ihl >> 4 == 4 ? 0 : SONDE_MALFORMED;
}

static __always_inline int packet_ip6(const struct packet_cursor *cursor, __u32 off,
				      struct wire_ip6 *ip)
{
	if (packet_load(cursor, off, ip, sizeof(*ip)))
		return SONDE_TRUNCATED;
	return bpf_ntohl(ip->first) >> 28 == 6 ? 0 : SONDE_MALFORMED;
}

/* the packet ends where its header says, if that is before the end of what can be read */
static __always_inline void packet_l4_end(struct packet_l4 *l4, const struct packet_cursor *cursor,
					  __u64 end)
{
	l4->cursor.head = cursor->head;
	l4->cursor.end = end < cursor->end ? end : cursor->end;
}

/** packet_ip4_l4: finds L4 behind the IPv4 header at off. */
static __always_inline void packet_ip4_l4(const struct packet_cursor *cursor, __u32 off,
					  const struct wire_ip4 *ip, struct packet_l4 *l4)
{
	__u32 header = (ip->version_ihl & 15) * 4;
	__u32 length = bpf_ntohs(ip->length);
	__u16 fragment = bpf_ntohs(ip->fragment);

	l4->offset = off + header;
	l4->protocol = ip->protocol;
	l4->fragment_id = bpf_ntohs(ip->id);
	l4->fragment_offset = (fragment & 0x1fff) * 8;
	/* 0 is a GSO packet of more than 65,535 bytes */
	packet_l4_end(l4, cursor, length ? off + length : cursor->end);
	l4->has = fragment & 0x3fff ? SONDE_HAS_FRAGMENT : 0;
	l4->flags = fragment & 0x2000 ? SONDE_MORE_FRAGMENTS : 0;
	if (header < sizeof(*ip) || (length && length < header))
		l4->flags |= SONDE_MALFORMED;
	l4->has = sonde_forget(l4->has);
	l4->flags = sonde_forget(l4->flags);
}

static __always_inline bool packet_is_extension(__u8 protocol)
{
	return protocol == PACKET_HOP_BY_HOP || protocol == PACKET_ROUTING ||
	       protocol == PACKET_FRAGMENT || protocol == PACKET_AH ||
	       protocol == PACKET_DEST_OPTIONS;
}

/* a function of its own because few packets need it */
static __noinline int packet_extensions(struct packet_l4 *l4)
{
	for (int i = 0; i < PACKET_EXTENSIONS; i++) {
		struct wire_extension extension;
		__u16 fragment;

		if (!packet_is_extension(l4->protocol) || l4->fragment_offset)
			return 0;
		if (packet_load(&l4->cursor, l4->offset, &extension, sizeof(extension)))
			return SONDE_TRUNCATED;
		switch (l4->protocol) {
		case PACKET_FRAGMENT:
			fragment = bpf_ntohs(extension.fragment);
			l4->fragment_id = bpf_ntohl(extension.id);
			l4->fragment_offset = fragment & 0xfff8;
			l4->has = SONDE_HAS_FRAGMENT;
			l4->flags = fragment & 1 ? SONDE_MORE_FRAGMENTS : 0;
			l4->offset += sizeof(extension);
			break;
		case PACKET_AH:
			l4->offset += (extension.length + 2) * 4;
			break;
		default:
			l4->offset += (extension.length + 1) * 8;
			break;
		}
		l4->protocol = extension.next;
	}
	/* more than any real packet has */
	return packet_is_extension(l4->protocol) ? SONDE_MALFORMED : 0;
}

/** packet_ip6_l4: finds L4 behind the IPv6 header at off and its extension headers. */
static __always_inline void packet_ip6_l4(const struct packet_cursor *cursor, __u32 off,
					  const struct wire_ip6 *ip, struct packet_l4 *l4)
{
	__u32 length = bpf_ntohs(ip->length);

	l4->offset = off + sizeof(*ip);
	l4->protocol = ip->next;
	l4->fragment_id = 0;
	l4->fragment_offset = 0;
	l4->has = 0;
	l4->flags = 0;
	packet_l4_end(l4, cursor, length ? l4->offset + length : cursor->end);
	if (packet_is_extension(l4->protocol))
		l4->flags |= packet_extensions(l4);
}

/* false: a later fragment, or what stands before L4 is broken */
static __always_inline bool packet_has_l4(const struct packet_l4 *l4)
{
	return !l4->fragment_offset && !(l4->flags & (SONDE_TRUNCATED | SONDE_MALFORMED));
}

/** packet_l4: finds L4 of an IP packet at off; false if there is none. */
static __always_inline bool packet_find_l4(const struct packet_cursor *cursor, __u32 off,
					   __u32 type, struct packet_l4 *l4)
{
	union wire_l3 wire;

	if (type == PACKET_IP4 && !packet_ip4(cursor, off, &wire.ip4))
		packet_ip4_l4(cursor, off, &wire.ip4, l4);
	else if (type == PACKET_IP6 && !packet_ip6(cursor, off, &wire.ip6))
		packet_ip6_l4(cursor, off, &wire.ip6, l4);
	else
		return false;
	return packet_has_l4(l4);
}

/** packet_ports: the ports as on the wire; 0, or not 0 if the packet has none here. */
static __always_inline int packet_ports(const struct packet_l4 *l4, __be16 ports[2])
{
	if (!packet_has_l4(l4) || !packet_has_ports(l4->protocol))
		return -1;
	return packet_load(&l4->cursor, l4->offset, ports, 2 * sizeof(ports[0]));
}

/** packet_arp: 0, or why this is not ARP for IPv4 over Ethernet. */
static __always_inline int packet_arp(const struct packet_cursor *cursor, __u32 off,
				      struct wire_arp *arp)
{
	if (packet_load(cursor, off, arp, sizeof(*arp)))
		return SONDE_TRUNCATED;
	if (arp->hardware != bpf_htons(PACKET_ETHER) || arp->protocol != bpf_htons(PACKET_IP4) ||
	    arp->hardware_length != 6 || arp->protocol_length != 4)
		return SONDE_MALFORMED;
	return 0;
}

static __always_inline __u32 packet_arp_address(const __u8 byte[4])
{
	__u32 word;

	__builtin_memcpy(&word, byte, sizeof(word));
	return word;
}

/**
 * packet_find_tunnel: whether the UDP payload at off, sent to a port, is VXLAN
 * or Geneve, and what it carries. Kind and flags are always set.
 */
static __always_inline void packet_find_tunnel(const struct packet_cursor *cursor, __u32 off,
					       __u16 port, struct packet_tunnel *tunnel)
{
	union {
		struct wire_vxlan vxlan;
		struct wire_geneve geneve;
	} wire;

	*tunnel = (struct packet_tunnel){ .kind = SONDE_NO_TUNNEL };
	if (port == PACKET_VXLAN_PORT || port == PACKET_VXLAN_LINUX_PORT) {
		if (packet_load(cursor, off, &wire.vxlan, sizeof(wire.vxlan))) {
			tunnel->flags = SONDE_TRUNCATED;
			return;
		}
		if (!(wire.vxlan.flags & 0x08))	/* it has no VNI, so it is something else */
			return;
		tunnel->kind = SONDE_VXLAN;
		tunnel->vni = wire.vxlan.vni[0] << 16 | wire.vxlan.vni[1] << 8 | wire.vxlan.vni[2];
		tunnel->type = PACKET_TEB;
		tunnel->offset = off + sizeof(wire.vxlan);
	} else if (port == PACKET_GENEVE_PORT) {
		if (packet_load(cursor, off, &wire.geneve, sizeof(wire.geneve))) {
			tunnel->flags = SONDE_TRUNCATED;
			return;
		}
		if (wire.geneve.version_length >> 6)
			return;
		tunnel->kind = SONDE_GENEVE;
		tunnel->vni =
			wire.geneve.vni[0] << 16 | wire.geneve.vni[1] << 8 | wire.geneve.vni[2];
		tunnel->type = bpf_ntohs(wire.geneve.type);
		tunnel->offset =
			off + sizeof(wire.geneve) + (wire.geneve.version_length & 0x3f) * 4;
	}
}

/**
 * packet_enter_tunnel: where the carried packet is, in the manner of
 * packet_locate(); place->cursor is that of the carrier. True and eth filled if
 * it begins with an Ethernet header.
 */
static __always_inline bool packet_enter_tunnel(const struct packet_tunnel *tunnel,
						struct packet_place *place,
						struct packet_tags *tags, struct wire_eth *eth)
{
	*tags = (struct packet_tags){};
	place->mac = tunnel->offset;
	place->l3 = tunnel->offset;
	place->type = tunnel->type;
	if (tunnel->type != PACKET_TEB)
		return false;
	if (packet_load(&place->cursor, place->mac, eth, sizeof(*eth))) {
		tags->flags = SONDE_TRUNCATED;
		place->type = 0;
		return false;
	}
	place->type = bpf_ntohs(eth->type);
	place->l3 += sizeof(*eth);
	packet_walk_tags(place, tags);
	return true;
}

/* for an IP packet that is not parsed; false: no tunnel. place becomes that of what it carries */
static __noinline int packet_descend(struct packet_place *place, struct packet_tunnel *tunnel)
{
	struct packet_tags tags;
	struct packet_l4 l4;
	union {
		struct wire_udp udp;
		struct wire_eth eth;
	} wire;

	/* the verifier forgets what is returned: to it, who is told that there is none may read this, too */
	*tunnel = (struct packet_tunnel){ .kind = SONDE_NO_TUNNEL };
	if (!packet_find_l4(&place->cursor, place->l3, place->type, &l4) ||
	    l4.protocol != PACKET_UDP ||
	    packet_load(&l4.cursor, l4.offset, &wire.udp, sizeof(wire.udp)))
		return sonde_forget(false);
	packet_find_tunnel(&l4.cursor, l4.offset + sizeof(wire.udp), bpf_ntohs(wire.udp.dst_port),
			   tunnel);
	if (tunnel->kind == SONDE_NO_TUNNEL)
		return sonde_forget(false);
	place->cursor = l4.cursor;
	packet_enter_tunnel(tunnel, place, &tags, &wire.eth);
	return sonde_forget(true);
}

static __always_inline void packet_put_eth(struct sonde_headers *h, const struct wire_eth *eth)
{
	h->has |= SONDE_HAS_ETH;
	__builtin_memcpy(h->eth_dst, eth->dst, sizeof(h->eth_dst));
	__builtin_memcpy(h->eth_src, eth->src, sizeof(h->eth_src));
}

/* appends the frame's tags to the one that the skb holds, if any */
static __always_inline void packet_put_tags(struct sonde_headers *h, const struct packet_tags *tags)
{
	h->flags |= tags->flags;
	/* constant indexes: a variable one would have to be proven to the verifier */
	if (h->vlan_in_tag) {
		h->vlans = 1 + tags->count;
		h->vlan[1] = tags->vlan[0];
		h->vlan[2] = tags->vlan[1];
	} else {
		h->vlans = tags->count;
		h->vlan[0] = tags->vlan[0];
		h->vlan[1] = tags->vlan[1];
	}
}

static __always_inline void packet_put_fragment(struct sonde_headers *h, const struct packet_l4 *l4)
{
	h->has |= l4->has;
	h->flags |= l4->flags;
	h->fragment_offset = l4->fragment_offset;
	h->ip_id = l4->fragment_id;
	h->protocol = l4->protocol;
}

static __always_inline void packet_put_l4(struct sonde_headers *h, const struct packet_l4 *l4)
{
	union {
		struct wire_tcp tcp;
		struct wire_udp udp;
		struct wire_sctp sctp;
		struct wire_icmp icmp;
	} wire;
	int short_of = 0;

	if (!packet_has_l4(l4))
		return;
	switch (l4->protocol) {
	case PACKET_TCP:
		short_of = packet_load(&l4->cursor, l4->offset, &wire.tcp, sizeof(wire.tcp));
		if (short_of)
			break;
		h->has |= SONDE_HAS_TCP;
		h->tcp.src_port = bpf_ntohs(wire.tcp.src_port);
		h->tcp.dst_port = bpf_ntohs(wire.tcp.dst_port);
		h->tcp.seq = bpf_ntohl(wire.tcp.seq);
		h->tcp.ack = bpf_ntohl(wire.tcp.ack);
		h->tcp.window = bpf_ntohs(wire.tcp.window);
		h->tcp.flags = bpf_ntohs(wire.tcp.flags) & 0x1ff;
		break;
	case PACKET_UDP:
		short_of = packet_load(&l4->cursor, l4->offset, &wire.udp, sizeof(wire.udp));
		if (short_of)
			break;
		h->has |= SONDE_HAS_UDP;
		h->udp.src_port = bpf_ntohs(wire.udp.src_port);
		h->udp.dst_port = bpf_ntohs(wire.udp.dst_port);
		h->udp.length = bpf_ntohs(wire.udp.length);
		break;
	case PACKET_SCTP:
		short_of = packet_load(&l4->cursor, l4->offset, &wire.sctp, sizeof(wire.sctp));
		if (short_of)
			break;
		h->has |= SONDE_HAS_SCTP;
		h->sctp.src_port = bpf_ntohs(wire.sctp.src_port);
		h->sctp.dst_port = bpf_ntohs(wire.sctp.dst_port);
		h->sctp.vtag = bpf_ntohl(wire.sctp.vtag);
		break;
	case PACKET_ICMP:
	case PACKET_ICMP6:
		short_of = packet_load(&l4->cursor, l4->offset, &wire.icmp, sizeof(wire.icmp));
		if (short_of)
			break;
		h->has |= l4->protocol == PACKET_ICMP ? SONDE_HAS_ICMP : SONDE_HAS_ICMP6;
		h->icmp.type = wire.icmp.type;
		h->icmp.code = wire.icmp.code;
		h->icmp.id = bpf_ntohs(wire.icmp.id);
		h->icmp.seq = bpf_ntohs(wire.icmp.seq);
		break;
	}
	if (short_of)
		h->flags |= SONDE_TRUNCATED;
}

/* everything from L3 on; leaves L4's place for the tunnel */
static __always_inline void packet_put_l3(const struct packet_cursor *cursor, __u32 off,
					  struct sonde_headers *h, struct packet_l4 *l4)
{
	union wire_l3 wire;
	__u32 first;

	l4->cursor = *cursor;
	l4->offset = 0;
	switch (h->eth_type) {
	case PACKET_IP4:
		h->flags |= packet_ip4(cursor, off, &wire.ip4);
		if (h->flags & (SONDE_TRUNCATED | SONDE_MALFORMED))
			return;
		packet_ip4_l4(cursor, off, &wire.ip4, l4);
		h->has |= SONDE_HAS_IP4;
		h->src = (union sonde_address){ .word[0] = wire.ip4.src };
		h->dst = (union sonde_address){ .word[0] = wire.ip4.dst };
		h->ttl = wire.ip4.ttl;
		h->tos = wire.ip4.tos;
		h->ip_length = bpf_ntohs(wire.ip4.length);
		if (wire.ip4.fragment & bpf_htons(0x4000))
			h->flags |= SONDE_DONT_FRAGMENT;
		break;
	case PACKET_IP6:
		h->flags |= packet_ip6(cursor, off, &wire.ip6);
		if (h->flags & (SONDE_TRUNCATED | SONDE_MALFORMED))
			return;
		packet_ip6_l4(cursor, off, &wire.ip6, l4);
		first = bpf_ntohl(wire.ip6.first);
		h->has |= SONDE_HAS_IP6;
		h->src = wire.ip6.src;
		h->dst = wire.ip6.dst;
		h->ttl = wire.ip6.hop_limit;
		h->tos = first >> 20;
		h->flow_label = first & 0xfffff;
		h->ip_length = wire.ip6.length ? bpf_ntohs(wire.ip6.length) + sizeof(wire.ip6) : 0;
		break;
	case PACKET_ARP:
		h->flags |= packet_arp(cursor, off, &wire.arp);
		if (h->flags & (SONDE_TRUNCATED | SONDE_MALFORMED))
			return;
		h->has |= SONDE_HAS_ARP;
		h->src = (union sonde_address){ .word[0] = packet_arp_address(wire.arp.sender_ip) };
		h->dst = (union sonde_address){ .word[0] = packet_arp_address(wire.arp.target_ip) };
		h->arp.op = bpf_ntohs(wire.arp.op);
		__builtin_memcpy(h->arp.sender_mac, wire.arp.sender_mac, 6);
		__builtin_memcpy(h->arp.target_mac, wire.arp.target_mac, 6);
		return;
	default:
		return;
	}
	packet_put_fragment(h, l4);
	packet_put_l4(h, l4);
}

static __always_inline void packet_clear(struct sonde_headers *h)
{
	h->has = 0;
	h->vlans = 0;
	h->vlan_in_tag = 0;
	h->flags = 0;
}

/* what the packet carries, if l4 is a tunnel */
static __always_inline void packet_put_tunnel(struct packet_l4 *l4, struct sonde_packet *out)
{
	struct packet_place place;
	struct packet_tags tags;
	struct packet_tunnel tunnel;
	struct wire_eth eth;

	if (!(out->outer.has & SONDE_HAS_UDP))
		return;
	packet_find_tunnel(&l4->cursor, l4->offset + sizeof(struct wire_udp),
			   out->outer.udp.dst_port, &tunnel);
	out->outer.flags |= tunnel.flags;
	if (tunnel.kind == SONDE_NO_TUNNEL)
		return;
	out->tunnel = tunnel.kind;
	out->vni = tunnel.vni;
	packet_clear(&out->inner);
	place.cursor = l4->cursor;
	if (packet_enter_tunnel(&tunnel, &place, &tags, &eth))
		packet_put_eth(&out->inner, &eth);
	packet_put_tags(&out->inner, &tags);
	out->inner.eth_type = place.type;
	packet_put_l3(&place.cursor, place.l3, &out->inner, l4);
}

/* one way in for all kinds of skb, so that the verifier walks through it once */
static __noinline int packet_parse_frame(struct packet_frame *frame, struct sonde_packet *out)
{
	struct packet_place *place = &frame->place;
	struct packet_l4 l4;
	struct wire_eth eth;
	__u32 start;

	if (packet_read(frame, &eth)) {
		packet_put_eth(&out->outer, &eth);
		start = place->mac;
	} else {
		start = place->l3;
	}
	packet_put_tags(&out->outer, &frame->tags);
	out->outer.eth_type = place->type;
	out->start = start;
	/* an offset behind the packet's end is nonsense */
	if (start <= frame->data + out->length)
		out->length += frame->data - start;
	out->linear = start < place->cursor.end ? place->cursor.end - start : 0;
	packet_put_l3(&place->cursor, place->l3, &out->outer, &l4);
	packet_put_tunnel(&l4, out);
	return 0;
}

/**
 * packet_length: the length that packet_parse() gives, for programs that do not
 * parse: of the frame where there is one, with a VLAN tag that the skb holds.
 * Goes by the skb's offsets alone: a link-layer header that is not Ethernet
 * counts as well. Cost on 6.1: 70 instructions (direct).
 */
static __always_inline __u32 packet_length(enum sonde_access access, struct sk_buff *skb)
{
	__u32 network = SONDE_READ(access, skb, network_header);
	__u32 start = SONDE_READ(access, skb, mac_header);
	__u32 data = SONDE_READ(access, skb, data) - SONDE_READ(access, skb, head);
	__u32 length = SONDE_READ(access, skb, len);
	struct sonde_vlan tag;

	if (start == PACKET_MAC_UNSET)
		start = network ? network : data;
	else if (network && start > network)
		start = network;
	if (packet_tag(access, skb, &tag))
		length += sizeof(struct wire_vlan);
	return start > data + length ? length : length + data - start;
}

/**
 * packet_parse: every header that the parser knows, of the packet and of what
 * it carries in VXLAN or Geneve. out is the event's own memory: too large for
 * the stack. Cost on 6.1: 770 instructions for UDP over IPv4 (direct).
 */
static __always_inline void packet_parse(enum sonde_access access, struct sk_buff *skb,
					 struct sonde_packet *out)
{
	struct packet_frame frame;

	packet_clear(&out->outer);
	out->tunnel = SONDE_NO_TUNNEL;
	out->unused = 0;
	out->length = SONDE_READ(access, skb, len);
	out->outer.vlan_in_tag = packet_tag(access, skb, &out->outer.vlan[0]);
	if (out->outer.vlan_in_tag)
		out->length += sizeof(struct wire_vlan);
	packet_ask(access, skb, &frame.place);
	packet_ask_frame(access, skb, &frame);
	packet_parse_frame(&frame, out);
}

/**
 * packet_flow: the packet's flow, or that of what it carries in a tunnel if
 * inner is set and it carries something. Each byte of flow is written. Cost on
 * 6.1: 360 instructions for UDP over IPv4 (direct).
 */
static __always_inline void packet_flow(enum sonde_access access, struct sk_buff *skb, bool inner,
					struct sonde_flow *flow)
{
	struct packet_place place, carried;
	struct packet_tags tags;
	struct packet_tunnel tunnel;
	struct packet_l4 l4;
	union wire_l3 wire;
	__be16 ports[2];

	__builtin_memset(flow, 0, sizeof(*flow));
	packet_locate(access, skb, &place, &tags);
	if (inner) {
		carried = place;
		if (packet_descend(&carried, &tunnel))
			place = carried;
	}
	flow->eth_type = place.type;
	if (place.type == PACKET_IP4) {
		if (packet_ip4(&place.cursor, place.l3, &wire.ip4))
			return;
		packet_ip4_l4(&place.cursor, place.l3, &wire.ip4, &l4);
		flow->family = 4;
		flow->src.word[0] = wire.ip4.src;
		flow->dst.word[0] = wire.ip4.dst;
	} else if (place.type == PACKET_IP6) {
		if (packet_ip6(&place.cursor, place.l3, &wire.ip6))
			return;
		packet_ip6_l4(&place.cursor, place.l3, &wire.ip6, &l4);
		flow->family = 6;
		flow->src = wire.ip6.src;
		flow->dst = wire.ip6.dst;
	} else {
		if (place.type != PACKET_ARP || packet_arp(&place.cursor, place.l3, &wire.arp))
			return;
		flow->family = 4;
		flow->src.word[0] = packet_arp_address(wire.arp.sender_ip);
		flow->dst.word[0] = packet_arp_address(wire.arp.target_ip);
		return;
	}
	flow->protocol = l4.protocol;
	if (packet_ports(&l4, ports))
		return;
	flow->src_port = bpf_ntohs(ports[0]);
	flow->dst_port = bpf_ntohs(ports[1]);
}

#endif
