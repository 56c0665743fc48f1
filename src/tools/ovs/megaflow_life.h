/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_life.h: what is known of a megaflow from its upcall to its end. */
#ifndef NETSONDE_OVS_MEGAFLOW_LIFE_H
#define NETSONDE_OVS_MEGAFLOW_LIFE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "tools/ovs/megaflow_command.h"

#define UFID_SIZE 16
#define LIFE_BUCKETS 16384
/* ovs-vswitchd's own limit is 200,000 flows unless set */
#define LIVES_MOST 262144

struct upcall;

struct life {
	struct life *next; /* of those with the same hash */
	TAILQ_ENTRY(life) in_age, in_wait;
	struct datapath_id datapath;
	unsigned char ufid[UFID_SIZE];
	bool has_ufid;
	bool upcalled; /* head is that of the upcall; else of the put */
	bool kept; /* in the table */
	bool waits; /* for its packet: not shown yet */
	struct ovs_megaflow *head; /* while it waits */
	struct upcall *upcall; /* that it waits for; it points back */
	uint64_t put_at, done_at; /* begin and end of the kernel's command */
	uint64_t executed_at; /* 0: the packet did not come back */
	uint32_t others; /* upcalls with the same key that waited */
	uint32_t segments; /* messages of its own upcall */
	uint32_t thread, changes;
	int result;
	char *key, *actions, *raw;
};

TAILQ_HEAD(life_list, life);

struct lives {
	struct life *buckets[LIFE_BUCKETS]; /* installed: by datapath and identifier */
	struct life_list all; /* the same, the oldest first */
	struct life_list waiting; /* installed or refused, and the packet may still come back; the latest first */
	unsigned int count, most;
	uint64_t forgotten; /* pushed out by later ones, since most are kept */
};

void lives_init(struct lives *lives, unsigned int most);
/** One that begins, with an empty head; NULL: no memory. */
struct life *life_new(void);
struct life *life_find(const struct lives *lives, struct datapath_id datapath, const unsigned char ufid[UFID_SIZE]);
/** Adds one to the table; an older one with the same identifier is freed. */
void life_add(struct lives *lives, struct life *life);
/** Takes one out of the table; it is the caller's to free. */
void life_take(struct lives *lives, struct life *life);
/** Its packet may still come back. */
void life_wait(struct lives *lives, struct life *life);
/** It has come back, or need not be waited for: the head is freed. */
void life_waited(struct lives *lives, struct life *life);
/** Frees one that is not in the table. */
void life_free(struct lives *lives, struct life *life);
/** Hands over each life that matches, taken out. */
void lives_take(struct lives *lives, bool (*match)(const struct life *life, const void *data),
		void (*visit)(struct life *life, void *data), void *data);
/** Frees all. */
void lives_free(struct lives *lives);

#endif
