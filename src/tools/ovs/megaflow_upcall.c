// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_upcall.c: upcalls by key, by what their packet looks like, and by age. */
#include <stdlib.h>
#include <string.h>

#include "tools/ovs/megaflow_upcall.h"

/* an upcall that ovs-vswitchd has not answered then gets no flow any more */
#define PATIENCE_NS 30000000000ULL
/* one that has come back stays for segments of the same packet whose messages are still to come */
#define RETURNED_NS 1000000000ULL

void upcalls_init(struct upcalls *upcalls, unsigned int most)
{
	TAILQ_INIT(&upcalls->all);
	for (int i = 0; i < UPCALL_BUCKETS; i++) {
		TAILQ_INIT(&upcalls->by_key[i]);
		TAILQ_INIT(&upcalls->by_look[i]);
	}
	upcalls->most = most;
}

static uint32_t hash_of(struct datapath_id datapath, struct odp_attrs key)
{
	uint32_t hash = datapath.ifindex ^ datapath.netns;

	for (size_t i = 0; i < key.length; i++)
		hash = (hash ^ key.data[i]) * 16777619;
	return hash;
}

static struct upcall_list *of_key(struct upcalls *upcalls, uint32_t hash)
{
	return &upcalls->by_key[hash % UPCALL_BUCKETS];
}

static struct upcall_list *of_look(struct upcalls *upcalls, uint64_t identity)
{
	return &upcalls->by_look[(identity ^ identity >> 32) % UPCALL_BUCKETS];
}

static bool key_is(const struct upcall *upcall, uint32_t hash, struct datapath_id datapath, struct odp_attrs key)
{
	return upcall->key_hash == hash && datapath_same(upcall->datapath, datapath) &&
	       upcall->key_length == key.length && !memcmp(upcall->key, key.data, key.length);
}

/* messages of one GSO packet: a CPU sends up one at a time */
static bool same_packet(const struct ovs_megaflow *a, const struct ovs_megaflow *b)
{
	return a->at == b->at && a->cpu == b->cpu;
}

static bool waits(const struct upcall *upcall)
{
	return !upcall->answered && !upcall->returned;
}

/* of a packet one message counts */
static bool counts(const struct upcall *upcall)
{
	return !upcall->head.more.segment;
}

static void drop(struct upcalls *upcalls, struct upcall *upcall)
{
	TAILQ_REMOVE(&upcalls->all, upcall, in_time);
	TAILQ_REMOVE(of_key(upcalls, upcall->key_hash), upcall, of_key);
	TAILQ_REMOVE(of_look(upcalls, upcall->head.more.identity), upcall, of_look);
	if (upcall->life)
		upcall->life->upcall = NULL;
	upcalls->count--;
	free(upcall);
}

/* what became of the segments before it holds for this one, whose message came after the answer */
static void segment_join(struct upcalls *upcalls, struct upcall *upcall, struct odp_attrs key)
{
	struct upcall *mate;

	TAILQ_FOREACH(mate, of_key(upcalls, upcall->key_hash), of_key) {
		if (mate == upcall || !key_is(mate, upcall->key_hash, upcall->datapath, key) ||
		    !same_packet(&mate->head, &upcall->head))
			continue;
		upcall->answered |= mate->answered;
		if (mate->life)
			mate->life->segments++;
	}
}

void upcall_keep(struct upcalls *upcalls, const struct ovs_megaflow *event, struct datapath_id datapath,
		 struct odp_attrs key)
{
	struct upcall *upcall, *oldest = TAILQ_FIRST(&upcalls->all);

	if (!event->more.segment)
		upcalls->seen++;
	if (upcalls->count >= upcalls->most && oldest) {
		if (waits(oldest) && counts(oldest))
			upcalls->forgotten++;
		drop(upcalls, oldest);
	}
	upcall = calloc(1, sizeof(*upcall) + key.length);
	if (!upcall) {
		upcalls->forgotten += !event->more.segment;
		return;
	}
	upcall->head = *event;
	upcall->datapath = datapath;
	upcall->key_hash = hash_of(datapath, key);
	upcall->key_length = key.length;
	if (key.length)
		memcpy(upcall->key, key.data, key.length);
	TAILQ_INSERT_TAIL(&upcalls->all, upcall, in_time);
	TAILQ_INSERT_TAIL(of_key(upcalls, upcall->key_hash), upcall, of_key);
	TAILQ_INSERT_TAIL(of_look(upcalls, event->more.identity), upcall, of_look);
	upcalls->count++;
	if (event->more.segment)
		segment_join(upcalls, upcall, key);
}

void upcall_lost(struct upcalls *upcalls, const struct ovs_megaflow *event)
{
	struct upcall *upcall;

	TAILQ_FOREACH(upcall, of_look(upcalls, event->more.identity), of_look) {
		if (!same_packet(&upcall->head, event) || upcall->head.more.segment != event->more.segment)
			continue;
		upcalls->lost++;
		drop(upcalls, upcall);
		return;
	}
}

static void life_begin(struct upcalls *upcalls, struct life *life, struct upcall *upcall, struct odp_attrs key)
{
	struct upcall *mate;

	life->upcalled = true;
	*life->head = upcall->head;
	life->upcall = upcall;
	upcall->life = life;
	TAILQ_FOREACH(mate, of_key(upcalls, upcall->key_hash), of_key) {
		if (key_is(mate, upcall->key_hash, upcall->datapath, key) && same_packet(&mate->head, &upcall->head))
			life->segments++;
	}
}

void upcalls_answer(struct upcalls *upcalls, struct life *life, struct odp_attrs key)
{
	const uint32_t hash = hash_of(life->datapath, key);
	struct upcall *upcall;

	/* one that could not be read is nobody's */
	if (!key.length)
		return;
	TAILQ_FOREACH(upcall, of_key(upcalls, hash), of_key) {
		if (!waits(upcall) || !key_is(upcall, hash, life->datapath, key))
			continue;
		upcall->answered = true;
		if (!life->upcalled)
			life_begin(upcalls, life, upcall, key);
		else if (!same_packet(&upcall->head, life->head) && counts(upcall))
			life->others++;
	}
	upcalls->shared += life->others;
}

struct life *upcall_return(struct upcalls *upcalls, uint64_t identity)
{
	struct upcall *upcall;

	TAILQ_FOREACH(upcall, of_look(upcalls, identity), of_look) {
		if (upcall->head.more.identity != identity || upcall->returned)
			continue;
		upcall->returned = true;
		if (!upcall->answered && counts(upcall))
			upcalls->only_executed++;
		return upcall->life;
	}
	return NULL;
}

void upcall_release(struct life *life)
{
	if (life->upcall)
		life->upcall->life = NULL;
	life->upcall = NULL;
}

void upcalls_expire(struct upcalls *upcalls, uint64_t now)
{
	struct upcall *upcall = TAILQ_FIRST(&upcalls->all), *next;

	for (; upcall && now - upcall->head.at > RETURNED_NS; upcall = next) {
		next = TAILQ_NEXT(upcall, in_time);
		if (!upcall->returned && now - upcall->head.at <= PATIENCE_NS)
			continue;
		if (waits(upcall) && counts(upcall))
			upcalls->unanswered++;
		drop(upcalls, upcall);
	}
}

uint64_t upcalls_waiting(const struct upcalls *upcalls)
{
	const struct upcall *upcall;
	uint64_t waiting = 0;

	TAILQ_FOREACH(upcall, &upcalls->all, in_time)
		waiting += waits(upcall) && counts(upcall);
	return waiting;
}

void upcalls_free(struct upcalls *upcalls)
{
	while (!TAILQ_EMPTY(&upcalls->all))
		drop(upcalls, TAILQ_FIRST(&upcalls->all));
}
