/* SPDX-License-Identifier: GPL-2.0-only */
/* option.h: command line to struct run and rodata; help from the same rows. */
#ifndef NETSONDE_CORE_OPTION_H
#define NETSONDE_CORE_OPTION_H

#include "core/tool.h"

#define OPTION_GROUPS_MAX 4

/**
 * option_parse: apply argv to run and its rodata.
 * Returns 0, or -EINVAL with one sentence printed.
 */
int option_parse(struct run *run, int argc, char **argv);

/** option_groups: the groups of options that this tool takes; returns how many. */
unsigned int option_groups(const struct tool *tool, struct option_group groups[OPTION_GROUPS_MAX]);

/** option_help: the tool's help text. */
void option_help(const struct run *run, FILE *to);

/**
 * option_duration: "100us", "5ms", "2s", "1.5m", "1h"; a bare number counts in unit_ns.
 * Returns 0 and the value in ns, -EINVAL if it is no duration, -ERANGE if it is too long.
 */
int option_duration(const char *text, uint64_t unit_ns, uint64_t *ns);

#endif
