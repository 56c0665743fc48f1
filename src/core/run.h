/* SPDX-License-Identifier: GPL-2.0-only */
/* run.h: the parts of a run that a command which examines other tools needs. */
#ifndef NETSONDE_CORE_RUN_H
#define NETSONDE_CORE_RUN_H

#include "core/tool.h"

/** run_init: an empty run of tool. Returns 0 or -ENOMEM. */
int run_init(struct run *run, const struct tool *tool);
/** run_examine: all that comes before the load: what would be attached here. Returns 0 or -errno with run->why set. */
int run_examine(struct run *run);
void run_free(struct run *run);
/** run_event: prints an event, from the programs or made by the tool. */
void run_event(struct run *run, const void *event, size_t size);
/** {"hook", "target", "by"} of a probe. */
json_t *run_probe_json(const struct probe *probe);

#endif
