/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_show.h: what the user reads of lives, changes and removals. */
#ifndef NETSONDE_OVS_MEGAFLOW_SHOW_H
#define NETSONDE_OVS_MEGAFLOW_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "core/tool.h"
#include "tools/ovs/megaflow_removal.h"

/** Adds a life to its event, as JSON and as text; it has its head. */
void life_json(const struct life *life, json_t *json);
void life_text(const struct life *life, FILE *to);
/** Prints a record of its own: actions were changed, by head, with this result. */
void change_show(struct run *run, const struct life *life, const struct ovs_megaflow *head, int result);
void removal_show(struct run *run, const struct life *life, const struct removal *removal, const char *cause);

#endif
