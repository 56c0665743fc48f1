/* SPDX-License-Identifier: GPL-2.0-only */
/* cost.h: what the probes cost. */
#ifndef NETSONDE_CORE_COST_H
#define NETSONDE_CORE_COST_H

#include "core/tool.h"

/** cost_start: ask the kernel to time BPF programs while this run lives (adds some 20 ns a hit). */
int cost_start(struct run *run);
/** cost_json: array of {hook, by, target, hits, ns_per_hit, cpu_share}; NULL without --cost. */
json_t *cost_json(const struct run *run);

#endif
