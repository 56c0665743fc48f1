// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_removal.c: causes of removals, by the rules of Open vSwitch's revalidators. */
#include <string.h>

#include "tools/ovs/megaflow_removal.h"

/* with more flows than its limit, ovs-vswitchd takes this for max-idle (ofproto-dpif-upcall.c, revalidate()) */
#define LIMIT_IDLE_NS 100000000ULL
/* and with so many times the limit, it removes flows without asking when they were used */
#define LIMIT_EMERGENCY 2ULL

void counters_read(const struct command *command, struct counters *counters)
{
	struct odp_attrs attrs = message_attrs(command->reply, command->reply_length);
	struct odp_attr attr;

	if (odp_find(attrs, OVS_FLOW_ATTR_STATS, &attr) && attr.length >= sizeof(struct ovs_flow_stats)) {
		counters->packets = odp_u64(attr.value);
		counters->bytes = odp_u64(attr.value + 8);
	}
	if (odp_find(attrs, OVS_FLOW_ATTR_USED, &attr) && attr.length == 8) {
		counters->used = true;
		counters->used_at = odp_u64(attr.value) * 1000000;
	}
	/* the kernel lists no counters of a flow that was never hit */
	counters->known = command->reply_length != 0;
}

/* the kernel counts in jiffies, and a flow that was never used counts from a moment that we do not see */
static bool idle_for(uint64_t idle, uint64_t limit)
{
	return idle >= limit - limit / 10;
}

const char *removal_cause(const struct removal *removal, const struct life *life, const struct removal_rules *rules)
{
	const struct counters *counters = &removal->counters;
	const uint64_t since = counters->used ? counters->used_at : life->put_at, at = removal->head.at;
	const uint64_t idle = at > since ? at - since : 0;

	if (!removal->head.pid)
		return "datapath";
	if (removal->flush)
		return "flush";
	if (strncmp(removal->head.comm, "revalidator", 11))
		return "deleted";
	/* never used, and older than this run */
	if (!since)
		return "unknown";
	if (idle_for(idle, rules->max_idle_ns))
		return "idle";
	if (removal->flows > LIMIT_EMERGENCY * rules->flow_limit ||
	    (removal->flows > rules->flow_limit && idle_for(idle, LIMIT_IDLE_NS)))
		return "limit";
	return "revalidated";
}
