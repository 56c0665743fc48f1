// SPDX-License-Identifier: GPL-2.0-only
/* ct_why.c: from what the kernel did and said of a packet to the reason why it is invalid or lost. */
#include <errno.h>
#include <linux/openvswitch.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tools/ovs/ct_why.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *name, *meaning;
} whys[] = {
	[WHY_NOT] = { NULL, NULL },
	[WHY_WINDOW] = { "window", "its TCP sequence or acknowledgement number is not one that this connection can have now "
				   "(net.netfilter.nf_conntrack_tcp_be_liberal lets such packets pass)" },
	[WHY_CHECKSUM] = { "checksum", "its checksum is wrong: damaged on its way, or sent without one by a device whose "
				       "offload is not honoured (net.netfilter.nf_conntrack_checksum)" },
	[WHY_NO_CONNECTION] = { "no_connection", "the table has no connection of it in this zone, and such a packet cannot "
						 "begin one: committed in another zone, timed out, or never seen from its begin "
						 "(net.netfilter.nf_conntrack_tcp_loose)" },
	[WHY_TABLE_FULL] = { "table_full", "the connection table is full: the datapath drops the packet "
					   "(net.netfilter.nf_conntrack_max)" },
	[WHY_ZONE_LIMIT] = { "zone_limit", "the zone has as many connections as it may: the datapath drops the packet "
					   "(ovs-appctl dpctl/ct-get-limits)" },
	[WHY_BAD_HEADER] = { "bad_header", "a header of it is cut short or contradicts itself" },
	[WHY_BAD_STATE] = { "bad_state", "its flags do not fit the connection's state" },
	[WHY_HELPER] = { "helper", "the connection's helper could not follow it: the datapath drops the packet" },
	[WHY_NAT] = { "nat", "its address translation could not be set up: the datapath drops the packet" },
	[WHY_NOT_TAKEN] = { "not_taken", "its connection could not be put into the table: another packet has put in one with "
					 "the same addresses, or it was removed meanwhile: the datapath drops the packet" },
	[WHY_NO_MEMORY] = { "no_memory", "there was no memory for its connection: the datapath drops the packet" },
	[WHY_FRAGMENT] = { "fragment", "a fragment, which waits for the others" },
	[WHY_OTHER] = { "other", NULL },
	[WHY_NOT_TOLD] = { "not_told", "the kernel gives no reason" },
};

/* by what the kernel says of it, in the words of the kernels from 5.10 to 7.3 */
static enum why why_said(const char *says)
{
	static const struct {
		const char *part;
		enum why why;
	} rows[] = {
		{ "checksum", WHY_CHECKSUM },
		{ "SEQ is", WHY_WINDOW },
		{ "ACK is", WHY_WINDOW },
		{ "invalid rst", WHY_WINDOW },
		{ "short ", WHY_BAD_HEADER },
		{ "truncated", WHY_BAD_HEADER },
		{ "malformed", WHY_BAD_HEADER },
		{ "invalid tcp flag", WHY_BAD_HEADER },
		{ "invalid icmp type", WHY_BAD_HEADER },
		{ "header not found", WHY_BAD_HEADER },
		{ "invalid new", WHY_NO_CONNECTION },
		{ "not picking up", WHY_NO_CONNECTION },
		{ "in dir %d", WHY_BAD_STATE },
		{ "dir %d, type", WHY_BAD_STATE },
		{ "invalid state", WHY_BAD_STATE },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (strstr(says, rows[i].part))
			return rows[i].why;
	}
	return WHY_OTHER;
}

static bool is_malformed(const struct sonde_packet *packet)
{
	return packet->outer.flags & (SONDE_TRUNCATED | SONDE_MALFORMED);
}

enum why why_of(const struct ct_facts *facts, const struct sonde_packet *packet)
{
	const uint32_t seen = facts->seen;
	const bool invalid = !facts->result && facts->after & OVS_CS_F_INVALID;

	if (facts->result == -EINPROGRESS)
		return WHY_FRAGMENT;
	if (!facts->result && !invalid)
		return WHY_NOT;
	if (seen & CT_SEEN_HELPER)
		return WHY_HELPER;
	if (facts->result && seen & CT_SEEN_NO_ENTRY)
		return seen & CT_SEEN_TABLE_FULL ? WHY_TABLE_FULL : WHY_NO_MEMORY;
	if (facts->result == -ENOMEM && seen & CT_SEEN_COMPLAINT)
		return WHY_ZONE_LIMIT;
	if (seen & CT_SEEN_NAT_REFUSED)
		return WHY_NAT;
	if (seen & CT_SEEN_REFUSED)
		return WHY_NOT_TAKEN;
	if (facts->says[0])
		return why_said(facts->says);
	if (seen & CT_SEEN_ICMP_ERROR)
		return seen & CT_SEEN_UNMATCHED ? WHY_NO_CONNECTION : WHY_NOT_TOLD;
	/* one was made for it, and it was not to begin one */
	if (invalid && seen & CT_SEEN_NEW)
		return WHY_NO_CONNECTION;
	if (is_malformed(packet))
		return WHY_BAD_HEADER;
	return WHY_NOT_TOLD;
}

const char *why_name(enum why why)
{
	return whys[why].name;
}

const char *why_meaning(enum why why)
{
	return whys[why].meaning;
}
