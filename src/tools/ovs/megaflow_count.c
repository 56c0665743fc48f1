// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_count.c: the kernel's count of flows, asked each second, and what was installed and removed in between. */
#include <string.h>
#include <sys/stat.h>

#include "tools/ovs/datapath.h"
#include "tools/ovs/megaflow_count.h"

uint32_t own_netns(void)
{
	static struct stat own;

	if (!own.st_ino && stat("/proc/self/ns/net", &own))
		return 0;
	return own.st_ino;
}

static struct flow_count *count_find(const struct flow_counts *counts, uint32_t ifindex)
{
	for (unsigned int i = 0; i < counts->count; i++) {
		if (counts->of[i].ifindex == ifindex)
			return (struct flow_count *)&counts->of[i];
	}
	return NULL;
}

static struct flow_count *ours(const struct flow_counts *counts, struct datapath_id datapath)
{
	return datapath.netns == own_netns() ? count_find(counts, datapath.ifindex) : NULL;
}

bool flow_counts_read(struct flow_counts *counts)
{
	struct datapath_stats all[COUNTED_DATAPATHS];
	struct flow_counts before = *counts;
	int got;

	got = datapath_stats(all, COUNTED_DATAPATHS);
	counts->known = got >= 0 && got < COUNTED_DATAPATHS;
	if (got < 0)
		return false;
	counts->count = got;
	for (int i = 0; i < got; i++) {
		const struct flow_count *old = count_find(&before, all[i].ifindex);

		counts->of[i] = (struct flow_count){ all[i].ifindex, all[i].flows, all[i].flows, old ? old->peak : 0 };
	}
	for (unsigned int i = 0; i < before.count; i++) {
		if (!count_find(counts, before.of[i].ifindex))
			return true;
	}
	return false;
}

void flow_count_change(struct flow_counts *counts, struct datapath_id datapath, int by)
{
	struct flow_count *count = ours(counts, datapath);

	if (!count)
		return;
	if (!by || (by < 0 && !count->flows))
		count->flows = 0;
	else
		count->flows += by;
	if (count->peak < count->flows)
		count->peak = count->flows;
}

uint64_t flow_count_peak(const struct flow_counts *counts, struct datapath_id datapath)
{
	const struct flow_count *count = ours(counts, datapath);

	if (!count)
		return 0;
	return count->peak > count->peak_before ? count->peak : count->peak_before;
}

bool flow_counts_gone(const struct flow_counts *counts, struct datapath_id datapath)
{
	return counts->known && datapath.netns == own_netns() && !count_find(counts, datapath.ifindex);
}
