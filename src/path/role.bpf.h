/* SPDX-License-Identifier: GPL-2.0-only */
/* role.bpf.h: what a device is to the path. */
#ifndef NETSONDE_PATH_ROLE_BPF_H
#define NETSONDE_PATH_ROLE_BPF_H

#include "abi/path.h"
#include "kernel/skb.h"
#include "path/settings.bpf.h"

/* as in path_devices, until user space finds that one was made anew */
__u32 path_ifindexes[PATH_DEVICES];
__u64 path_devices_known[PATH_DEVICES];	/* struct net_device, once it was seen */

/* by ifindex: those that have no place in path_devices */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_device);
} more_devices SEC(".maps");

static __always_inline __u32 role_netns(enum sonde_access access, struct net_device *dev)
{
	struct net *net = SONDE_READ(access, dev, nd_net.net);

	return SONDE_READ(access, net, ns.inum);
}

static __always_inline int role_of_more(enum sonde_access access, struct net_device *dev, __u32 ifindex)
{
	const struct path_device *device = bpf_map_lookup_elem(&more_devices, &ifindex);

	return device && role_netns(access, dev) == device->netns ? device->role : ROLE_none;
}

static __noinline int role_of_more_direct(struct net_device *dev, __u32 ifindex)
{
	return sonde_forget(role_of_more(SONDE_DIRECT, dev, ifindex));
}

/* what a device is to this path */
static __always_inline int role_do(enum sonde_access access, struct net_device *dev)
{
	__u32 ifindex = SONDE_READ(access, dev, ifindex);

	/* unrolled so that the verifier removes what is not used */
#pragma GCC unroll 16
	for (__u32 i = 0; i < PATH_DEVICES; i++) {
		if (i >= path_device_count)
			break;
		if (ifindex != path_ifindexes[i])
			continue;
		/* seen before: spares the way to its namespace */
		if (path_devices_known[i] == (__u64)dev)
			return path_devices[i].role;
		if (role_netns(access, dev) != path_devices[i].netns)
			continue;
		path_devices_known[i] = (__u64)dev;
		return path_devices[i].role;
	}
	if (!path_devices_more)
		return ROLE_none;
	return access == SONDE_DIRECT ? role_of_more_direct(dev, ifindex) : role_of_more(access, dev, ifindex);
}

static __noinline int role_probe(struct net_device *dev)
{
	return role_do(SONDE_PROBE, dev);
}

static __always_inline __u32 path_role(enum sonde_access access, struct net_device *dev)
{
	return access == SONDE_DIRECT ? role_do(access, dev) : role_probe(dev);
}

#endif
