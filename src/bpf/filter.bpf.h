/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * filter.bpf.h: whether this run wants an skb. Cheapest test first; a test that
 * is not set is removed by the verifier, and a packet that fails has been read
 * no further than needed.
 */
#ifndef NETSONDE_FILTER_BPF_H
#define NETSONDE_FILTER_BPF_H

#include "abi/filter.h"
#include "packet.bpf.h"

#ifdef SONDE_NATIVE
static struct sonde_filter flt;	/* tests set it again and again */
#else
const volatile struct sonde_filter flt = {};
#endif

static __always_inline bool filter_device(enum sonde_access access, struct sk_buff *skb,
					  struct net_device *dev)
{
	__u64 name[2];

	if (!dev)
		return flt.ifindex && SONDE_READ(access, skb, skb_iif) == (int)flt.ifindex;
	SONDE_READ_TEXT(access, name, dev->name);
	return name[0] == flt.device_quad[0] && name[1] == flt.device_quad[1];
}

static __always_inline bool filter_ip4_address(const volatile struct sonde_prefix *prefix,
					       __u32 address)
{
	return (address & prefix->mask.word[0]) == prefix->address.word[0];
}

static __always_inline bool filter_ip4(__u32 set, __u32 src, __u32 dst)
{
	if (set & FILTER_SRC && !filter_ip4_address(&flt.src, src))
		return false;
	if (set & FILTER_DST && !filter_ip4_address(&flt.dst, dst))
		return false;
	return !(set & FILTER_HOST) || filter_ip4_address(&flt.host, src) ||
	       filter_ip4_address(&flt.host, dst);
}

static __always_inline bool filter_ip4_not(__u32 set, __u32 src, __u32 dst)
{
	return set & FILTER_NOT_HOST && !(set & FILTER_NOT_HOST6) &&
	       (filter_ip4_address(&flt.not_host, src) || filter_ip4_address(&flt.not_host, dst));
}

static __always_inline bool filter_ip6_address(const volatile struct sonde_prefix *prefix,
					       const union sonde_address *address)
{
	return (address->quad[0] & prefix->mask.quad[0]) == prefix->address.quad[0] &&
	       (address->quad[1] & prefix->mask.quad[1]) == prefix->address.quad[1];
}

static __always_inline bool filter_ip6(__u32 set, const struct wire_ip6 *ip)
{
	if (set & FILTER_SRC && !filter_ip6_address(&flt.src, &ip->src))
		return false;
	if (set & FILTER_DST && !filter_ip6_address(&flt.dst, &ip->dst))
		return false;
	return !(set & FILTER_HOST) || filter_ip6_address(&flt.host, &ip->src) ||
	       filter_ip6_address(&flt.host, &ip->dst);
}

static __always_inline bool filter_ip6_not(__u32 set, const struct wire_ip6 *ip)
{
	return set & FILTER_NOT_HOST && set & FILTER_NOT_HOST6 &&
	       (filter_ip6_address(&flt.not_host, &ip->src) ||
		filter_ip6_address(&flt.not_host, &ip->dst));
}

/* no branches: sixteen of them, four times, would be a lot of paths to verify */
static __always_inline bool filter_port(const volatile struct sonde_ports *ports, __u16 port)
{
	const __u32 count = ports->count;
	__u32 found = 0;

	/* unrolled so that the verifier removes the ranges that are not used */
#pragma GCC unroll 16
	for (__u32 i = 0; i < FILTER_PORT_RANGES; i++) {
		__u16 first, last;

		if (i >= count)
			break;
		first = ports->range[i].first;
		last = ports->range[i].last;
		/* below zero if first <= port <= last */
		found |= (__u16)(port - first) - (last - first) - 1;
	}
	return found >> 31;
}

static __always_inline bool filter_port_numbers(__u32 set, __u16 src, __u16 dst)
{
	if (set & FILTER_SRC_PORT && !filter_port(&flt.src_port, src))
		return false;
	if (set & FILTER_DST_PORT && !filter_port(&flt.dst_port, dst))
		return false;
	return !(set & FILTER_PORT) || filter_port(&flt.port, src) || filter_port(&flt.port, dst);
}

static __always_inline bool filter_ports_set(__u32 set, const struct packet_l4 *l4)
{
	__be16 ports[2];

	if (packet_ports(l4, ports))
		return false;
	return filter_port_numbers(set, bpf_ntohs(ports[0]), bpf_ntohs(ports[1]));
}

/* one copy for IPv4, IPv6, inside and outside a tunnel */
static __noinline int filter_ports(const struct packet_l4 *l4)
{
	return sonde_forget(filter_ports_set(flt.set, l4));
}

/* type, addresses, protocol and ports of the packet whose L3 is at off */
static __always_inline bool filter_headers(__u32 set, const struct packet_cursor *cursor, __u32 off,
					   __u32 type)
{
	union wire_l3 wire;
	struct packet_l4 l4;

	if (set & FILTER_TYPE && !filter_type_fits(flt.eth_type, type))
		return false;
	if (!(set & (FILTER_IP | FILTER_NOT_HOST)))
		return true;
	if (type == PACKET_IP4) {
		if (set & (FILTER_IP6 | FILTER_ARP) || packet_ip4(cursor, off, &wire.ip4))
			return false;
		if (!filter_ip4(set, wire.ip4.src, wire.ip4.dst) ||
		    filter_ip4_not(set, wire.ip4.src, wire.ip4.dst))
			return false;
		if (set & FILTER_PROTOCOL && wire.ip4.protocol != flt.protocol)
			return false;
		if (!(set & FILTER_PORTS))
			return true;
		packet_ip4_l4(cursor, off, &wire.ip4, &l4);
	} else if (type == PACKET_IP6) {
		if (set & (FILTER_IP4 | FILTER_ARP) || packet_ip6(cursor, off, &wire.ip6))
			return false;
		if (!filter_ip6(set, &wire.ip6) || filter_ip6_not(set, &wire.ip6))
			return false;
		if (!(set & (FILTER_PROTOCOL | FILTER_PORTS)))
			return true;
		packet_ip6_l4(cursor, off, &wire.ip6, &l4);
		if (set & FILTER_PROTOCOL && l4.protocol != flt.protocol)
			return false;
		if (!(set & FILTER_PORTS))
			return true;
	} else if (type == PACKET_ARP) {
		__u32 sender, target;

		if (set & (FILTER_IP6 | FILTER_PROTOCOL | FILTER_PORTS))
			return false;
		if (!(set & (FILTER_ADDRESSES | FILTER_NOT_HOST)))
			return true;
		if (packet_arp(cursor, off, &wire.arp))
			return !(set & FILTER_ADDRESSES);
		sender = packet_arp_address(wire.arp.sender_ip);
		target = packet_arp_address(wire.arp.target_ip);
		return filter_ip4(set, sender, target) && !filter_ip4_not(set, sender, target);
	} else {
		return !(set & FILTER_IP);
	}
	return filter_ports(&l4);
}

/* the same for what a tunnel carries, and the tunnel's own identifier */
static __always_inline bool filter_tunnel_set(__u32 set, struct packet_place *place)
{
	struct packet_tunnel tunnel;

	if (!packet_descend(place, &tunnel))
		return false;
	if (set & FILTER_VNI && tunnel.vni != flt.vni)
		return false;
	if (!(set & FILTER_INNER) || !(set & FILTER_HEADERS))
		return true;
	return filter_headers(set, &place->cursor, place->l3, place->type);
}

static __noinline int filter_tunnel(struct packet_place *place)
{
	return sonde_forget(filter_tunnel_set(flt.set, place));
}

static __always_inline bool filter_tags(const struct packet_tags *tags)
{
	return (tags->count > 0 && (tags->vlan[0].tci & 0xfff) == flt.vlan) ||
	       (tags->count > 1 && (tags->vlan[1].tci & 0xfff) == flt.vlan);
}

static __always_inline bool filter_vlan(enum sonde_access access, struct sk_buff *skb,
					const struct packet_place *place,
					const struct packet_tags *tags)
{
	struct packet_frame frame;
	struct sonde_vlan tag;

	if (packet_tag(access, skb, &tag) && (tag.tci & 0xfff) == flt.vlan)
		return true;
	if (filter_tags(tags))
		return true;
	/* most frames have no room for a tag there */
	if (place->l3 == place->mac + sizeof(struct wire_eth) || place->mac == PACKET_MAC_UNSET)
		return false;
	frame.place = *place;
	packet_ask_frame(access, skb, &frame);
	return packet_read_slowly(&frame) && filter_tags(&frame.tags);
}

/* the start of a plain IPv4 packet */
struct filter_bytes {
	__u64 first, second[2];
};

/* after the words: the other tests that first sight compares */
static __always_inline bool filter_rest(const volatile struct sonde_filter *filter,
					const struct filter_bytes *bytes)
{
	const struct wire_ip4 *ip = (const void *)bytes;
	const __be16 *ports = (const void *)(ip + 1);
	const __u32 quick = filter->quick;
	__u32 one, other;

	if (quick == QUICK_WORDS || quick == QUICK_PORTS)
		return true;
	if (quick == QUICK_HOST)
		return filter_ip4_address(&filter->host, ip->src) ||
		       filter_ip4_address(&filter->host, ip->dst);
	if (quick == QUICK_ALL)
		return filter_ip4(flt.set, ip->src, ip->dst) &&
		       filter_port_numbers(flt.set, bpf_ntohs(ports[0]), bpf_ntohs(ports[1]));
	one = filter->quick_pair[0];
	other = filter->quick_pair[1];
	if (quick != QUICK_PAIR_DST && (ports[0] == one || ports[0] == other))
		return true;
	return quick != QUICK_PAIR_SRC && (ports[1] == one || ports[1] == other);
}

/**
 * filter_refuses: most packets that a filter meets are plain IPv4, whose
 * addresses, protocol and ports stand where the skb says: one read tells that a
 * packet certainly fails. bench/ counts each instruction on that way, so that
 * nothing is kept over the call: a register costs more than to read again what
 * the verifier knows.
 */
static __always_inline bool filter_refuses(enum sonde_access access, struct sk_buff *skb)
{
	const volatile struct sonde_filter *filter = &flt;
	struct filter_bytes bytes;
	const __u32 quick = filter->quick;
	__u32 l3;
	__u64 at, mask;

	if (quick == QUICK_NONE)
		return false;
	if (SONDE_READ(access, skb, protocol) != bpf_htons(PACKET_IP4))
		return false;
	l3 = SONDE_READ(access, skb, network_header);
	/* not set, or at the frame's start: see packet_locate() */
	if (!l3 || l3 >= SONDE_READ(access, skb, tail) || l3 == SONDE_READ(access, skb, mac_header))
		return false;
	at = sonde_address_of(SONDE_READ(access, skb, head)) + l3;
	/*
	 * What lies behind the tail can refuse: a packet without the header that is asked for fails
	 * too, and so does one that cannot be read, which gives zeros.
	 */
#ifdef SONDE_NATIVE
	/* but a test's packet ends in forbidden memory */
	if (l3 + sizeof(bytes) > skb->tail)
		return false;
#endif
	if (quick < QUICK_PORTS) {
		SONDE_COPY(&bytes.second, sizeof(bytes.second),
			   (void *)(at + offsetof(struct filter_bytes, second)));
	} else {
		SONDE_COPY(&bytes, sizeof(bytes), (void *)at);
		if (*(__u8 *)&bytes != 0x45)
			return false;
	}
#ifndef SONDE_NATIVE
	/* one address for all that follows, where the compiler would load it again and again */
	filter = &flt;
	asm volatile("" : "+r"(filter));
#endif
	mask = filter->quick_mask[0];
	if (mask && (bytes.second[0] & mask) != filter->quick_value[0])
		return true;
	mask = filter->quick_mask[1];
	if (mask && (bytes.second[1] & mask) != filter->quick_value[1])
		return true;
	return !filter_rest(filter, &bytes);
}

/**
 * filter_settles: true if a packet that filter_refuses() let through certainly
 * passes: it was one to compare, all of which is really there, and nothing else
 * is asked for.
 */
static __always_inline bool filter_settles(enum sonde_access access, struct sk_buff *skb)
{
	struct filter_bytes bytes;
	const struct wire_ip4 *ip = (const void *)&bytes;
	__u32 l3;

	if (flt.quick == QUICK_NONE || flt.set & ~(FILTER_COMPARED | FILTER_IP4 | FILTER_TYPE))
		return false;
	if (SONDE_READ(access, skb, protocol) != bpf_htons(PACKET_IP4))
		return false;
	l3 = SONDE_READ(access, skb, network_header);
	if (!l3 || l3 == SONDE_READ(access, skb, mac_header) ||
	    l3 + sizeof(bytes) > SONDE_READ(access, skb, tail) ||
	    SONDE_COPY(&bytes, offsetof(struct wire_ip4, checksum),
		       (void *)(sonde_address_of(SONDE_READ(access, skb, head)) + l3)))
		return false;
	if (flt.quick < QUICK_PORTS)
		return ip->version_ihl >> 4 == 4;
	return ip->version_ihl == 0x45 && bpf_ntohs(ip->length) >= sizeof(bytes) &&
	       !(ip->fragment & bpf_htons(0x1fff)) && packet_has_ports(ip->protocol);
}

enum filter_verdict {
	FILTER_REFUSES,
	FILTER_PASSES,
	FILTER_ASK,	/* filter_pass() */
};

/**
 * filter_plain: filter_pass() of an IPv4 packet of which the first bytes from its L3 header on have been read, and of
 * which the skb's own words say where that is; at_hand: how many bytes of it there are.
 */
static __always_inline enum filter_verdict filter_plain(const struct filter_bytes *bytes, __u64 at_hand)
{
	const struct wire_ip4 *ip = (const void *)bytes;

	if (flt.quick == QUICK_NONE || flt.set & ~(FILTER_COMPARED | FILTER_IP4 | FILTER_TYPE) ||
	    at_hand < sizeof(*bytes) || ip->version_ihl != 0x45)
		return FILTER_ASK;
	if ((bytes->second[0] & flt.quick_mask[0]) != flt.quick_value[0] ||
	    (bytes->second[1] & flt.quick_mask[1]) != flt.quick_value[1] || !filter_rest(&flt, bytes))
		return FILTER_REFUSES;
	if (flt.quick < QUICK_PORTS)
		return FILTER_PASSES;
	return bpf_ntohs(ip->length) >= sizeof(*bytes) && !(ip->fragment & bpf_htons(0x1fff)) &&
	       packet_has_ports(ip->protocol) ? FILTER_PASSES : FILTER_ASK;
}

/* true if the skb passes all tests, asked one by one */
static __always_inline bool filter_the_long_way(enum sonde_access access, struct sk_buff *skb)
{
	struct packet_place place, carrier;
	struct packet_tags tags;
	__u32 set = flt.set;

	if (set & (FILTER_DEVICE | FILTER_NETNS)) {
		struct net_device *dev = sonde_dev(access, skb);
		__u32 netns;

		if (set & FILTER_DEVICE && !filter_device(access, skb, dev))
			return false;
		if (set & FILTER_NETNS) {
			netns = sonde_netns(access, skb, dev);
			/* one that lost its device, but came in on ours, has no namespace to ask */
			if (netns != flt.netns && (netns || !(set & FILTER_DEVICE)))
				return false;
		}
	}
	if (!(set & (FILTER_VLAN | FILTER_HEADERS | FILTER_TUNNEL)))
		return true;
	packet_locate(access, skb, &place, &tags);
	if (set & FILTER_VLAN && !filter_vlan(access, skb, &place, &tags))
		return false;
	if (set & FILTER_HEADERS && !(set & FILTER_INNER) &&
	    !filter_headers(set, &place.cursor, place.l3, place.type))
		return false;
	if (!(set & FILTER_TUNNEL))
		return true;
	carrier = place;
	return filter_tunnel(&carrier);
}

/** filter_examine: true if an skb that filter_refuses() let through passes all tests. */
static __always_inline bool filter_examine(enum sonde_access access, struct sk_buff *skb)
{
	return filter_settles(access, skb) || filter_the_long_way(access, skb);
}

/** filter_pass: true if the skb passes all tests that are set; bench/ has what a refused one costs. */
static __always_inline bool filter_pass(enum sonde_access access, struct sk_buff *skb)
{
	return !filter_refuses(access, skb) && filter_examine(access, skb);
}

/**
 * filter_unfinished: filter_pass() for an IPv4 packet that this host is about to
 * send: until __ip_local_out() has run, skb->protocol is not set and the header
 * has no length and no checksum. Not for FILTER_TUNNEL, FILTER_VLAN and FILTER_DEVICE.
 * set is flt.set, head is skb->head: the caller has them at hand.
 */
static __always_inline bool filter_unfinished(enum sonde_access access, struct sk_buff *skb, __u32 set, __u64 head)
{
	struct {
		struct wire_ip4 ip;
		__be16 ports[2];
	} wire;
	__u64 at;

	at = head + SONDE_READ(access, skb, network_header);
	/* no more than is asked for: each 8 bytes cost */
	if (set & FILTER_PORTS ? SONDE_COPY(&wire, sizeof(wire), (void *)at)
			       : SONDE_COPY(&wire.ip.ttl, 12, (void *)(at + offsetof(struct wire_ip4, ttl))))
		return false;
	if (set & (FILTER_IP6 | FILTER_ARP) || (set & FILTER_TYPE && flt.eth_type != PACKET_IP4))
		return false;
	if (!filter_ip4(set, wire.ip.src, wire.ip.dst) || filter_ip4_not(set, wire.ip.src, wire.ip.dst))
		return false;
	if (set & FILTER_PROTOCOL && wire.ip.protocol != flt.protocol)
		return false;
	if (!(set & FILTER_PORTS))
		return true;
	if (!packet_has_ports(wire.ip.protocol) || wire.ip.fragment & bpf_htons(0x1fff))
		return false;
	if (wire.ip.version_ihl != 0x45 &&
	    SONDE_COPY(wire.ports, sizeof(wire.ports), (void *)(at + (wire.ip.version_ihl & 15) * 4)))
		return false;
	return filter_port_numbers(set, bpf_ntohs(wire.ports[0]), bpf_ntohs(wire.ports[1]));
}

/** flow_parse: packet_flow() as the user asked for it: inside the tunnel with --inner. */
static __always_inline void flow_parse(enum sonde_access access, struct sk_buff *skb,
				       struct sonde_flow *flow)
{
	packet_flow(access, skb, flt.set & FILTER_INNER, flow);
}

#endif
