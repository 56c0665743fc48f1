// SPDX-License-Identifier: GPL-2.0-only
/* tunnel.c: the attributes of a tunnel, its options, and network service headers, as text. */
#include <inttypes.h>
#include <linux/openvswitch.h>

#include "odp/odp.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const tunnel_flags[] = { "df", "csum", "key", "oam" };
enum tunnel_flag {
	TUNNEL_DF = 1,
	TUNNEL_CSUM = 2,
	TUNNEL_KEY = 4,
	TUNNEL_OAM = 8,
	TUNNEL_FLAGS = 15,
};

static int tunnel_length(uint16_t type)
{
	switch (type) {
	case OVS_TUNNEL_KEY_ATTR_ID: return 8;
	case OVS_TUNNEL_KEY_ATTR_IPV4_SRC:
	case OVS_TUNNEL_KEY_ATTR_IPV4_DST: return 4;
	case OVS_TUNNEL_KEY_ATTR_TOS:
	case OVS_TUNNEL_KEY_ATTR_TTL: return 1;
	case OVS_TUNNEL_KEY_ATTR_DONT_FRAGMENT:
	case OVS_TUNNEL_KEY_ATTR_CSUM:
	case OVS_TUNNEL_KEY_ATTR_OAM:
	case OVS_TUNNEL_KEY_ATTR_PAD:
	case OVS_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE: return 0;
	case OVS_TUNNEL_KEY_ATTR_TP_SRC:
	case OVS_TUNNEL_KEY_ATTR_TP_DST: return 2;
	case OVS_TUNNEL_KEY_ATTR_IPV6_SRC:
	case OVS_TUNNEL_KEY_ATTR_IPV6_DST: return 16;
	case OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS:
	case OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS:
	case OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS: return ODP_ANY_LENGTH;
	}
	return ODP_NO_SUCH;
}

static void unknown_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask)
{
	odp_put(text, "key%u(", key->type);
	odp_put_bytes(text, key->value, key->length, ' ');
	if (mask && !odp_all(mask->value, mask->length, 0xff)) {
		odp_put(text, "/");
		odp_put_bytes(text, mask->value, mask->length, ' ');
	}
	odp_put(text, "),");
}

/* the mask of an attribute: what it names, else all hidden; NULL: there is no mask */
static const struct odp_attr *mask_of(const struct odp_attr *mask, const struct odp_attr *key,
				      struct odp_attr *found)
{
	if (!mask)
		return NULL;
	if (!odp_find(odp_nested(mask), key->type, found))
		*found = (struct odp_attr){ key->type, key->length, odp_zeros };
	return found;
}

static void vxlan_text(struct odp_text *text, const struct odp_attr *options, const struct odp_attr *mask,
		       bool brief)
{
	struct odp_attrs rest = odp_nested(options);
	struct odp_attr attr, found;

	while (odp_next(&rest, &attr)) {
		const struct odp_attr *bits = mask_of(mask, &attr, &found);
		uint32_t value, hidden;
		unsigned char id[2], id_mask[2], flags_mask;

		if (!odp_length_check(text, &attr, bits, attr.type == OVS_VXLAN_EXT_GBP ? 4 : ODP_NO_SUCH, true))
			continue;
		value = odp_u32(attr.value);
		hidden = bits ? odp_u32(bits->value) : UINT32_MAX;
		id[0] = value >> 8;
		id[1] = value;
		id_mask[0] = hidden >> 8;
		id_mask[1] = hidden;
		flags_mask = hidden >> 16;
		odp_put(text, "gbp(");
		odp_field_be16(text, "id", id, id_mask, brief, false);
		odp_field_u8(text, "flags", value >> 16, &flags_mask, brief, true);
		odp_chomp(text, ',');
		odp_put(text, "),");
	}
	odp_chomp(text, ',');
}

static void geneve_text(struct odp_text *text, const struct odp_attr *options, const struct odp_attr *mask,
			bool brief)
{
	const unsigned char *at = options->value, *bits = mask ? mask->value : NULL;
	unsigned int left = options->length;

	if (mask && mask->length != options->length) {
		odp_put(text, "value len %u different from mask len %u", options->length, mask->length);
		return;
	}
	while (left) {
		/* class 2 bytes, type 1, length in words 5 bits */
		unsigned int data, step;
		unsigned char data_mask = 0xff;

		if (left < 4) {
			odp_put(text, "opt len %u less than minimum 4", left);
			return;
		}
		data = (at[3] & 0x1f) * 4;
		step = 4 + data;
		if (step > left) {
			odp_put(text, "opt len %u greater than remaining %u", step, left);
			return;
		}
		if (bits && (bits[3] & 0x1f) != 0x1f)
			data_mask = bits[3] & 0x1f;
		odp_put(text, "{");
		odp_field_be16(text, "class", at, bits, brief, true);
		odp_field_u8(text, "type", at[2], bits ? bits + 2 : NULL, brief, true);
		odp_field_u8(text, "len", data, bits ? &data_mask : NULL, brief, false);
		if (data && (!brief || !bits || !odp_all(bits + 4, data, 0))) {
			odp_put_number(text, at + 4, data);
			if (bits && !odp_all(bits + 4, data, 0xff)) {
				odp_put(text, "/");
				odp_put_number(text, bits + 4, data);
			}
		} else {
			odp_chomp(text, ',');
		}
		odp_put(text, "}");
		at += step;
		bits = bits ? bits + step : NULL;
		left -= step;
	}
}

/* struct erspan_metadata: version, then the index of version 1 or the header of version 2 */
static void erspan_text(struct odp_text *text, const struct odp_attr *options, const struct odp_attr *mask,
			bool brief)
{
	const unsigned char *value = options->value, *bits = mask ? mask->value : NULL;
	unsigned char direction = 0, hardware = 0, version;

	if (options->length < 12 || (mask && mask->length < 12)) {
		odp_put_bytes(text, value, options->length, ' ');
		return;
	}
	version = odp_u32(value);
	if (bits) {
		direction = bits[11] >> 3 & 1;
		hardware = bits[11] >> 4;
	}
	odp_field_u8(text, "ver", version, bits, brief, false);
	if (odp_u32(value) == 1) {
		odp_put(text, "idx=%#x", odp_be32(value + 4));
		if (bits)
			odp_put(text, "/%#x", odp_be32(bits + 4));
	} else if (odp_u32(value) == 2) {
		odp_field_u8(text, "dir", value[11] >> 3 & 1, bits ? &direction : NULL, brief, false);
		odp_field_u8(text, "hwid", value[11] >> 4, bits ? &hardware : NULL, brief, true);
	}
	odp_chomp(text, ',');
}

static void id_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask, bool brief)
{
	const uint64_t id = (uint64_t)odp_be32(value) << 32 | odp_be32(value + 4);

	if (brief && mask && odp_all(mask, 8, 0))
		return;
	odp_put(text, "tun_id=0x%" PRIx64, id);
	if (mask && !odp_all(mask, 8, 0xff))
		odp_put(text, "/%#" PRIx64, (uint64_t)odp_be32(mask) << 32 | odp_be32(mask + 4));
	odp_put(text, ",");
}

static uint16_t flag_of(uint16_t type)
{
	switch (type) {
	case OVS_TUNNEL_KEY_ATTR_DONT_FRAGMENT: return TUNNEL_DF;
	case OVS_TUNNEL_KEY_ATTR_CSUM: return TUNNEL_CSUM;
	case OVS_TUNNEL_KEY_ATTR_OAM: return TUNNEL_OAM;
	case OVS_TUNNEL_KEY_ATTR_ID: return TUNNEL_KEY;
	}
	return 0;
}

static void tunnel_attr_text(struct odp_text *text, const struct odp_attr *attr, const struct odp_attr *mask,
			     bool brief)
{
	const unsigned char *value = attr->value, *bits = mask ? mask->value : NULL;

	switch (attr->type) {
	case OVS_TUNNEL_KEY_ATTR_ID: id_text(text, value, bits, brief); break;
	case OVS_TUNNEL_KEY_ATTR_IPV4_SRC: odp_field_ip4(text, "src", value, bits, brief); break;
	case OVS_TUNNEL_KEY_ATTR_IPV4_DST: odp_field_ip4(text, "dst", value, bits, brief); break;
	case OVS_TUNNEL_KEY_ATTR_IPV6_SRC: odp_field_ip6(text, "ipv6_src", value, bits, brief); break;
	case OVS_TUNNEL_KEY_ATTR_IPV6_DST: odp_field_ip6(text, "ipv6_dst", value, bits, brief); break;
	case OVS_TUNNEL_KEY_ATTR_TOS: odp_field_u8(text, "tos", *value, bits, brief, true); break;
	case OVS_TUNNEL_KEY_ATTR_TTL: odp_field_u8(text, "ttl", *value, bits, brief, false); break;
	case OVS_TUNNEL_KEY_ATTR_TP_SRC: odp_field_be16(text, "tp_src", value, bits, brief, false); break;
	case OVS_TUNNEL_KEY_ATTR_TP_DST: odp_field_be16(text, "tp_dst", value, bits, brief, false); break;
	case OVS_TUNNEL_KEY_ATTR_DONT_FRAGMENT:
	case OVS_TUNNEL_KEY_ATTR_CSUM:
	case OVS_TUNNEL_KEY_ATTR_OAM:
	case OVS_TUNNEL_KEY_ATTR_PAD: break;
	case OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS:
		odp_put(text, "vxlan(");
		vxlan_text(text, attr, mask, brief);
		odp_put(text, "),");
		break;
	case OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS:
		odp_put(text, "geneve(");
		geneve_text(text, attr, mask, brief);
		odp_put(text, "),");
		break;
	case OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS:
		odp_put(text, "erspan(");
		erspan_text(text, attr, mask, brief);
		odp_put(text, "),");
		break;
	default: unknown_text(text, attr, mask); break;
	}
}

void odp_tunnel_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask,
		     bool brief)
{
	struct odp_attrs rest = odp_nested(key);
	struct odp_attr attr, found;
	uint16_t flags = 0, flags_mask = 0;

	while (odp_next(&rest, &attr)) {
		const struct odp_attr *bits = mask_of(mask, &attr, &found);

		if (!odp_length_check(text, &attr, bits, tunnel_length(attr.type), true))
			continue;
		tunnel_attr_text(text, &attr, bits, brief);
		flags |= flag_of(attr.type);
		if (attr.type == OVS_TUNNEL_KEY_ATTR_ID)
			flags_mask |= TUNNEL_KEY;
	}
	/* a flag that must not be set stands in the mask only */
	if (mask) {
		rest = odp_nested(mask);
		while (odp_next(&rest, &attr))
			flags_mask |= flag_of(attr.type) & ~TUNNEL_KEY;
	}
	if (!brief || !mask || flags_mask) {
		odp_put(text, "flags(");
		odp_flags_masked_text(text, tunnel_flags, COUNT(tunnel_flags), flags,
				      mask ? flags_mask : TUNNEL_FLAGS, TUNNEL_FLAGS);
		odp_put(text, ")");
	}
	odp_chomp(text, ',');
}

/* ---- network service header ---- */

struct nsh {
	unsigned char base[8]; /* flags, ttl, kind of metadata, next protocol, path */
	unsigned char context[16];
};

static void nsh_text(struct odp_text *text, const struct nsh *nsh)
{
	const uint32_t path = odp_be32(nsh->base + 4);

	odp_put(text, "flags=%u,ttl=%u,mdtype=%u,np=%u,spi=0x%x,si=%u", nsh->base[0], nsh->base[1],
		nsh->base[2], nsh->base[3], path >> 8, path & 0xff);
	for (int i = 0; nsh->base[2] == 1 && i < 4; i++)
		odp_put(text, ",c%d=0x%x", i + 1, odp_be32(nsh->context + 4 * i));
}

static void nsh_u8(struct odp_text *text, const char *name, unsigned char value, unsigned char mask)
{
	if (mask == 0xff)
		odp_put(text, "%s=%u,", name, value);
	else if (mask)
		odp_put(text, "%s=0x%02x/0x%02x,", name, value, mask);
}

static void nsh_u32(struct odp_text *text, const char *name, uint32_t value, uint32_t mask)
{
	if (mask == UINT32_MAX)
		odp_put(text, "%s=0x%x,", name, value);
	else if (mask)
		odp_put(text, "%s=0x%x/0x%08x,", name, value, mask);
}

static void nsh_masked_text(struct odp_text *text, const struct nsh *nsh, const struct nsh *mask)
{
	static const char *const bytes[] = { "flags", "ttl", "mdtype", "np" };
	static const char *const words[] = { "c1", "c2", "c3", "c4" };
	const uint32_t path = odp_be32(nsh->base + 4), bits = odp_be32(mask->base + 4);

	for (int i = 0; i < 4; i++)
		nsh_u8(text, bytes[i], nsh->base[i], mask->base[i]);
	nsh_u32(text, "spi", path >> 8, bits >> 8 == 0xffffff ? UINT32_MAX : bits >> 8);
	nsh_u8(text, "si", path & 0xff, bits & 0xff);
	for (int i = 0; i < 4; i++)
		nsh_u32(text, words[i], odp_be32(nsh->context + 4 * i), odp_be32(mask->context + 4 * i));
	odp_chomp(text, ',');
}

/* where an attribute's value goes, and how long it is; NULL: another one */
static unsigned char *nsh_member(struct nsh *nsh, uint16_t type, unsigned int *length)
{
	*length = type == OVS_NSH_KEY_ATTR_BASE ? sizeof(nsh->base) : sizeof(nsh->context);
	if (type == OVS_NSH_KEY_ATTR_BASE)
		return nsh->base;
	return type == OVS_NSH_KEY_ATTR_MD1 ? nsh->context : NULL;
}

void odp_nsh_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask)
{
	struct odp_attrs rest = odp_nested(key);
	struct nsh nsh = {}, bits;
	struct odp_attr attr, found;

	memset(&bits, 0xff, sizeof(bits));
	while (odp_next(&rest, &attr)) {
		bool masked = mask && odp_find(odp_nested(mask), attr.type, &found);
		unsigned int length;
		unsigned char *member = nsh_member(&nsh, attr.type, &length);

		if (!member || !odp_length_check(text, &attr, masked ? &found : NULL, length, true))
			continue;
		memcpy(member, attr.value, length);
		if (masked)
			memcpy(nsh_member(&bits, attr.type, &length), found.value, length);
	}
	if (mask)
		nsh_masked_text(text, &nsh, &bits);
	else
		nsh_text(text, &nsh);
}

void odp_set_nsh_text(struct odp_text *text, const struct odp_attr *attr)
{
	struct odp_attrs rest = odp_nested(attr);
	struct nsh nsh = {}, bits;
	struct odp_attr part;

	memset(&bits, 0xff, sizeof(bits));
	while (odp_next(&rest, &part)) {
		unsigned int length;
		unsigned char *member = nsh_member(&nsh, part.type, &length);

		if (!member)
			continue;
		if (part.length != 2 * length)
			return;
		memcpy(member, part.value, length);
		memcpy(nsh_member(&bits, part.type, &length), part.value + length, length);
	}
	odp_put(text, "set(nsh(");
	nsh_masked_text(text, &nsh, &bits);
	odp_put(text, "))");
}

void odp_push_nsh_text(struct odp_text *text, const struct odp_attr *attr)
{
	struct nsh nsh = {};
	struct odp_attr header = {}, part;

	/* the header is a key's attribute within the action */
	if (!odp_find(odp_nested(attr), OVS_KEY_ATTR_NSH, &header))
		header = (struct odp_attr){};
	if (odp_find(odp_nested(&header), OVS_NSH_KEY_ATTR_BASE, &part) && part.length == sizeof(nsh.base))
		memcpy(nsh.base, part.value, sizeof(nsh.base));
	if (odp_find(odp_nested(&header), OVS_NSH_KEY_ATTR_MD1, &part) && part.length == sizeof(nsh.context))
		memcpy(nsh.context, part.value, sizeof(nsh.context));
	odp_put(text, "push_nsh(");
	nsh_text(text, &nsh);
	if (nsh.base[2] == 2) {
		odp_put(text, ",md2=");
		if (odp_find(odp_nested(&header), OVS_NSH_KEY_ATTR_MD2, &part))
			odp_put_number(text, part.value, part.length);
	} else if (nsh.base[2] != 1) {
		odp_put(text, ",<error: unknown mdtype>");
	}
	odp_put(text, ")");
}
