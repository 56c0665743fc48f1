/* SPDX-License-Identifier: GPL-2.0-only */
/* drop_cause.h: why Open vSwitch's datapath lost a packet, in words that are the same on each kernel. */
#ifndef NETSONDE_OVS_DROP_CAUSE_H
#define NETSONDE_OVS_DROP_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/ovs_drop.h"

/** cause_judge: fills facts->cause from what was seen and the kernel's reason (0: none). */
void cause_judge(struct ovs_drop_facts *facts, uint32_t reason);
/** One word, such as over_mtu. */
const char *cause_name(const struct ovs_drop_facts *facts);
/** What happened and what to look at, in one sentence; NULL if there is none. */
const char *cause_meaning(const struct ovs_drop_facts *facts, uint32_t reason);
/** True if the packet goes on, and only a copy for ovs-vswitchd is lost. */
bool cause_is_copy(const struct ovs_drop_facts *facts);

#endif
