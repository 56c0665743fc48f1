// SPDX-License-Identifier: GPL-2.0-only
/* key.c: the attributes of a flow's key and mask as text. */
#include <linux/openvswitch.h>

#include "odp/odp.h"

/* user space's own addition, which some versions send along */
#define KEY_PACKET_TYPE 29
#define KEY_ND_EXTENSIONS 30
#define KEY_IPV6_EXTHDRS 32 /* Linux 5.18 */

static const char *const tcp_flags[] = { "fin", "syn", "rst", "psh", "ack",   "urg",
					 "ece", "cwr", "ns",  "[200]", "[400]", "[800]" };
static const char *const ct_states[] = { "new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat" };

const char *odp_ct_state(unsigned int bit)
{
	return bit < sizeof(ct_states) / sizeof(ct_states[0]) ? ct_states[bit] : NULL;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct key_kind {
	const char *name;
	int length; /* ODP_ANY_LENGTH: varies or nested; 0: no such key */
} kinds[] = {
	[OVS_KEY_ATTR_ENCAP] = { "encap", ODP_ANY_LENGTH },
	[OVS_KEY_ATTR_PRIORITY] = { "skb_priority", 4 },
	[OVS_KEY_ATTR_IN_PORT] = { "in_port", 4 },
	[OVS_KEY_ATTR_ETHERNET] = { "eth", 12 },
	[OVS_KEY_ATTR_VLAN] = { "vlan", 2 },
	[OVS_KEY_ATTR_ETHERTYPE] = { "eth_type", 2 },
	[OVS_KEY_ATTR_IPV4] = { "ipv4", 12 },
	[OVS_KEY_ATTR_IPV6] = { "ipv6", 40 },
	[OVS_KEY_ATTR_TCP] = { "tcp", 4 },
	[OVS_KEY_ATTR_UDP] = { "udp", 4 },
	[OVS_KEY_ATTR_ICMP] = { "icmp", 2 },
	[OVS_KEY_ATTR_ICMPV6] = { "icmpv6", 2 },
	[OVS_KEY_ATTR_ARP] = { "arp", 24 },
	[OVS_KEY_ATTR_ND] = { "nd", 28 },
	[OVS_KEY_ATTR_SKB_MARK] = { "skb_mark", 4 },
	[OVS_KEY_ATTR_TUNNEL] = { "tunnel", ODP_ANY_LENGTH },
	[OVS_KEY_ATTR_SCTP] = { "sctp", 4 },
	[OVS_KEY_ATTR_TCP_FLAGS] = { "tcp_flags", 2 },
	[OVS_KEY_ATTR_DP_HASH] = { "dp_hash", 4 },
	[OVS_KEY_ATTR_RECIRC_ID] = { "recirc_id", 4 },
	[OVS_KEY_ATTR_MPLS] = { "mpls", ODP_ANY_LENGTH },
	[OVS_KEY_ATTR_CT_STATE] = { "ct_state", 4 },
	[OVS_KEY_ATTR_CT_ZONE] = { "ct_zone", 2 },
	[OVS_KEY_ATTR_CT_MARK] = { "ct_mark", 4 },
	[OVS_KEY_ATTR_CT_LABELS] = { "ct_label", 16 },
	[OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4] = { "ct_tuple4", 16 },
	[OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV6] = { "ct_tuple6", 40 },
	[OVS_KEY_ATTR_NSH] = { "nsh", ODP_ANY_LENGTH },
	[KEY_PACKET_TYPE] = { "packet_type", 4 },
	[KEY_ND_EXTENSIONS] = { "nd_ext", 8 },
	[KEY_IPV6_EXTHDRS] = { "key32", 2 }, /* no name: ovs-dpctl has none for it */
};

static int key_length(uint16_t type)
{
	if (type >= COUNT(kinds) || !kinds[type].name)
		return ODP_NO_SUCH;
	return kinds[type].length;
}

/* a member of the mask, or NULL if there is no mask */
static const unsigned char *at(const unsigned char *mask, unsigned int offset)
{
	return mask ? mask + offset : NULL;
}

static void u32_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask, bool exact)
{
	odp_put(text, "%#x", odp_u32(value));
	if (!exact)
		odp_put(text, "/%#x", odp_u32(mask));
}

static void ct_state_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask,
			  bool exact, bool brief)
{
	if (!brief)
		u32_text(text, value, mask, exact);
	else if (exact)
		odp_flags_text(text, ct_states, COUNT(ct_states), odp_u32(value), '|');
	else
		odp_flags_masked_text(text, ct_states, COUNT(ct_states), odp_u32(value), odp_u32(mask),
				      UINT32_MAX);
}

static void ct_tuple_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask,
			  bool brief, bool six)
{
	const unsigned int size = six ? 16 : 4;

	if (six) {
		odp_field_ip6(text, "src", value, mask, brief);
		odp_field_ip6(text, "dst", value + 16, at(mask, 16), brief);
	} else {
		odp_field_ip4(text, "src", value, mask, brief);
		odp_field_ip4(text, "dst", value + 4, at(mask, 4), brief);
	}
	odp_field_u8(text, "proto", value[2 * size + 4], at(mask, 2 * size + 4), brief, false);
	odp_field_be16(text, six ? "src_port" : "tp_src", value + 2 * size, at(mask, 2 * size), brief, false);
	odp_field_be16(text, six ? "dst_port" : "tp_dst", value + 2 * size + 2, at(mask, 2 * size + 2),
		       brief, false);
}

static void frag_text(struct odp_text *text, unsigned char value, const unsigned char *mask)
{
	static const char *const words[] = { "no", "first", "later" };

	if (mask && *mask && *mask != 0xff)
		odp_put(text, "error: partial mask not supported for frag (%#x),", *mask);
	else if (!mask || *mask)
		odp_put(text, "frag=%s,", value < COUNT(words) ? words[value] : "<error>");
}

static void ip4_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask, bool brief)
{
	odp_field_ip4(text, "src", value, mask, brief);
	odp_field_ip4(text, "dst", value + 4, at(mask, 4), brief);
	odp_field_u8(text, "proto", value[8], at(mask, 8), brief, false);
	odp_field_u8(text, "tos", value[9], at(mask, 9), brief, true);
	odp_field_u8(text, "ttl", value[10], at(mask, 10), brief, false);
	frag_text(text, value[11], at(mask, 11));
}

static void ip6_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask, bool brief)
{
	odp_field_ip6(text, "src", value, mask, brief);
	odp_field_ip6(text, "dst", value + 16, at(mask, 16), brief);
	if (!brief || !mask || odp_be32(mask + 32)) {
		odp_put(text, "label=%#x", odp_be32(value + 32));
		/* 20 bits of it are the label */
		if (mask && (odp_be32(mask + 32) & 0xfffff) != 0xfffff)
			odp_put(text, "/%#x", odp_be32(mask + 32));
		odp_put(text, ",");
	}
	odp_field_u8(text, "proto", value[36], at(mask, 36), brief, false);
	odp_field_u8(text, "tclass", value[37], at(mask, 37), brief, true);
	odp_field_u8(text, "hlimit", value[38], at(mask, 38), brief, false);
	frag_text(text, value[39], at(mask, 39));
}

static void arp_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask, bool brief)
{
	odp_field_ip4(text, "sip", value, mask, brief);
	odp_field_ip4(text, "tip", value + 4, at(mask, 4), brief);
	odp_field_be16(text, "op", value + 8, at(mask, 8), brief, false);
	odp_field_mac(text, "sha", value + 10, at(mask, 10), brief);
	odp_field_mac(text, "tha", value + 16, at(mask, 16), brief);
}

static bool mpls_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask)
{
	if (!key->length || key->length % 4) {
		odp_put(text, "(bad key length %u)", key->length);
		return false;
	}
	if (mask && mask->length != key->length) {
		odp_put(text, "(key length %u != mask length %u)", key->length, mask->length);
		return false;
	}
	for (unsigned int i = 0; i < key->length; i += 4) {
		uint32_t value = odp_be32(key->value + i), bits;

		if (!mask) {
			odp_mpls_text(text, value);
		} else {
			bits = odp_be32(mask->value + i);
			odp_put(text, "label=%u/0x%x,tc=%u/%x,ttl=%u/0x%x,bos=%u/%x", value >> 12,
				bits >> 12, value >> 9 & 7, bits >> 9 & 7, value & 0xff, bits & 0xff,
				value >> 8 & 1, bits >> 8 & 1);
		}
		odp_put(text, ",");
	}
	odp_chomp(text, ',');
	return true;
}

static void packet_type_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask,
			     bool brief)
{
	static const unsigned char all[] = { 0xff, 0xff, 0xff, 0xff };

	mask = mask ? mask : all;
	odp_field_be16(text, "ns", value, mask, brief, false);
	odp_field_be16(text, "id", value + 2, mask + 2, brief, true);
}

static void tcp_flags_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask)
{
	const uint16_t whole = 0xfff;

	odp_flags_masked_text(text, tcp_flags, COUNT(tcp_flags), odp_be16(value),
			      mask ? odp_be16(mask) & whole : whole, whole);
}

static void flow_text(struct odp_text *text, struct odp_attrs key, struct odp_attrs mask,
		      const struct odp_names *names, int depth);

static void encap_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask, int depth)
{
	const struct odp_attrs none = {};

	if (depth >= ODP_DEEPEST)
		odp_put(text, "nested too deep");
	else if (key->length)
		flow_text(text, odp_nested(key), mask && mask->length ? odp_nested(mask) : none, NULL,
			  depth + 1);
}

/* scalars, whose mask is shown behind them unless it is all ones */
static bool scalar_text(struct odp_text *text, const struct odp_attr *key, const unsigned char *mask,
			const struct odp_names *names, bool exact, bool brief)
{
	const bool hidden = brief && mask && odp_all(mask, key->length, 0);

	switch (key->type) {
	case OVS_KEY_ATTR_PRIORITY:
	case OVS_KEY_ATTR_SKB_MARK:
	case OVS_KEY_ATTR_DP_HASH:
	case OVS_KEY_ATTR_RECIRC_ID: u32_text(text, key->value, mask, exact); return true;
	case OVS_KEY_ATTR_CT_MARK:
		/* with no mask at all, a short text leaves it away */
		if (!brief || (mask && !hidden))
			u32_text(text, key->value, mask, exact);
		return true;
	case OVS_KEY_ATTR_CT_STATE: ct_state_text(text, key->value, mask, exact, brief); return true;
	case OVS_KEY_ATTR_CT_ZONE:
		if (brief && (!mask || hidden))
			return true;
		odp_put(text, "%#x", odp_u16(key->value));
		if (!exact)
			odp_put(text, "/%#x", odp_u16(mask));
		return true;
	case OVS_KEY_ATTR_CT_LABELS:
		if (!brief || (mask && !hidden))
			odp_u128_text(text, key->value, mask);
		return true;
	case OVS_KEY_ATTR_IN_PORT:
		if (exact)
			odp_port_text(text, odp_u32(key->value), names);
		else
			odp_put(text, "%u/%#x", odp_u32(key->value), odp_u32(mask));
		return true;
	case OVS_KEY_ATTR_ETHERTYPE:
		odp_put(text, "0x%04x", odp_be16(key->value));
		if (!exact)
			odp_put(text, "/0x%04x", odp_be16(mask));
		return true;
	case OVS_KEY_ATTR_VLAN:
		odp_vlan_text(text, odp_be16(key->value), mask ? odp_be16(mask) : 0xffff, brief);
		return true;
	case OVS_KEY_ATTR_TCP_FLAGS: tcp_flags_text(text, key->value, mask); return true;
	}
	return false;
}

/* groups of fields, each with a comma behind it */
static bool fields_text(struct odp_text *text, const struct odp_attr *key, const unsigned char *mask, bool brief)
{
	const unsigned char *value = key->value;

	switch (key->type) {
	case OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4: ct_tuple_text(text, value, mask, brief, false); return true;
	case OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV6: ct_tuple_text(text, value, mask, brief, true); return true;
	case OVS_KEY_ATTR_ETHERNET:
		odp_field_mac(text, "src", value, mask, brief);
		odp_field_mac(text, "dst", value + 6, at(mask, 6), brief);
		return true;
	case OVS_KEY_ATTR_IPV4: ip4_text(text, value, mask, brief); return true;
	case OVS_KEY_ATTR_IPV6: ip6_text(text, value, mask, brief); return true;
	case OVS_KEY_ATTR_TCP:
	case OVS_KEY_ATTR_UDP:
	case OVS_KEY_ATTR_SCTP:
		odp_field_be16(text, "src", value, mask, brief, false);
		odp_field_be16(text, "dst", value + 2, at(mask, 2), brief, false);
		return true;
	case OVS_KEY_ATTR_ICMP:
	case OVS_KEY_ATTR_ICMPV6:
		odp_field_u8(text, "type", value[0], mask, brief, false);
		odp_field_u8(text, "code", value[1], at(mask, 1), brief, false);
		return true;
	case OVS_KEY_ATTR_ARP: arp_text(text, value, mask, brief); return true;
	case OVS_KEY_ATTR_ND:
		odp_field_ip6(text, "target", value, mask, brief);
		odp_field_mac(text, "sll", value + 16, at(mask, 16), brief);
		odp_field_mac(text, "tll", value + 22, at(mask, 22), brief);
		return true;
	case KEY_ND_EXTENSIONS:
		odp_put(text, "nd_reserved=0x%x,", odp_be32(value));
		odp_field_u8(text, "nd_options_type", value[4], at(mask, 4), brief, false);
		return true;
	case KEY_PACKET_TYPE: packet_type_text(text, value, mask, brief); return true;
	}
	return false;
}

/* the length is right */
static void attr_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask,
		      const struct odp_names *names, bool brief, int depth)
{
	const bool exact = !mask || odp_all(mask->value, mask->length, 0xff);
	const unsigned char *bits = mask ? mask->value : NULL;

	if (key->type < COUNT(kinds) && kinds[key->type].name)
		odp_put(text, "%s(", kinds[key->type].name);
	else
		odp_put(text, "key%u(", key->type);
	if (key->type == OVS_KEY_ATTR_ENCAP) {
		encap_text(text, key, mask, depth);
	} else if (key->type == OVS_KEY_ATTR_TUNNEL) {
		odp_tunnel_text(text, key, mask, brief);
	} else if (key->type == OVS_KEY_ATTR_NSH) {
		odp_nsh_text(text, key, mask);
	} else if (key->type == OVS_KEY_ATTR_MPLS) {
		/* ovs-dpctl forgets the bracket behind what it complains of */
		if (!mpls_text(text, key, exact ? NULL : mask))
			return;
	} else if (fields_text(text, key, bits, brief)) {
		odp_chomp(text, ',');
	} else if (!scalar_text(text, key, bits, names, exact, brief)) {
		odp_put_bytes(text, key->value, key->length, ' ');
		if (!exact) {
			odp_put(text, "/");
			odp_put_bytes(text, bits, mask->length, ' ');
		}
	}
	odp_put(text, ")");
}

void odp_key_attr_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask,
		       const struct odp_names *names, bool brief, int depth)
{
	if (odp_length_check(text, key, mask, key_length(key->type), false))
		attr_text(text, key, mask, names, brief, depth);
}

static void leftover_text(struct odp_text *text, struct odp_attrs rest, size_t whole)
{
	if (!rest.length)
		return;
	if (rest.length == whole)
		odp_put(text, "<empty>");
	odp_put(text, ",***%zu leftover bytes*** (", rest.length);
	odp_put_bytes(text, rest.data, rest.length, 0);
	odp_put(text, ")");
}

static void flow_text(struct odp_text *text, struct odp_attrs key, struct odp_attrs mask,
		      const struct odp_names *names, int depth)
{
	struct odp_attrs rest = key;
	struct odp_attr attr, bits;
	bool first = true, typed = false;

	if (!key.length) {
		odp_put(text, "<empty>");
		return;
	}
	while (odp_next(&rest, &attr)) {
		bool masked = odp_find(mask, attr.type, &bits);

		if (!odp_length_check(text, &attr, masked ? &bits : NULL, key_length(attr.type), false))
			continue;
		/* what the mask does not name, it hides */
		if (!masked && mask.length) {
			bits = (struct odp_attr){ attr.type, attr.length, odp_zeros };
			if (attr.type == OVS_KEY_ATTR_ENCAP || attr.type == OVS_KEY_ATTR_TUNNEL)
				bits.length = 0;
			masked = true;
		}
		typed |= attr.type == OVS_KEY_ATTR_ETHERTYPE;
		if (!first)
			odp_put(text, ",");
		first = false;
		attr_text(text, &attr, masked ? &bits : NULL, names, false, depth);
	}
	leftover_text(text, rest, key.length);
	if (!typed && odp_find(mask, OVS_KEY_ATTR_ETHERTYPE, &bits) && bits.length == 2)
		odp_put(text, ",eth_type(0/0x%04x)", odp_be16(bits.value));
}

void odp_key_text(struct odp_text *text, struct odp_attrs key, struct odp_attrs mask,
		  const struct odp_names *names)
{
	flow_text(text, key, mask, names, 0);
}

void odp_ufid_text(struct odp_text *text, const unsigned char ufid[16])
{
	/* four numbers in the machine's byte order */
	const uint32_t a = odp_u32(ufid), b = odp_u32(ufid + 4), c = odp_u32(ufid + 8), d = odp_u32(ufid + 12);

	odp_put(text, "ufid:%08x-%04x-%04x-%04x-%04x%08x", a, b >> 16, b & 0xffff, c >> 16, c & 0xffff, d);
}
