/* SPDX-License-Identifier: GPL-2.0-only */
/* datapath.h: what Open vSwitch's kernel module says when asked: numbers of its netlink families, names of ports. */
#ifndef NETSONDE_OVS_DATAPATH_H
#define NETSONDE_OVS_DATAPATH_H

#include <stdint.h>

/** The number of a generic netlink family (linux/openvswitch.h), or -ENOENT: the module is not loaded. */
int datapath_family(const char *name);
/**
 * The name of a port of the datapath with this ifindex, or NULL. Names are kept; a number that is not known is
 * asked for, but not more often than once in 100 ms.
 */
const char *datapath_port(uint32_t datapath, uint32_t port);

#endif
