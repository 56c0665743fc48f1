// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c: names of devices by namespace and ifindex. From the programs' own
 * map where they entered one, so that deleted devices have names too; else
 * asked of the namespace itself, and kept.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/device.h"

struct known {
	struct sonde_device_key key;
	sonde_name name; /* "": nobody knows */
};

static int map_fd = -1;
static struct known *known;
static size_t known_count;

void device_use_map(int fd)
{
	map_fd = fd;
}

/* a namespace that a name in /run/netns or a process leads to */
static int netns_open(__u32 inode)
{
	static const struct {
		const char *folder, *rest;
	} ways[] = { { "/run/netns", "" }, { "/proc", "/ns/net" } };
	struct stat info;
	int fd = -1;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && fd < 0; i++) {
		DIR *folder = opendir(ways[i].folder);
		struct dirent *entry;

		while (folder && fd < 0 && (entry = readdir(folder))) {
			char path[320];

			snprintf(path, sizeof(path), "%s/%s%s", ways[i].folder, entry->d_name,
				 ways[i].rest);
			if (!stat(path, &info) && info.st_ino == inode && S_ISREG(info.st_mode))
				fd = open(path, O_RDONLY | O_CLOEXEC);
		}
		if (folder)
			closedir(folder);
	}
	return fd;
}

/* asks the namespace, in which this thread is for the length of one call */
static void name_ask(const struct sonde_device_key *key, sonde_name name)
{
	char found[IF_NAMESIZE] = "";
	struct stat own;
	int home, there;

	if (stat("/proc/self/ns/net", &own))
		return;
	if (own.st_ino == key->netns) {
		if (if_indextoname(key->ifindex, found))
			memcpy(name, found, sizeof(sonde_name));
		return;
	}
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	there = netns_open(key->netns);
	if (home >= 0 && there >= 0 && !setns(there, CLONE_NEWNET)) {
		if (if_indextoname(key->ifindex, found))
			memcpy(name, found, sizeof(sonde_name));
		if (setns(home, CLONE_NEWNET))
			abort(); /* nothing that follows would be about this host */
	}
	if (home >= 0)
		close(home);
	if (there >= 0)
		close(there);
}

bool device_name(const struct sonde_device_key *key, sonde_name name)
{
	struct known *more;

	memset(name, 0, sizeof(sonde_name));
	/* without its namespace an ifindex says nothing */
	if (!key->ifindex || !key->netns || key->ifindex == SONDE_ANY_DEVICE)
		return false;
	if (map_fd >= 0 && !bpf_map_lookup_elem(map_fd, key, name) && name[0])
		return true;
	for (size_t i = 0; i < known_count; i++) {
		if (memcmp(&known[i].key, key, sizeof(*key)))
			continue;
		memcpy(name, known[i].name, sizeof(sonde_name));
		return name[0];
	}
	name_ask(key, name);
	more = reallocarray(known, known_count + 1, sizeof(*known));
	if (more) {
		known = more;
		known[known_count].key = *key;
		memcpy(known[known_count++].name, name, sizeof(sonde_name));
	}
	return name[0];
}
