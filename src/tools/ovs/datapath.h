/* SPDX-License-Identifier: GPL-2.0-only */
/* datapath.h: what Open vSwitch's kernel module says when asked: numbers of its netlink families, names of ports. */
#ifndef NETSONDE_OVS_DATAPATH_H
#define NETSONDE_OVS_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;

/** The number of a generic netlink family (linux/openvswitch.h), or -ENOENT: the module is not loaded. */
int datapath_family(const char *name);
/** True if that module is loaded; else says that it is not, and that so there is nothing of this kind to see. */
bool datapath_is_there(struct run *run, const char *unseen);
/**
 * The name of a port of the datapath with this ifindex, or NULL. Names are asked for anew when they are older than a
 * second, since a number can be given to another port, and when a number is not known: for that number not more often than
 * once in 100 ms. The name of a port that is gone is kept until another one has its number.
 */
const char *datapath_port(uint32_t datapath, uint32_t port);

/** datapaths_read: asks for all datapaths and their ports anew. Returns how many datapaths there are. */
unsigned int datapaths_read(void);
/** The datapath (ifindex of its own port) that has this device of this namespace as a port, or had it; 0: none. */
uint32_t datapath_of_device(uint32_t ifindex);
/** Its name, or NULL. */
const char *datapath_name(uint32_t datapath);
/** True if the datapath had a port of this number when it was read last. */
bool datapath_has_port(uint32_t datapath, uint32_t number);

/** A datapath and what it has counted since it was made. */
struct datapath_stats {
	uint32_t ifindex;
	char name[32];
	uint64_t hit, missed, lost, flows;
	uint64_t mask_hit, masks, cache_hit;
};

/** datapath_stats: of all datapaths of this network namespace, at most room; how many there are, even if more, or -errno. */
int datapath_stats(struct datapath_stats *all, size_t room);

#endif
