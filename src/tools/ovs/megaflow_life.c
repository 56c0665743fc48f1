// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_life.c: the table of flows that are installed, and those that wait for their packet. */
#include <stdlib.h>
#include <string.h>

#include "tools/ovs/megaflow_life.h"
#include "tools/ovs/megaflow_upcall.h"

void lives_init(struct lives *lives, unsigned int most)
{
	TAILQ_INIT(&lives->all);
	TAILQ_INIT(&lives->waiting);
	lives->most = most;
}

struct life *life_new(void)
{
	struct life *life = calloc(1, sizeof(*life));

	if (!life)
		return NULL;
	life->head = calloc(1, sizeof(*life->head));
	if (life->head)
		return life;
	free(life);
	return NULL;
}

static bool is(const struct life *life, struct datapath_id datapath, const unsigned char ufid[UFID_SIZE])
{
	return datapath_same(life->datapath, datapath) && !memcmp(life->ufid, ufid, UFID_SIZE);
}

static unsigned int bucket(struct datapath_id datapath, const unsigned char ufid[UFID_SIZE])
{
	/* the identifier is a hash itself */
	return (odp_u32(ufid) ^ datapath.ifindex) % LIFE_BUCKETS;
}

struct life *life_find(const struct lives *lives, struct datapath_id datapath, const unsigned char ufid[UFID_SIZE])
{
	struct life *life = lives->buckets[bucket(datapath, ufid)];

	while (life && !is(life, datapath, ufid))
		life = life->next;
	return life;
}

void life_take(struct lives *lives, struct life *life)
{
	struct life **place = &lives->buckets[bucket(life->datapath, life->ufid)];

	if (!life->kept)
		return;
	while (*place != life)
		place = &(*place)->next;
	*place = life->next;
	TAILQ_REMOVE(&lives->all, life, in_age);
	lives->count--;
	life->kept = false;
}

static void life_end(struct lives *lives, struct life *life)
{
	life_take(lives, life);
	life_free(lives, life);
}

void life_add(struct lives *lives, struct life *life)
{
	struct life **place = &lives->buckets[bucket(life->datapath, life->ufid)];
	struct life *older = life_find(lives, life->datapath, life->ufid);

	if (older) {
		life_end(lives, older);
	} else if (lives->count >= lives->most) {
		lives->forgotten++;
		life_end(lives, TAILQ_FIRST(&lives->all));
	}
	life->next = *place;
	*place = life;
	TAILQ_INSERT_TAIL(&lives->all, life, in_age);
	lives->count++;
	life->kept = true;
}

void life_wait(struct lives *lives, struct life *life)
{
	TAILQ_INSERT_HEAD(&lives->waiting, life, in_wait);
	life->waits = true;
}

void life_waited(struct lives *lives, struct life *life)
{
	if (life->waits)
		TAILQ_REMOVE(&lives->waiting, life, in_wait);
	life->waits = false;
	upcall_release(life);
	free(life->head);
	life->head = NULL;
}

void life_free(struct lives *lives, struct life *life)
{
	life_waited(lives, life);
	free(life->key);
	free(life->actions);
	free(life->raw);
	free(life);
}

void lives_take(struct lives *lives, bool (*match)(const struct life *life, const void *data),
		void (*visit)(struct life *life, void *data), void *data)
{
	struct life *life = TAILQ_FIRST(&lives->all), *next;

	for (; life; life = next) {
		next = TAILQ_NEXT(life, in_age);
		if (!match(life, data))
			continue;
		life_take(lives, life);
		visit(life, data);
	}
}

void lives_free(struct lives *lives)
{
	while (!TAILQ_EMPTY(&lives->all))
		life_end(lives, TAILQ_FIRST(&lives->all));
	/* those that were refused */
	while (!TAILQ_EMPTY(&lives->waiting))
		life_free(lives, TAILQ_FIRST(&lives->waiting));
}
