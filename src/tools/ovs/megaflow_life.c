// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_life.c: the table of flows that are installed. */
#include <stdlib.h>
#include <string.h>

#include "tools/ovs/megaflow_life.h"

#define BUCKETS 16384

static struct life *buckets[BUCKETS];

static struct life **bucket(uint32_t datapath, const unsigned char ufid[UFID_SIZE])
{
	/* the identifier is a hash itself */
	return &buckets[(odp_u32(ufid) ^ datapath) % BUCKETS];
}

static struct life **place_find(uint32_t datapath, const unsigned char ufid[UFID_SIZE])
{
	struct life **place = bucket(datapath, ufid);

	while (*place && ((*place)->datapath != datapath || memcmp((*place)->ufid, ufid, UFID_SIZE)))
		place = &(*place)->next;
	return place;
}

struct life *life_find(uint32_t datapath, const unsigned char ufid[UFID_SIZE])
{
	return *place_find(datapath, ufid);
}

void life_add(struct life *life)
{
	struct life **place = place_find(life->datapath, life->ufid), *older = *place;

	life->next = older ? older->next : NULL;
	*place = life;
	if (older)
		life_free(older);
}

void life_take(struct life *life)
{
	struct life **place = place_find(life->datapath, life->ufid);

	if (*place == life)
		*place = life->next;
	life->next = NULL;
}

void life_free(struct life *life)
{
	free(life->key);
	free(life->actions);
	free(life->raw);
	free(life);
}

void life_take_all(uint32_t datapath, void (*visit)(struct life *life, void *data), void *data)
{
	for (int i = 0; i < BUCKETS; i++) {
		struct life **place = &buckets[i];

		while (*place) {
			struct life *life = *place;

			if (life->datapath != datapath) {
				place = &life->next;
				continue;
			}
			*place = life->next;
			life->next = NULL;
			visit(life, data);
		}
	}
}

void life_forget(void)
{
	for (int i = 0; i < BUCKETS; i++) {
		while (buckets[i]) {
			struct life *life = buckets[i];

			buckets[i] = life->next;
			life_free(life);
		}
	}
}
