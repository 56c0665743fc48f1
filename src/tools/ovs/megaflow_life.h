/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_life.h: what is known of a megaflow from its upcall to its end. */
#ifndef NETSONDE_OVS_MEGAFLOW_LIFE_H
#define NETSONDE_OVS_MEGAFLOW_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/megaflow.h"
#include "odp/odp.h"

#define UFID_SIZE 16

/** An upcall that has not been answered yet. */
struct upcall {
	struct upcall *next;
	struct ovs_megaflow head; /* its bytes are not kept */
	uint32_t datapath;
	size_t key_length;
	unsigned char key[]; /* canonical */
};

struct life {
	struct life *next; /* of those with the same hash */
	struct life *next_unshown;
	unsigned char ufid[UFID_SIZE];
	bool has_ufid;
	uint32_t datapath; /* ifindex of its local port */
	bool upcalled; /* head is that of the upcall; else of the put */
	struct ovs_megaflow head;
	uint64_t put_at, done_at; /* begin and end of the kernel's command */
	uint64_t executed_at; /* 0: the packet did not come back */
	uint32_t others; /* upcalls with the same key that waited */
	uint32_t thread, changes;
	int result;
	char *key, *actions, *raw;
	bool unshown;
};

/** Lives that last, by datapath and identifier. */
struct life *life_find(uint32_t datapath, const unsigned char ufid[UFID_SIZE]);
/** Adds one; an older one with the same identifier is freed. */
void life_add(struct life *life);
/** Takes one out; it is the caller's to free. */
void life_take(struct life *life);
void life_free(struct life *life);
/** Hands over each life of a datapath, taken out. */
void life_take_all(uint32_t datapath, void (*visit)(struct life *life, void *data), void *data);
/** Frees all. */
void life_forget(void);

#endif
