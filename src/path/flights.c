// SPDX-License-Identifier: GPL-2.0-only
/* flights.c: packets in flight as user space sees them: gives up what is too long on its way. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/object.h"
#include "path/engine.h"
#include "path/path.h"

#define DRAIN_MS 200
#define WORKERS_TICKS 60
#define GRACE_US 10000 /* no program runs so long */

static uint64_t begun_now(const struct path_run *state)
{
	uint64_t begun = 0;

	for (int cpu = 0; cpu < state->cpu_count; cpu++)
		begun += cpu_counts(state, cpu)->counts.begun;
	return begun;
}

uint64_t path_in_flight(const struct run *run)
{
	const struct path_run *state = run->state;
	uint64_t count = 0;

	for (uint32_t set = 0; set < state->bucket_count; set++) {
		for (int way = 0; way < PATH_WAYS; way++)
			count += state->buckets[set].key[way] != 0;
	}
	return count;
}

/* what a flight has gone through that ends here and not in a program, as flight_count() does it */
static void flight_add(struct path_run *state, const struct path_flight *flight)
{
	uint32_t hops = flight->hops < PATH_HOPS ? flight->hops : PATH_HOPS;

	for (uint32_t i = 1; i < hops; i++) {
		uint64_t took = flight->at[i] - flight->at[i - 1];
		uint32_t cell = flight->mark[i].cell + (flight->upcalled ? upcall_cells(state) : 0);
		struct sonde_hist *hist;

		/* a program may write just now; path details has no cells */
		if (flight->mark[i].cell >= state->edge_cells || cell >= state->cells || flight->at[i] < flight->at[i - 1])
			continue;
		hist = &state->swept->cells[cell];
		hist->sum += took;
		hist->max = took > hist->max ? took : hist->max;
		hist->buckets[hist_index(took)]++;
	}
}

/* it was taken from the programs at the last sweep, and none that had found it before has ended it since */
static void give_up(struct run *run, uint32_t set, int way)
{
	struct path_run *state = run->state;
	struct path_bucket *bucket = &state->buckets[set];

	state->timed_out_total++;
	flight_add(state, &bucket->flight[way]);
	if (state->flows)
		flows_timed_out(run, set * PATH_WAYS + way);
	if (state->lost)
		state->lost(run, &bucket->flight[way], set * PATH_WAYS + way);
	__atomic_store_n(&bucket->key[way], 0, __ATOMIC_SEQ_CST);
}

/* programs find a flight by its key; false: it ends just now */
static bool take_away(struct path_bucket *bucket, int way, uint64_t as)
{
	uint64_t key = bucket->key[way];

	return key > PATH_TAKEN && __atomic_compare_exchange_n(&bucket->key[way], &key, as, false, __ATOMIC_SEQ_CST,
							       __ATOMIC_SEQ_CST);
}

/* gives up what has been on its way for too long, in two sweeps; returns how many are left */
static uint64_t sweep(struct run *run, uint64_t now)
{
	struct path_run *state = run->state;
	uint64_t left = 0;

	for (uint32_t set = 0; set < state->bucket_count; set++) {
		struct path_bucket *bucket = &state->buckets[set];

		for (int way = 0; way < PATH_WAYS; way++) {
			struct path_flight *flight = &bucket->flight[way];
			uint64_t key = bucket->key[way];

			if (!key || key == PATH_ENDING)
				continue;
			if (key == PATH_GIVEN_UP) {
				give_up(run, set, way);
				continue;
			}
			left++;
			if (now - flight->first >= state->timeout_ns && now > flight->first)
				take_away(bucket, way, PATH_GIVEN_UP);
		}
	}
	return left;
}

/* vhost threads that are gone make room for others, once the table of them is nearly full */
static void workers_clean(struct run *run)
{
	int map = object_map(run, "workers");
	uint32_t thread, *previous = NULL, *threads = calloc(PATH_WORKERS, sizeof(*threads));
	size_t count = 0;
	char path[32];

	while (threads && count < PATH_WORKERS && !bpf_map_get_next_key(map, previous, &thread)) {
		threads[count] = thread;
		previous = &threads[count++];
	}
	for (size_t i = 0; count > PATH_WORKERS * 3 / 4 && i < count; i++) {
		snprintf(path, sizeof(path), "/proc/%u", threads[i]);
		if (access(path, F_OK))
			bpf_map_delete_elem(map, &threads[i]);
	}
	free(threads);
}

void path_tick(struct run *run)
{
	struct path_run *state = run->state;
	uint64_t begun = begun_now(state), left;

	devices_tick(run);
	if (state->guests && ++state->ticks % WORKERS_TICKS == 0)
		workers_clean(run);
	if (!*state->active)
		return;
	left = sweep(run, clock_now());
	/* nothing in flight and nothing begun for a second: stages need not look until the next packet */
	if (!left && begun == state->begun_before) {
		*state->active = 0;
		__sync_synchronize();
	}
	if (!*state->active && begun_now(state) != begun)
		*state->active = 1;
	state->begun_before = begun;
}

void path_ending(struct run *run)
{
	struct path_run *state = run->state;

	/* what is on its way may arrive, but not for ever */
	*state->open = 0;
	for (int i = 0; i < DRAIN_MS && path_in_flight(run); i++)
		usleep(1000);
	sweep(run, clock_now());
	for (uint32_t set = 0; set < state->bucket_count; set++) {
		for (int way = 0; way < PATH_WAYS; way++)
			take_away(&state->buckets[set], way, PATH_LEFT);
	}
	usleep(GRACE_US);
	/* those that are too late already, and the stages that the others have passed */
	for (uint32_t set = 0; set < state->bucket_count; set++) {
		for (int way = 0; way < PATH_WAYS; way++) {
			if (state->buckets[set].key[way] == PATH_GIVEN_UP)
				give_up(run, set, way);
			else if (state->buckets[set].key[way] == PATH_LEFT)
				flight_add(state, &state->buckets[set].flight[way]);
		}
	}
}
