/* SPDX-License-Identifier: GPL-2.0-only */
/* netns.h: network namespaces by the inode number that the kernel shows them by. */
#ifndef NETSONDE_CORE_NETNS_H
#define NETSONDE_CORE_NETNS_H

#include <stdint.h>

/** The inode of the network namespace at path, NULL: of our own; 0 if there is none. */
uint32_t netns_inode(const char *path);
/** A descriptor of the namespace with this inode, by a name in /run/netns or a process in it; -1: none leads there. */
int netns_open(uint32_t inode);
/**
 * netns_call: work(data) within the namespace with this inode, in which this thread is for the length of the call.
 * Returns what work returns, or -ESRCH if the namespace cannot be found or entered.
 */
int netns_call(uint32_t inode, int (*work)(void *data), void *data);

#endif
