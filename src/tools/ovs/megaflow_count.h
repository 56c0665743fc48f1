/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_count.h: how many flows the datapaths of this network namespace have, and which of them are there. */
#ifndef NETSONDE_OVS_MEGAFLOW_COUNT_H
#define NETSONDE_OVS_MEGAFLOW_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/ovs/megaflow_command.h"

#define COUNTED_DATAPATHS 64

struct flow_count {
	uint32_t ifindex;
	uint64_t flows, peak, peak_before; /* the most since the last reading, and in the second before */
};

struct flow_counts {
	struct flow_count of[COUNTED_DATAPATHS];
	unsigned int count;
	bool known; /* of holds all datapaths */
};

/** Inode number of our network namespace. */
uint32_t own_netns(void);
/** Asks the kernel anew. True: a datapath has gone since the last time. */
bool flow_counts_read(struct flow_counts *counts);
/** Flows were installed (1), removed (-1), all of them (0). */
void flow_count_change(struct flow_counts *counts, struct datapath_id datapath, int by);
/** The most flows that the datapath had in the last seconds; 0: it is not one of ours. */
uint64_t flow_count_peak(const struct flow_counts *counts, struct datapath_id datapath);
/** True if it is certain that there is no such datapath any more. */
bool flow_counts_gone(const struct flow_counts *counts, struct datapath_id datapath);

#endif
