// SPDX-License-Identifier: GPL-2.0-only
/* field.c: single values with their masks, as ovs-dpctl writes them. */
#include <arpa/inet.h>
#include <inttypes.h>

#include "odp/odp.h"

static unsigned char zeros[UINT16_MAX + 1];
const unsigned char *const odp_zeros = zeros;

static bool hidden(const unsigned char *mask, size_t length, bool brief)
{
	return brief && mask && odp_all(mask, length, 0);
}

static bool exact(const unsigned char *mask, size_t length)
{
	return !mask || odp_all(mask, length, 0xff);
}

void odp_field_mac(struct odp_text *text, const char *name, const unsigned char *value,
		   const unsigned char *mask, bool brief)
{
	if (hidden(mask, 6, brief))
		return;
	odp_put(text, "%s=", name);
	odp_put_bytes(text, value, 6, ':');
	if (!exact(mask, 6)) {
		odp_put(text, "/");
		odp_put_bytes(text, mask, 6, ':');
	}
	odp_put(text, ",");
}

void odp_field_ip4(struct odp_text *text, const char *name, const unsigned char *value,
		   const unsigned char *mask, bool brief)
{
	if (hidden(mask, 4, brief))
		return;
	odp_put(text, "%s=%u.%u.%u.%u", name, value[0], value[1], value[2], value[3]);
	if (!exact(mask, 4))
		odp_put(text, "/%u.%u.%u.%u", mask[0], mask[1], mask[2], mask[3]);
	odp_put(text, ",");
}

void odp_field_ip6(struct odp_text *text, const char *name, const unsigned char *value,
		   const unsigned char *mask, bool brief)
{
	char address[INET6_ADDRSTRLEN];

	if (hidden(mask, 16, brief))
		return;
	odp_put(text, "%s=%s", name, inet_ntop(AF_INET6, value, address, sizeof(address)));
	if (!exact(mask, 16))
		odp_put(text, "/%s", inet_ntop(AF_INET6, mask, address, sizeof(address)));
	odp_put(text, ",");
}

void odp_field_u8(struct odp_text *text, const char *name, unsigned char value,
		  const unsigned char *mask, bool brief, bool hex)
{
	if (hidden(mask, 1, brief))
		return;
	odp_put(text, hex ? "%s=%#x" : "%s=%u", name, value);
	if (!exact(mask, 1))
		odp_put(text, "/%#x", *mask);
	odp_put(text, ",");
}

void odp_field_be16(struct odp_text *text, const char *name, const unsigned char *value,
		    const unsigned char *mask, bool brief, bool hex)
{
	if (hidden(mask, 2, brief))
		return;
	odp_put(text, hex ? "%s=%#x" : "%s=%u", name, odp_be16(value));
	if (!exact(mask, 2))
		odp_put(text, "/%#x", odp_be16(mask));
	odp_put(text, ",");
}

void odp_vlan_text(struct odp_text *text, uint16_t tci, uint16_t mask, bool brief)
{
	const uint16_t vid = tci & 0xfff, vid_mask = mask & 0xfff, pcp = tci >> 13, pcp_mask = mask >> 13;

	if (!brief || vid || vid_mask) {
		odp_put(text, "vid=%u", vid);
		if (vid_mask != 0xfff)
			odp_put(text, "/0x%x", vid_mask);
		odp_put(text, ",");
	}
	if (!brief || pcp || pcp_mask) {
		odp_put(text, "pcp=%u", pcp);
		if (pcp_mask != 7)
			odp_put(text, "/0x%x", pcp_mask);
		odp_put(text, ",");
	}
	if (!(tci & 0x1000))
		odp_put(text, "cfi=0,");
	odp_chomp(text, ',');
}

void odp_mpls_text(struct odp_text *text, uint32_t entry)
{
	odp_put(text, "label=%u,tc=%u,ttl=%u,bos=%u", entry >> 12, entry >> 9 & 7, entry & 0xff,
		entry >> 8 & 1);
}

static void u128_put(struct odp_text *text, const unsigned char *value)
{
	unsigned char big[16];

	for (int i = 0; i < 16; i++)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		big[i] = value[15 - i];
#else
		big[i] = value[i];
#endif
	odp_put_number(text, big, sizeof(big));
}

void odp_u128_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask)
{
	u128_put(text, value);
	if (exact(mask, 16))
		return;
	odp_put(text, "/");
	u128_put(text, mask);
}

void odp_flags_text(struct odp_text *text, const char *const *names, unsigned int count, uint32_t flags,
		    char between)
{
	uint32_t unknown = 0;

	if (!flags) {
		odp_put(text, "0");
		return;
	}
	for (unsigned int bit = 0; bit < 32; bit++) {
		if (!(flags & 1U << bit))
			continue;
		if (bit < count)
			odp_put(text, "%s%c", names[bit], between);
		else
			unknown |= 1U << bit;
	}
	if (unknown)
		odp_put(text, "0x%x%c", unknown, between);
	odp_chomp(text, between);
}

void odp_flags_masked_text(struct odp_text *text, const char *const *names, unsigned int count,
			   uint32_t flags, uint32_t mask, uint32_t whole)
{
	if (mask == whole) {
		odp_flags_text(text, names, count, flags, '|');
		return;
	}
	if (!mask)
		odp_put(text, "0/0");
	for (unsigned int bit = 0; bit < 32; bit++) {
		if (mask & 1U << bit)
			odp_put(text, "%c%s", flags & 1U << bit ? '+' : '-',
				bit < count ? names[bit] : "[Unknown]");
	}
}

bool odp_length_check(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask,
		      int expected, bool name)
{
	bool key_wrong = key->length != expected, mask_wrong = mask && mask->length != expected;

	if (expected == ODP_ANY_LENGTH || (!key_wrong && !mask_wrong))
		return true;
	if (name)
		odp_put(text, "key%u", key->type);
	if (key_wrong)
		odp_put(text, "(bad key length %u, expected %d)(", key->length, expected);
	odp_put_bytes(text, key->value, key->length, ' ');
	if (mask) {
		odp_put(text, "/");
		if (mask_wrong)
			odp_put(text, "(bad mask length %u, expected %d)(", mask->length, expected);
		odp_put_bytes(text, mask->value, mask->length, ' ');
	}
	odp_put(text, ")");
	return false;
}

bool odp_parse(struct odp_attrs attrs, const struct odp_policy *policy, unsigned int count,
	       struct odp_attr *found)
{
	struct odp_attr attr;

	memset(found, 0, count * sizeof(*found));
	while (odp_next(&attrs, &attr)) {
		if (attr.type >= count || !policy[attr.type].known)
			continue;
		if (attr.length < policy[attr.type].min || attr.length > policy[attr.type].max)
			return false;
		found[attr.type] = attr;
	}
	if (attrs.length)
		return false;
	for (unsigned int i = 0; i < count; i++) {
		if (policy[i].required && !found[i].value)
			return false;
	}
	return true;
}

void odp_port_text(struct odp_text *text, uint32_t port, const struct odp_names *names)
{
	const char *name = names ? names->port(names->data, port) : NULL;

	if (name)
		odp_put(text, "%s", name);
	else
		odp_put(text, "%u", port);
}
