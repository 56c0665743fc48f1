// SPDX-License-Identifier: GPL-2.0-only
/* filter_quick.c: what of a filter the first sight of a packet can compare, as bytes of a plain IPv4 packet. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

#include "core/filter.h"

/* one or two ports, as on the wire; false: longer, or a range */
static bool pair_of(const struct sonde_ports *ports, uint32_t pair[2])
{
	const struct sonde_port_range *first = &ports->range[0],
				      *last = &ports->range[ports->count - 1];

	if (ports->count > 2 || first->first != first->last || last->first != last->last)
		return false;
	pair[0] = htons(first->first);
	pair[1] = htons(last->first);
	return true;
}

/* no plain IPv4 packet passes */
static bool never_ip4(const struct sonde_filter *filter)
{
	return filter->set & (FILTER_IP6 | FILTER_ARP) ||
	       (filter->set & FILTER_TYPE && filter->eth_type != ETH_P_IP);
}

/* see enum filter_quick */
void filter_quick_set(struct sonde_filter *filter)
{
	struct {
		uint8_t ttl, protocol;
		uint16_t checksum;
		uint32_t src, dst;
		uint16_t src_port, dst_port;
	} mask = {}, value = {};
	uint32_t set = filter->set, lists = set & FILTER_PORTS;
	uint32_t *pair = filter->quick_pair, src[2], dst[2];

	filter->quick = QUICK_NONE;
	memset(filter->quick_mask, 0, sizeof(filter->quick_mask));
	if (set & FILTER_INNER)
		return;
	if (never_ip4(filter)) {
		filter->quick_mask[0] = 1;
		filter->quick_value[0] = 2;
		filter->quick = QUICK_WORDS;
		return;
	}
	if (!(set & FILTER_COMPARED))
		return;
	if (set & FILTER_SRC) {
		mask.src = filter->src.mask.word[0];
		value.src = filter->src.address.word[0];
	}
	if (set & FILTER_DST) {
		mask.dst = filter->dst.mask.word[0];
		value.dst = filter->dst.address.word[0];
	}
	if (set & FILTER_PROTOCOL) {
		mask.protocol = 0xff;
		value.protocol = filter->protocol;
	}
	/* one port stands in the words */
	if (set & FILTER_SRC_PORT && pair_of(&filter->src_port, src) && src[0] == src[1]) {
		mask.src_port = 0xffff;
		value.src_port = src[0];
		lists &= ~FILTER_SRC_PORT;
	}
	if (set & FILTER_DST_PORT && pair_of(&filter->dst_port, dst) && dst[0] == dst[1]) {
		mask.dst_port = 0xffff;
		value.dst_port = dst[0];
		lists &= ~FILTER_DST_PORT;
	}
	memcpy(filter->quick_mask, &mask, sizeof(mask));
	memcpy(filter->quick_value, &value, sizeof(value));
	if (!(set & FILTER_PORTS))
		filter->quick = set & FILTER_HOST ? QUICK_HOST : QUICK_WORDS;
	else if (!lists && !(set & FILTER_HOST))
		filter->quick = QUICK_PORTS;
	else if (set & FILTER_HOST)
		filter->quick = QUICK_ALL;
	else if (lists == FILTER_PORT && pair_of(&filter->port, pair))
		filter->quick = QUICK_PAIR;
	else if (lists == FILTER_SRC_PORT && pair_of(&filter->src_port, pair))
		filter->quick = QUICK_PAIR_SRC;
	else if (lists == FILTER_DST_PORT && pair_of(&filter->dst_port, pair))
		filter->quick = QUICK_PAIR_DST;
	else
		filter->quick = QUICK_ALL;
}
