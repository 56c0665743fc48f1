// SPDX-License-Identifier: GPL-2.0-only
/* device.c: names of devices; from the programs' own map, so that other namespaces and deleted devices have names too. */
#include <bpf/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/device.h"

static int map_fd = -1;

void device_use_map(int fd)
{
	map_fd = fd;
}

bool device_name(const struct sonde_device_key *key, sonde_name name)
{
	char local[IF_NAMESIZE] = "";
	struct stat own;

	if (!key->ifindex)
		return false;
	if (map_fd >= 0 && !bpf_map_lookup_elem(map_fd, key, name) && name[0])
		return true;
	/* an skb that has lost its device still knows the ifindex that it came by */
	if (stat("/proc/self/ns/net", &own) || (key->netns && own.st_ino != key->netns))
		return false;
	if (!if_indextoname(key->ifindex, local))
		return false;
	memcpy(name, local, sizeof(sonde_name));
	return true;
}
