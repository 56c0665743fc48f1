/* SPDX-License-Identifier: GPL-2.0-only */
/* filter.h: the filter options, the same words for every tool that looks at packets. */
#ifndef NETSONDE_CORE_FILTER_H
#define NETSONDE_CORE_FILTER_H

#include "abi/filter.h"
#include "core/tool.h"

/** Option rows; each writes into run->filter. */
extern const struct option_row filter_rows[];

/**
 * filter_finish: after all options: what contradicts itself, what one means beside another.
 * Returns 0 with run->filtered set if there is any filter, or -EINVAL, said.
 */
int filter_finish(struct run *run);

/**
 * netns_enter: this thread into the network namespace with this inode, which a name in /run/netns or a process has.
 * Returns a descriptor of the one that it was in, for netns_leave(), or -1: not found, or not allowed.
 */
int netns_enter(uint32_t inode);
/** netns_leave: back; closes the descriptor. Returns 0 or -errno. */
int netns_leave(int home);

/** "10.0.0.0/24", "fd00::1"; family becomes 4 or 6. Returns 0 or -EINVAL with why. */
int filter_parse_prefix(const char *text, struct sonde_prefix *prefix, int *family, char *why,
			size_t size);
/** "80,443,1000-2000". Returns 0 or -EINVAL with why. */
int filter_parse_ports(const char *text, struct sonde_ports *ports, char *why, size_t size);

#endif
