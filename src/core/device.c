// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c: names of devices by namespace and ifindex. From the programs' own
 * map where they entered one, so that deleted devices have names too; else
 * asked of the namespace itself, and kept for a while: devices come, and are renamed.
 */
#include <bpf/bpf.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/netns.h"

#define KEEP_NS 10000000000ULL

struct known {
	struct sonde_device_key key;
	uint64_t asked_ns;
	sonde_name name; /* "": nobody knows */
};

static int map_fd = -1;
static struct known *known;
static size_t known_count;

void device_use_map(int fd)
{
	map_fd = fd;
}

struct question {
	uint32_t ifindex;
	char *name;
};

/* in the device's namespace */
static int name_ask(void *data)
{
	const struct question *question = data;
	char found[IF_NAMESIZE] = "";

	if (if_indextoname(question->ifindex, found))
		memcpy(question->name, found, sizeof(sonde_name));
	return 0;
}

static struct known *known_find(const struct sonde_device_key *key)
{
	struct known *more;

	for (size_t i = 0; i < known_count; i++) {
		if (!memcmp(&known[i].key, key, sizeof(*key)))
			return &known[i];
	}
	more = reallocarray(known, known_count + 1, sizeof(*known));
	if (!more)
		return NULL;
	known = more;
	known[known_count] = (struct known){ .key = *key };
	return &known[known_count++];
}

bool device_name(const struct sonde_device_key *key, sonde_name name)
{
	struct question question = { .ifindex = key->ifindex, .name = name };
	const uint64_t now = clock_now();
	struct known *entry;

	memset(name, 0, sizeof(sonde_name));
	/* without its namespace an ifindex says nothing */
	if (!key->ifindex || !key->netns || key->ifindex == SONDE_ANY_DEVICE)
		return false;
	if (map_fd >= 0 && !bpf_map_lookup_elem(map_fd, key, name) && name[0])
		return true;
	entry = known_find(key);
	if (!entry || !entry->asked_ns || now - entry->asked_ns > KEEP_NS) {
		netns_call(key->netns, name_ask, &question);
		/* a device that is gone keeps the name that it had */
		if (entry && name[0])
			memcpy(entry->name, name, sizeof(sonde_name));
		if (entry)
			entry->asked_ns = now;
	}
	if (entry)
		memcpy(name, entry->name, sizeof(sonde_name));
	return name[0];
}
