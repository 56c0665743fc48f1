// SPDX-License-Identifier: GPL-2.0-only
/*
 * canonical.c: a flow's key as the kernel lists it. ovs-vswitchd sends what it
 * knows of the packet, in an order of its own; the kernel keeps what the mask
 * lets through, and writes that by net/openvswitch/flow_netlink.c (the order
 * has been the same since 4.3; Linux 5.18 added the IPv6 extension headers).
 */
#include <linux/openvswitch.h>

#include "odp/odp.h"

#define KEY_IPV6_EXTHDRS 32
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMP6 = 58,
	PROTO_SCTP = 132,
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
};

static const uint16_t key_order[] = {
	OVS_KEY_ATTR_RECIRC_ID, OVS_KEY_ATTR_DP_HASH, OVS_KEY_ATTR_PRIORITY, OVS_KEY_ATTR_TUNNEL,
	OVS_KEY_ATTR_IN_PORT, OVS_KEY_ATTR_SKB_MARK, OVS_KEY_ATTR_CT_STATE, OVS_KEY_ATTR_CT_ZONE,
	OVS_KEY_ATTR_CT_MARK, OVS_KEY_ATTR_CT_LABELS, OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4,
	OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV6, OVS_KEY_ATTR_ETHERNET, OVS_KEY_ATTR_ETHERTYPE, OVS_KEY_ATTR_VLAN,
	OVS_KEY_ATTR_ENCAP, OVS_KEY_ATTR_IPV4, OVS_KEY_ATTR_IPV6, KEY_IPV6_EXTHDRS, OVS_KEY_ATTR_NSH,
	OVS_KEY_ATTR_ARP, OVS_KEY_ATTR_MPLS, OVS_KEY_ATTR_TCP, OVS_KEY_ATTR_TCP_FLAGS, OVS_KEY_ATTR_UDP,
	OVS_KEY_ATTR_SCTP, OVS_KEY_ATTR_ICMP, OVS_KEY_ATTR_ICMPV6, OVS_KEY_ATTR_ND,
};

static const uint16_t tunnel_order[] = {
	OVS_TUNNEL_KEY_ATTR_ID, OVS_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE, OVS_TUNNEL_KEY_ATTR_IPV4_SRC,
	OVS_TUNNEL_KEY_ATTR_IPV4_DST, OVS_TUNNEL_KEY_ATTR_IPV6_SRC, OVS_TUNNEL_KEY_ATTR_IPV6_DST,
	OVS_TUNNEL_KEY_ATTR_TOS, OVS_TUNNEL_KEY_ATTR_TTL, OVS_TUNNEL_KEY_ATTR_DONT_FRAGMENT,
	OVS_TUNNEL_KEY_ATTR_CSUM, OVS_TUNNEL_KEY_ATTR_TP_SRC, OVS_TUNNEL_KEY_ATTR_TP_DST,
	OVS_TUNNEL_KEY_ATTR_OAM, OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS, OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS,
	OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS,
};

/* one level of a key: what has been written so far, and whether a mask counts at all */
struct level {
	struct odp_attrs key, mask;
	bool masked;
	bool extension_headers;
	int depth;
};

static size_t header_put(unsigned char *to, uint16_t type, size_t length)
{
	const struct nlattr header = { sizeof(header) + length, type };

	memcpy(to, &header, sizeof(header));
	memset(to + sizeof(header) + length, 0, NLA_ALIGN(length) - length);
	return sizeof(header) + NLA_ALIGN(length);
}

static void value_mask(const struct level *level, const struct odp_attr *attr, unsigned char *value)
{
	struct odp_attr mask;

	if (!level->masked)
		return;
	if (!odp_find(level->mask, attr->type, &mask) || mask.length != attr->length) {
		memset(value, 0, attr->length);
		return;
	}
	for (unsigned int i = 0; i < attr->length; i++)
		value[i] &= mask.value[i];
}

/* attributes whose length is 0 are flags: there if the mask has them too */
static bool flag_hidden(const struct level *level, const struct odp_attr *attr)
{
	struct odp_attr mask;

	return level->masked && !odp_find(level->mask, attr->type, &mask);
}

/* the kernel writes no addresses, ports and service of 0 */
static bool tunnel_keeps(const struct level *level, const struct odp_attr *attr, const unsigned char *value)
{
	switch (attr->type) {
	case OVS_TUNNEL_KEY_ATTR_ID:
	case OVS_TUNNEL_KEY_ATTR_DONT_FRAGMENT:
	case OVS_TUNNEL_KEY_ATTR_CSUM:
	case OVS_TUNNEL_KEY_ATTR_OAM: return !flag_hidden(level, attr);
	case OVS_TUNNEL_KEY_ATTR_IPV4_SRC:
	case OVS_TUNNEL_KEY_ATTR_IPV4_DST:
	case OVS_TUNNEL_KEY_ATTR_IPV6_SRC:
	case OVS_TUNNEL_KEY_ATTR_IPV6_DST:
	case OVS_TUNNEL_KEY_ATTR_TOS:
	case OVS_TUNNEL_KEY_ATTR_TP_SRC:
	case OVS_TUNNEL_KEY_ATTR_TP_DST: return !odp_all(value, attr->length, 0);
	}
	return true;
}

/* a byte of an attribute of this level, behind the mask; -1: not there */
static int masked_byte(const struct level *level, uint16_t type, unsigned int offset)
{
	struct odp_attr attr, mask;

	if (!odp_find(level->key, type, &attr) || attr.length <= offset)
		return -1;
	if (!level->masked)
		return attr.value[offset];
	if (!odp_find(level->mask, type, &mask) || mask.length != attr.length)
		return 0;
	return attr.value[offset] & mask.value[offset];
}

/* whether the kernel, which knows only the masked key, writes the attributes of this protocol */
static bool protocol_is(const struct level *level, int wanted)
{
	int protocol = masked_byte(level, OVS_KEY_ATTR_IPV4, offsetof(struct ovs_key_ipv4, ipv4_proto));
	int fragment = masked_byte(level, OVS_KEY_ATTR_IPV4, offsetof(struct ovs_key_ipv4, ipv4_frag));

	if (protocol < 0) {
		protocol = masked_byte(level, OVS_KEY_ATTR_IPV6, offsetof(struct ovs_key_ipv6, ipv6_proto));
		fragment = masked_byte(level, OVS_KEY_ATTR_IPV6, offsetof(struct ovs_key_ipv6, ipv6_frag));
	}
	return protocol == wanted && fragment != OVS_FRAG_TYPE_LATER;
}

static bool key_keeps(const struct level *level, const struct odp_attr *attr)
{
	int type;

	switch (attr->type) {
	case OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4:
		return masked_byte(level, attr->type, offsetof(struct ovs_key_ct_tuple_ipv4, ipv4_proto)) > 0;
	case OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV6:
		return masked_byte(level, attr->type, offsetof(struct ovs_key_ct_tuple_ipv6, ipv6_proto)) > 0;
	case OVS_KEY_ATTR_TCP:
	case OVS_KEY_ATTR_TCP_FLAGS: return protocol_is(level, PROTO_TCP);
	case OVS_KEY_ATTR_UDP: return protocol_is(level, PROTO_UDP);
	case OVS_KEY_ATTR_SCTP: return protocol_is(level, PROTO_SCTP);
	case OVS_KEY_ATTR_ICMP: return protocol_is(level, PROTO_ICMP);
	case OVS_KEY_ATTR_ICMPV6: return protocol_is(level, PROTO_ICMP6);
	case OVS_KEY_ATTR_ND:
		type = masked_byte(level, OVS_KEY_ATTR_ICMPV6, 0);
		return protocol_is(level, PROTO_ICMP6) && (type == ND_SOLICIT || type == ND_ADVERT);
	}
	return true;
}

static size_t level_put(const struct level *level, const uint16_t *order, size_t count, unsigned char *to,
			bool tunnel);

/* of a network service header the kernel writes the context only where it knows that its kind is 1 */
static size_t nsh_put(const struct level *level, const struct odp_attr *attr, unsigned char *to)
{
	static const uint16_t types[] = { OVS_NSH_KEY_ATTR_BASE, OVS_NSH_KEY_ATTR_MD1 };
	struct level inner = { .key = odp_nested(attr), .masked = level->masked };
	struct odp_attr mask, part;
	unsigned char kind = 0;
	size_t length = 0;

	if (odp_find(level->mask, attr->type, &mask))
		inner.mask = odp_nested(&mask);
	for (size_t i = 0; i < COUNT(types); i++) {
		unsigned char *value = to + length + sizeof(struct nlattr);

		if (!odp_find(inner.key, types[i], &part))
			continue;
		memcpy(value, part.value, part.length);
		value_mask(&inner, &part, value);
		if (types[i] == OVS_NSH_KEY_ATTR_BASE && part.length == sizeof(struct ovs_nsh_key_base))
			kind = value[offsetof(struct ovs_nsh_key_base, mdtype)];
		if (types[i] == OVS_NSH_KEY_ATTR_BASE || kind == 1)
			length += header_put(to + length, types[i], part.length);
	}
	return length;
}

/* writes one attribute; returns its size, 0: the kernel does not keep it */
static size_t attr_put(const struct level *level, const struct odp_attr *attr, unsigned char *to, bool tunnel)
{
	const bool nested = !tunnel && (attr->type == OVS_KEY_ATTR_ENCAP || attr->type == OVS_KEY_ATTR_TUNNEL);
	struct level inner = { .key = odp_nested(attr), .masked = level->masked,
			       .extension_headers = level->extension_headers, .depth = level->depth + 1 };
	unsigned char *value = to + sizeof(struct nlattr);
	struct odp_attr mask;
	size_t length = attr->length;

	if (nested && inner.depth < ODP_DEEPEST) {
		if (odp_find(level->mask, attr->type, &mask))
			inner.mask = odp_nested(&mask);
		length = attr->type == OVS_KEY_ATTR_ENCAP ?
				 level_put(&inner, key_order, COUNT(key_order), value, false) :
				 level_put(&inner, tunnel_order, COUNT(tunnel_order), value, true);
	} else if (!tunnel && attr->type == OVS_KEY_ATTR_NSH) {
		length = nsh_put(level, attr, value);
	} else {
		/* the kernel counts the labels in the mask */
		if (!tunnel && attr->type == OVS_KEY_ATTR_MPLS && level->masked &&
		    (!odp_find(level->mask, attr->type, &mask) || mask.length < length))
			length = odp_find(level->mask, attr->type, &mask) ? mask.length : 0;
		memcpy(value, attr->value, length);
		/* the port is always looked at as a whole */
		if (tunnel || attr->type != OVS_KEY_ATTR_IN_PORT)
			value_mask(level, attr, value);
		if (tunnel ? !tunnel_keeps(level, attr, value) : !key_keeps(level, attr))
			return 0;
	}
	return header_put(to, attr->type, length);
}

/* nobody looks at them yet: two bytes of zero */
static size_t extension_headers_put(const struct level *level, unsigned char *to)
{
	struct odp_attr attr;

	if (!level->extension_headers || !odp_find(level->key, OVS_KEY_ATTR_IPV6, &attr))
		return 0;
	memset(to + sizeof(struct nlattr), 0, 2);
	return header_put(to, KEY_IPV6_EXTHDRS, 2);
}

/* what the kernel keeps of each packet, and lists even where neither key nor mask has it */
static size_t always_put(const struct level *level, uint16_t type, unsigned char *to)
{
	size_t length = sizeof(__u32);

	if (!level->masked || level->depth)
		return 0;
	switch (type) {
	case OVS_KEY_ATTR_CT_ZONE: length = sizeof(__u16); break;
	case OVS_KEY_ATTR_CT_LABELS: length = sizeof(struct ovs_key_ct_labels); break;
	case OVS_KEY_ATTR_RECIRC_ID:
	case OVS_KEY_ATTR_DP_HASH:
	case OVS_KEY_ATTR_PRIORITY:
	case OVS_KEY_ATTR_SKB_MARK:
	case OVS_KEY_ATTR_CT_STATE:
	case OVS_KEY_ATTR_CT_MARK: break;
	default: return 0;
	}
	memset(to + sizeof(struct nlattr), 0, length);
	return header_put(to, type, length);
}

static bool in_order(const uint16_t *order, size_t count, uint16_t type)
{
	for (size_t i = 0; i < count; i++) {
		if (order[i] == type)
			return true;
	}
	return false;
}

static size_t level_put(const struct level *level, const uint16_t *order, size_t count, unsigned char *to,
			bool tunnel)
{
	struct odp_attrs rest = level->key;
	struct odp_attr attr;
	size_t length = 0;

	for (size_t i = 0; i < count; i++) {
		if (!tunnel && order[i] == KEY_IPV6_EXTHDRS)
			length += extension_headers_put(level, to + length);
		else if (odp_find(level->key, order[i], &attr))
			length += attr_put(level, &attr, to + length, tunnel);
		else if (!tunnel)
			length += always_put(level, order[i], to + length);
	}
	/* what this file does not know follows as it came */
	while (odp_next(&rest, &attr)) {
		if (!in_order(order, count, attr.type))
			length += attr_put(level, &attr, to + length, tunnel);
	}
	return length;
}

size_t odp_canonical(struct odp_attrs key, struct odp_attrs mask, bool extension_headers, unsigned char *to)
{
	const struct level level = {
		.key = key, .mask = mask, .masked = mask.length != 0, .extension_headers = extension_headers
	};

	return level_put(&level, key_order, COUNT(key_order), to, false);
}

/* the key's innermost tag; false: it has none */
static bool innermost_vlan(struct odp_attrs key, unsigned char vlan[2])
{
	struct odp_attr attr;
	bool found = false;

	for (int depth = 0; depth < ODP_DEEPEST; depth++) {
		if (odp_find(key, OVS_KEY_ATTR_VLAN, &attr) && attr.length == 2) {
			memcpy(vlan, attr.value, 2);
			found = true;
		}
		if (!odp_find(key, OVS_KEY_ATTR_ENCAP, &attr))
			break;
		key = odp_nested(&attr);
	}
	return found;
}

/*
 * The kernel skips attributes of a mask that are all zero, as if they were not
 * there. For a tag it then takes the attribute that it has read last
 * (parse_flow_mask_nlattrs() leaves it in place): for a tag within a tag, the
 * mask of the tag around it; for the outer one, the tag of the key that was
 * innermost. Labels that nobody looks at are no labels. Of an ARP operation it
 * keeps 8 bits.
 */
static size_t mask_put(struct odp_attrs mask, const unsigned char *outer_vlan, unsigned char *to, int depth)
{
	unsigned char vlan[2] = { 0, 0 };
	struct odp_attrs rest = mask;
	struct odp_attr attr;
	size_t length = 0;
	bool descended = false, tagged = odp_find(mask, OVS_KEY_ATTR_VLAN, &attr) && attr.length == 2;

	if (tagged)
		memcpy(vlan, attr.value, 2);
	if (outer_vlan && odp_all(vlan, 2, 0)) {
		memcpy(vlan, outer_vlan, 2);
		if (!tagged) {
			memcpy(to + sizeof(struct nlattr), vlan, 2);
			length = header_put(to, OVS_KEY_ATTR_VLAN, 2);
		}
	}
	while (odp_next(&rest, &attr)) {
		unsigned char *value = to + length + sizeof(struct nlattr);
		size_t size = attr.length;

		if (attr.type == OVS_KEY_ATTR_ENCAP && !descended && depth < ODP_DEEPEST) {
			/* one a level: what grows must not grow again and again */
			descended = true;
			size = mask_put(odp_nested(&attr), vlan, value, depth + 1);
		} else {
			memcpy(value, attr.value, size);
			if (attr.type == OVS_KEY_ATTR_VLAN && size == 2)
				memcpy(value, vlan, 2);
			else if (attr.type == OVS_KEY_ATTR_ARP && size >= sizeof(struct ovs_key_arp))
				value[offsetof(struct ovs_key_arp, arp_op)] = 0;
			else if (attr.type == OVS_KEY_ATTR_MPLS && odp_all(value, size, 0))
				size = 0;
		}
		length += header_put(to + length, attr.type, size);
	}
	return length;
}

size_t odp_canonical_mask(struct odp_attrs key, struct odp_attrs mask, unsigned char *to)
{
	unsigned char vlan[2];
	struct odp_attr attr;
	const bool tagged = odp_find(mask, OVS_KEY_ATTR_ENCAP, &attr) && innermost_vlan(key, vlan);

	return mask_put(mask, tagged ? vlan : NULL, to, 0);
}
