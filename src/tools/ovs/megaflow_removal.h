/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_removal.h: why a megaflow was removed, told from who did it, how long it was unused, and how many there were. */
#ifndef NETSONDE_OVS_MEGAFLOW_REMOVAL_H
#define NETSONDE_OVS_MEGAFLOW_REMOVAL_H

#include "tools/ovs/megaflow_life.h"

/** Settings of ovs-vswitchd, as the user says they are. */
struct removal_rules {
	uint64_t max_idle_ns; /* other_config:max-idle */
	uint32_t flow_limit; /* other_config:flow-limit */
};

/** Counters of a flow at its end, as far as the kernel said them. */
struct counters {
	bool known;
	uint64_t packets, bytes;
	bool used;
	uint64_t used_at; /* monotonic ns */
};

/** How a flow ended. */
struct removal {
	struct ovs_megaflow head; /* who did it; pid 0: nobody, its datapath has gone */
	struct counters counters;
	bool flush; /* all flows at once */
	uint64_t flows; /* the most that the datapath had just before */
};

/** The counters in the kernel's answer to a deletion. */
void counters_read(const struct command *command, struct counters *counters);
/** One word, from a constant. */
const char *removal_cause(const struct removal *removal, const struct life *life, const struct removal_rules *rules);

#endif
