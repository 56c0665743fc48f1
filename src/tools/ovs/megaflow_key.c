// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_key.c: the packet filter, asked of the key that ovs-vswitchd sends: all of a packet's headers. */
#include <linux/openvswitch.h>

#include "tools/ovs/megaflow_key.h"

enum {
	TYPE_ARP = 0x0806,
	TYPE_IP4 = 0x0800,
	TYPE_IP6 = 0x86dd,
};

/* what the filter compares */
struct headers {
	uint32_t type;
	int protocol, src_port, dst_port; /* -1: none */
	bool addresses;
	union sonde_address src, dst;
	bool vlan_matches;
	uint32_t port;
};

static void addresses_read(struct headers *headers, const unsigned char *src, const unsigned char *dst, size_t size)
{
	memcpy(headers->src.byte, src, size);
	memcpy(headers->dst.byte, dst, size);
	headers->addresses = true;
}

static void attr_read(struct headers *headers, const struct odp_attr *attr, const struct sonde_filter *filter)
{
	const unsigned char *value = attr->value;

	switch (attr->type) {
	case OVS_KEY_ATTR_IN_PORT: headers->port = attr->length == 4 ? odp_u32(value) : UINT32_MAX; break;
	case OVS_KEY_ATTR_ETHERTYPE:
		if (attr->length == 2)
			headers->type = odp_be16(value);
		break;
	case OVS_KEY_ATTR_VLAN:
		if (attr->length == 2 && (odp_be16(value) & 0xfff) == filter->vlan)
			headers->vlan_matches = true;
		break;
	case OVS_KEY_ATTR_IPV4:
		if (attr->length < 12)
			break;
		addresses_read(headers, value, value + 4, 4);
		headers->protocol = value[8];
		break;
	case OVS_KEY_ATTR_ARP:
		if (attr->length >= 8)
			addresses_read(headers, value, value + 4, 4);
		break;
	case OVS_KEY_ATTR_IPV6:
		if (attr->length < 40)
			break;
		addresses_read(headers, value, value + 16, 16);
		headers->protocol = value[36];
		break;
	case OVS_KEY_ATTR_TCP:
	case OVS_KEY_ATTR_UDP:
	case OVS_KEY_ATTR_SCTP:
		if (attr->length < 4)
			break;
		headers->src_port = odp_be16(value);
		headers->dst_port = odp_be16(value + 2);
		break;
	}
}

/* the type behind the innermost tag is read last, and so is the one that stays */
static void headers_read(struct headers *headers, struct odp_attrs key, const struct sonde_filter *filter)
{
	struct odp_attrs rest = key;
	struct odp_attr attr;

	for (int depth = 0; depth < 3; depth++) {
		struct odp_attrs inner = {};

		while (odp_next(&rest, &attr)) {
			if (attr.type == OVS_KEY_ATTR_ENCAP)
				inner = odp_nested(&attr);
			else
				attr_read(headers, &attr, filter);
		}
		rest = inner;
	}
}

static bool prefix_has(const struct sonde_prefix *prefix, const union sonde_address *address)
{
	return (address->quad[0] & prefix->mask.quad[0]) == prefix->address.quad[0] &&
	       (address->quad[1] & prefix->mask.quad[1]) == prefix->address.quad[1];
}

static bool port_has(const struct sonde_ports *ports, int port)
{
	for (uint32_t i = 0; i < ports->count; i++) {
		if (port >= ports->range[i].first && port <= ports->range[i].last)
			return true;
	}
	return false;
}

static bool ports_pass(const struct sonde_filter *filter, const struct headers *headers)
{
	const uint32_t set = filter->set;

	if (set & FILTER_SRC_PORT && !port_has(&filter->src_port, headers->src_port))
		return false;
	if (set & FILTER_DST_PORT && !port_has(&filter->dst_port, headers->dst_port))
		return false;
	return !(set & FILTER_PORT) || port_has(&filter->port, headers->src_port) ||
	       port_has(&filter->port, headers->dst_port);
}

static bool addresses_pass(const struct sonde_filter *filter, const struct headers *headers)
{
	const uint32_t set = filter->set;

	if (set & FILTER_ADDRESSES && !headers->addresses)
		return false;
	if (set & FILTER_SRC && !prefix_has(&filter->src, &headers->src))
		return false;
	if (set & FILTER_DST && !prefix_has(&filter->dst, &headers->dst))
		return false;
	if (set & FILTER_HOST && !prefix_has(&filter->host, &headers->src) &&
	    !prefix_has(&filter->host, &headers->dst))
		return false;
	return !(set & FILTER_NOT_HOST) || !headers->addresses ||
	       (headers->type == TYPE_IP6) != !!(set & FILTER_NOT_HOST6) ||
	       (!prefix_has(&filter->not_host, &headers->src) && !prefix_has(&filter->not_host, &headers->dst));
}

static bool port_name_is(const struct sonde_filter *filter, uint32_t port, const struct odp_names *names)
{
	const char *name = names->port(names->data, port);

	return name && !strncmp(name, filter->device, sizeof(filter->device));
}

bool megaflow_key_passes(const struct sonde_filter *filter, struct odp_attrs key, const struct odp_names *names)
{
	struct headers headers = { .protocol = -1, .src_port = -1, .dst_port = -1, .port = UINT32_MAX };
	const uint32_t set = filter->set;

	headers_read(&headers, key, filter);
	if (set & FILTER_DEVICE && !port_name_is(filter, headers.port, names))
		return false;
	if (set & FILTER_VLAN && !headers.vlan_matches)
		return false;
	/* a key has nothing of what is inside a tunnel that only passes through, nor of its device's namespace */
	if (set & (FILTER_INNER | FILTER_VNI | FILTER_NETNS))
		return false;
	if (set & FILTER_TYPE && !filter_type_fits(filter->eth_type, headers.type))
		return false;
	if (set & FILTER_ARP && headers.type != TYPE_ARP)
		return false;
	if (set & FILTER_IP4 && headers.type != TYPE_IP4 && headers.type != TYPE_ARP)
		return false;
	if (set & FILTER_IP6 && headers.type != TYPE_IP6)
		return false;
	if (set & FILTER_PROTOCOL && headers.protocol != filter->protocol)
		return false;
	return addresses_pass(filter, &headers) && ports_pass(filter, &headers);
}
