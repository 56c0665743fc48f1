// SPDX-License-Identifier: GPL-2.0-only
/* ovs upcalls: its reports: times by part, who answered, what was lost, and the datapath's own counters. */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "abi/upcall.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/field.h"
#include "core/hist.h"
#include "core/kbtf.h"
#include "core/object.h"
#include "core/record.h"
#include "core/table.h"
#include "core/view.h"
#include "ovs_upcalls.skel.h"
#include "tools/ovs/datapath.h"

#define RODATA(run) ((struct ovs_upcalls__rodata *)(run)->rodata)
#define DATAPATHS_MAX 64

static const char *const kinds[UPCALL_KINDS] = { "miss", "action", "unknown" };
static const char *const parts[UPCALL_PARTS] = { "queued", "user_space", "reinjected", "whole" };
static const char *const part_words[UPCALL_PARTS] = {
	"queued in the kernel until a thread received it",
	"in user space until a flow was put or the packet sent back",
	"back in the kernel until the packet had gone through its actions",
	"the whole: from the upcall until then",
};
static const char *const counter_names[COUNT_MAX] = {
	"upcalls", "gso", "lost", "messages", "received", "answered", "executed", "refused",
};

/* what has been counted since the run began */
struct sums {
	struct upcall_counts counts[UPCALL_KINDS];
	struct sonde_hist times[UPCALL_KINDS * UPCALL_PARTS];
	struct datapath_stats datapaths[DATAPATHS_MAX];
	int datapath_count, datapaths_more;
};

struct state {
	struct sums first, last, now; /* when all was attached, at the last report, now */
	struct table rows[2], lost[2]; /* by scope */
	struct table old; /* rows at the last report, with their sums negative */
	uint32_t only_lost;
};

static const struct option_row options[] = {
	{ OPTION_FLAG, "lost", NULL, "no times and no rows of who answered: what was lost, and the numbers", "filter-error",
	  OPT_STATE(struct state, only_lost) },
	{ OPTION_U32, "top", "N", "print the N largest rows (default 20)", OPT_RUN(top), .min = 1, .max = 8192 },
	{ OPTION_END },
};

static int configure(struct run *run)
{
	static const struct {
		const char *map;
		int entries;
	} sized[] = { { "currents", 1 }, { "times", UPCALL_KINDS * UPCALL_PARTS } };
	const int cpus = libbpf_num_possible_cpus();
	struct state *state = run->state;
	int err = 0;

	if (!datapath_is_there(run, "upcalls"))
		return -ENOSYS;
	if (!run->top)
		run->top = 20;
	for (size_t i = 0; i < 2 && !err; i++)
		err = bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, sized[i].map), cpus * sized[i].entries);
	if (cpus < 0 || err)
		return cpus < 0 ? cpus : err;
	for (int scope = 0; scope < 2; scope++) {
		table_init(&state->rows[scope], sizeof(struct upcall_who), sizeof(struct upcall_sums) / sizeof(uint64_t));
		table_init(&state->lost[scope], sizeof(struct upcall_loss_key), 1);
	}
	table_init(&state->old, sizeof(struct upcall_who), sizeof(struct upcall_sums) / sizeof(uint64_t));
	return 0;
}

/* after the choice of programs: both sides must read a key in the same form */
static int chosen(struct run *run)
{
	bool message = false, put = false;

	for (unsigned int i = 0; i < run->probe_count; i++) {
		const struct probe *probe = &run->probes[i];

		if (strcmp(probe->by, "fentry"))
			continue;
		message |= !strcmp(probe->hook->name, "message");
		put |= !strcmp(probe->hook->name, "put");
	}
	RODATA(run)->cfg_direct_keys = message && put;
	if (put && !message) {
		run_error(run, "this kernel lets the program see a flow's key, and not that of its upcall");
		return -ENOSYS;
	}
	return 0;
}

static int sums_read(struct run *run, struct sums *sums)
{
	const int cpus = libbpf_num_possible_cpus(), times = object_map(run, "times"), counts = object_map(run, "counts");
	struct upcall_counts *parts = cpus > 0 ? calloc(cpus, sizeof(*parts)) : NULL;
	struct sonde_hist hist;
	int err = parts ? 0 : -ENOMEM;

	memset(sums, 0, sizeof(*sums));
	for (uint32_t kind = 0; !err && kind < UPCALL_KINDS; kind++) {
		if (bpf_map_lookup_elem(counts, &kind, parts))
			err = -errno;
		for (int i = 0; !err && i < cpus * COUNT_MAX; i++)
			sums->counts[kind].counters[i % COUNT_MAX] += parts[i / COUNT_MAX].counters[i % COUNT_MAX];
	}
	for (uint32_t i = 0; !err && i < (uint32_t)cpus * UPCALL_KINDS * UPCALL_PARTS; i++) {
		if (bpf_map_lookup_elem(times, &i, &hist))
			err = -errno;
		else
			hist_merge(&sums->times[i % (UPCALL_KINDS * UPCALL_PARTS)], &hist);
	}
	/* a message that is in a histogram is not counted again */
	for (int kind = 0; kind < UPCALL_KINDS; kind++) {
		sums->counts[kind].counters[COUNT_RECEIVED] += sums->times[kind * UPCALL_PARTS + UPCALL_QUEUED].count;
		sums->counts[kind].counters[COUNT_ANSWERED] += sums->times[kind * UPCALL_PARTS + UPCALL_USER].count;
		sums->counts[kind].counters[COUNT_EXECUTED] += sums->times[kind * UPCALL_PARTS + UPCALL_WHOLE].count;
	}
	sums->datapath_count = datapath_stats(sums->datapaths, DATAPATHS_MAX);
	if (sums->datapath_count < 0)
		sums->datapath_count = 0;
	if (sums->datapath_count > DATAPATHS_MAX) {
		sums->datapaths_more = sums->datapath_count - DATAPATHS_MAX;
		sums->datapath_count = DATAPATHS_MAX;
	}
	free(parts);
	return err;
}

static void attached(struct run *run)
{
	struct state *state = run->state;

	sums_read(run, &state->first);
	state->last = state->first;
}

static uint64_t counted(const struct sums *from, const struct sums *to, int kind, enum upcall_counter what)
{
	return to->counts[kind].counters[what] - from->counts[kind].counters[what];
}

/* a maximum cannot be subtracted: one that has not grown is that of the highest bucket at most */
static void times_between(const struct sums *from, const struct sums *to, int index, struct sonde_hist *hist)
{
	const struct sonde_hist *old = &from->times[index], *new = &to->times[index];
	uint64_t bound = 0;

	hist->count = new->count - old->count;
	hist->sum = new->sum - old->sum;
	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		hist->buckets[i] = new->buckets[i] - old->buckets[i];
		if (hist->buckets[i])
			bound = i + 1 < HIST_BUCKETS ? hist_bucket_low(i + 1) - 1 : new->max;
	}
	hist->max = new->max > old->max || bound > new->max ? new->max : bound;
}

static void times_print(struct run *run, enum scope scope, const struct sums *from, const struct sums *to)
{
	for (int i = 0; i < UPCALL_KINDS * UPCALL_PARTS; i++) {
		const int kind = i / UPCALL_PARTS, part = i % UPCALL_PARTS;
		struct sonde_hist hist;
		json_t *record, *more;

		times_between(from, to, i, &hist);
		if (!hist.count)
			continue;
		if (!run->json) {
			printf("  %s: %s, ns\n", kinds[kind], part_words[part]);
			hist_text(&hist, "ns", stdout);
			continue;
		}
		record = record_new(run, "time");
		json_object_set_new(record, "scope", json_string(view_scope(scope)));
		json_object_set_new(record, "kind", json_string(kinds[kind]));
		json_object_set_new(record, "part", json_string(parts[part]));
		more = hist_json(&hist);
		json_object_update(record, more);
		json_decref(more);
		record_print(run, record);
	}
}

static void device_add(json_t *record, const struct sonde_device_key *key, char *text)
{
	sonde_name name;

	snprintf(text, sizeof(name) + 1, "%.16s", device_name(key, name) ? name : "?");
	field_clean(text, sizeof(name));
	if (!record)
		return;
	json_object_set_new(record, "dev", *text == '?' ? json_null() : json_string(text));
	json_object_set_new(record, "ifindex", json_integer(key->ifindex));
	json_object_set_new(record, "netns", json_integer(key->netns));
}

/* what rows beyond --top count; those that a report does not have are 0 */
static uint64_t beyond_top(const struct run *run, const struct table *table)
{
	uint64_t sum = 0;

	for (size_t i = run->top; i < table->count; i++)
		sum += *table_values(table, i);
	return sum;
}

static void beyond_print(const struct run *run, const struct table *table, const char *what)
{
	const uint64_t beyond = beyond_top(run, table);

	if (beyond && !run->json)
		printf("%10" PRIu64 "  %s in rows beyond --top %u\n", beyond, what, run->top);
}

static void rows_print(struct run *run, enum scope scope, const struct table *table)
{
	for (size_t i = 0; i < table->count && i < run->top; i++) {
		const struct upcall_who *who = (void *)table_key(table, i);
		const struct upcall_key *key = &who->key;
		const struct upcall_sums *row = (void *)table_values(table, i);
		char device[20], span[4][CLOCK_SPAN];
		json_t *record;

		/* sorted: the rest has been idle */
		if (!row->count)
			break;
		if (!run->json) {
			device_add(NULL, &key->device, device);
			printf("%10" PRIu64 "  %s  thread %u (%.16s)  cpu %u  dev %s  mean %s: queued %s, user space %s, reinjected %s\n",
			       (uint64_t)row->count, kinds[key->kind], key->thread, who->comm, key->cpu, device,
			       clock_span(span[0], (double)row->whole / row->count),
			       clock_span(span[1], (double)row->queued / row->count),
			       clock_span(span[2], (double)row->user / row->count),
			       clock_span(span[3], (double)row->again / row->count));
			continue;
		}
		record = record_new(run, "row");
		json_object_set_new(record, "scope", json_string(view_scope(scope)));
		json_object_set_new(record, "count", json_integer(row->count));
		json_object_set_new(record, "kind", json_string(kinds[key->kind]));
		json_object_set_new(record, "thread", json_integer(key->thread));
		json_object_set_new(record, "comm", json_stringn(who->comm, strnlen(who->comm, sizeof(who->comm))));
		json_object_set_new(record, "cpu", json_integer(key->cpu));
		device_add(record, &key->device, device);
		json_object_set_new(record, "queued_mean_ns", json_integer(row->queued / row->count));
		json_object_set_new(record, "user_space_mean_ns", json_integer(row->user / row->count));
		json_object_set_new(record, "reinjected_mean_ns", json_integer(row->again / row->count));
		json_object_set_new(record, "whole_mean_ns", json_integer(row->whole / row->count));
		record_print(run, record);
	}
	beyond_print(run, table, "upcalls answered");
}

static void lost_print(struct run *run, enum scope scope, const struct table *table)
{
	for (size_t i = 0; i < table->count && i < run->top; i++) {
		const struct upcall_loss_key *key = (void *)table_key(table, i);
		const uint64_t count = *table_values(table, i);
		const char *error = strerrorname_np(key->error);
		struct upcall_reader reader = {};
		char device[20];
		json_t *record;

		bpf_map_lookup_elem(object_map(run, "readers"), &key->socket, &reader);
		field_clean(reader.comm, sizeof(reader.comm));
		if (!run->json) {
			device_add(NULL, &key->device, device);
			printf("%10" PRIu64 "  lost: %s %s  dev %s  cpu %u  socket %u", count, kinds[key->kind],
			       error ? error : "?", device, key->cpu, key->socket);
			if (reader.thread)
				printf(" of thread %u (%.16s)%s", reader.thread, reader.comm,
				       reader.shared ? " and others" : "");
			putchar('\n');
			continue;
		}
		record = record_new(run, "lost");
		json_object_set_new(record, "scope", json_string(view_scope(scope)));
		json_object_set_new(record, "count", json_integer(count));
		json_object_set_new(record, "kind", json_string(kinds[key->kind]));
		json_object_set_new(record, "error", error ? json_string(error) : json_null());
		json_object_set_new(record, "cpu", json_integer(key->cpu));
		json_object_set_new(record, "socket", json_integer(key->socket));
		json_object_set_new(record, "thread", reader.thread ? json_integer(reader.thread) : json_null());
		json_object_set_new(record, "comm",
				    reader.thread ? json_stringn(reader.comm, strnlen(reader.comm, sizeof(reader.comm))) :
						    json_null());
		json_object_set_new(record, "shared", reader.thread ? json_boolean(reader.shared) : json_null());
		device_add(record, &key->device, device);
		record_print(run, record);
	}
	beyond_print(run, table, "upcalls lost");
}

static double rate(uint64_t count, double seconds)
{
	return seconds > 0 ? count / seconds : 0;
}

static void datapaths_print(struct run *run, enum scope scope, const struct sums *from, const struct sums *to)
{
	for (int i = 0; i < to->datapath_count; i++) {
		const struct datapath_stats none = {}, *new = &to->datapaths[i], *old = &none;
		uint64_t hit, missed, lost, mask_hit, cache_hit, lookups;
		double seconds = view_seconds(run, scope);
		json_t *record;

		for (int k = 0; k < from->datapath_count; k++) {
			if (from->datapaths[k].ifindex == new->ifindex)
				old = &from->datapaths[k];
		}
		hit = new->hit - old->hit;
		missed = new->missed - old->missed;
		lost = new->lost - old->lost;
		mask_hit = new->mask_hit - old->mask_hit;
		cache_hit = new->cache_hit - old->cache_hit;
		lookups = hit + missed;
		if (!run->json) {
			printf("  datapath %s: hit %" PRIu64 " (%.1f/s), missed %" PRIu64 " (%.1f/s), lost %" PRIu64
			       " (%.1f/s); masks tried %" PRIu64 " (%.1f/s), %.2f a lookup, %" PRIu64
			       " by the mask cache; %" PRIu64 " flows, %" PRIu64 " masks\n",
			       new->name, hit, rate(hit, seconds), missed, rate(missed, seconds), lost,
			       rate(lost, seconds), mask_hit, rate(mask_hit, seconds),
			       lookups ? (double)mask_hit / lookups : 0, cache_hit, new->flows, new->masks);
			continue;
		}
		record = record_new(run, "datapath");
		json_object_set_new(record, "scope", json_string(view_scope(scope)));
		json_object_set_new(record, "datapath", json_string(new->name));
		json_object_set_new(record, "hit", json_integer(hit));
		json_object_set_new(record, "missed", json_integer(missed));
		json_object_set_new(record, "lost_upcalls", json_integer(lost));
		json_object_set_new(record, "mask_hit", json_integer(mask_hit));
		json_object_set_new(record, "cache_hit", json_integer(cache_hit));
		json_object_set_new(record, "masks_a_lookup", json_real(lookups ? (double)mask_hit / lookups : 0));
		json_object_set_new(record, "hit_rate", json_real(rate(hit, seconds)));
		json_object_set_new(record, "miss_rate", json_real(rate(missed, seconds)));
		json_object_set_new(record, "lost_rate", json_real(rate(lost, seconds)));
		json_object_set_new(record, "mask_hit_rate", json_real(rate(mask_hit, seconds)));
		json_object_set_new(record, "flows", json_integer(new->flows));
		json_object_set_new(record, "masks", json_integer(new->masks));
		record_print(run, record);
	}
	if (to->datapaths_more && !run->json)
		printf("  %d more datapaths: their numbers are not read\n", to->datapaths_more);
}

static void head_print(struct run *run, enum scope scope)
{
	char time[CLOCK_TEXT];

	clock_format(clock_wall(clock_now()), time, sizeof(time));
	printf("%s%.19sZ  %s %.3g s\n", scope == SCOPE_TOTAL ? "\n" : "", time,
	       scope == SCOPE_TOTAL ? "all" : "last", view_seconds(run, scope));
}

/* misses that the datapaths have counted and no program has seen: before 6.7 the kernel skips a probe's program without a
 * word where another one was interrupted; -1: unknown, since a filter hides some
 */
static int64_t unseen(const struct run *run, const struct sums *from, const struct sums *to)
{
	int64_t missed = 0;

	if (run->filtered)
		return -1;
	for (int i = 0; i < to->datapath_count; i++) {
		missed += to->datapaths[i].missed;
		for (int k = 0; k < from->datapath_count; k++) {
			if (from->datapaths[k].ifindex == to->datapaths[i].ifindex)
				missed -= from->datapaths[k].missed;
		}
	}
	missed -= counted(from, to, UPCALL_MISS, COUNT_UPCALLS) + counted(from, to, UPCALL_OTHER, COUNT_UPCALLS);
	/* the two are not read at the same moment */
	return missed > 0 ? missed : 0;
}

/* counters that still count are not read at the same moment */
static uint64_t waiting(uint64_t came, uint64_t went)
{
	return came > went ? came - went : 0;
}

static void counters_print(const char *name, const struct sums *from, const struct sums *to, int kind)
{
	printf("  %s:", name);
	for (int i = 0; i < COUNT_MAX; i++)
		printf(" %s %" PRIu64 "%s", counter_names[i], counted(from, to, kind, i), i + 1 < COUNT_MAX ? "," : "\n");
}

static void foot_print(struct run *run, enum scope scope, const struct sums *from, const struct sums *to)
{
	const struct state *state = run->state;
	json_t *record = NULL;

	if (run->json) {
		record = record_new(run, view_scope(scope));
		record_time(record);
		json_object_set_new(record, "seconds", json_real(view_seconds(run, scope)));
		json_object_set_new(record, "datapaths_not_read", json_integer(to->datapaths_more));
		json_object_set_new(record, "beyond_top", json_integer(beyond_top(run, &state->rows[scope])));
		json_object_set_new(record, "lost_beyond_top", json_integer(beyond_top(run, &state->lost[scope])));
	}
	for (int kind = 0; kind < UPCALL_KINDS; kind++) {
		/* of the whole run: who is still waited for, whenever it began */
		static const struct sums none;
		const uint64_t received = counted(&none, to, kind, COUNT_RECEIVED);
		const uint64_t not_received = waiting(counted(&none, to, kind, COUNT_MESSAGES), received);
		const uint64_t not_answered = waiting(received, counted(&none, to, kind, COUNT_ANSWERED));
		json_t *numbers;

		if (!run->json) {
			if (counted(from, to, kind, COUNT_UPCALLS) || counted(from, to, kind, COUNT_RECEIVED))
				counters_print(kinds[kind], from, to, kind);
			if (not_received || not_answered)
				printf("  %s: %" PRIu64 " not yet received by a handler, %" PRIu64
				       " received and not yet answered\n",
				       kinds[kind], not_received, not_answered);
			continue;
		}
		numbers = json_object();
		for (int i = 0; i < COUNT_MAX; i++)
			json_object_set_new(numbers, counter_names[i], json_integer(counted(from, to, kind, i)));
		json_object_set_new(numbers, "not_received", json_integer(not_received));
		json_object_set_new(numbers, "not_answered", json_integer(not_answered));
		json_object_set_new(record, kinds[kind], numbers);
	}
	if (scope == SCOPE_TOTAL && record)
		json_object_set_new(record, "unseen", run->filtered ? json_null() : json_integer(unseen(run, from, to)));
	else if (scope == SCOPE_TOTAL && unseen(run, from, to) > 0)
		printf("  %" PRIi64 " misses that the datapath counted were not seen\n", unseen(run, from, to));
	if (record)
		record_print(run, record);
	else
		record_flush(run);
}

/* a datapath that was removed keeps what it had counted at the last report */
static void datapaths_keep(struct sums *now, const struct sums *last)
{
	for (int i = 0; i < last->datapath_count && now->datapath_count < DATAPATHS_MAX; i++) {
		int k = 0;

		while (k < now->datapath_count && now->datapaths[k].ifindex != last->datapaths[i].ifindex)
			k++;
		if (k < now->datapath_count)
			continue;
		now->datapaths[k] = last->datapaths[i];
		now->datapaths[k].flows = now->datapaths[k].masks = 0;
		now->datapath_count++;
	}
}

/* what rows have counted since the last report */
static int rows_take(struct run *run, struct table *since)
{
	struct state *state = run->state;
	const int map = object_map(run, "rows");
	struct upcall_row row;
	int err = table_append(since, &state->old);

	table_clear(&state->old);
	for (uint32_t i = 0; !err && i < UPCALL_ROWS; i++) {
		uint64_t *sums = (uint64_t *)&row.sums;

		if (bpf_map_lookup_elem(map, &i, &row))
			return -errno;
		if (!row.who.key.thread)
			continue;
		err = table_add(since, &row.who, sums);
		for (size_t k = 0; k < sizeof(row.sums) / sizeof(*sums); k++)
			sums[k] = -sums[k];
		if (!err)
			err = table_add(&state->old, &row.who, sums);
	}
	return err;
}

static int take(struct run *run)
{
	struct state *state = run->state;
	const uint16_t old = epoch_flip(object_variable(run, "epoch"));
	int err;

	table_clear(&state->rows[SCOPE_INTERVAL]);
	table_clear(&state->lost[SCOPE_INTERVAL]);
	err = rows_take(run, &state->rows[SCOPE_INTERVAL]);
	if (!err)
		err = table_drain(&state->lost[SCOPE_INTERVAL], object_map(run, "lost"), old);
	if (!err)
		err = table_append(&state->rows[SCOPE_TOTAL], &state->rows[SCOPE_INTERVAL]);
	if (!err)
		err = table_append(&state->lost[SCOPE_TOTAL], &state->lost[SCOPE_INTERVAL]);
	for (int scope = 0; scope < 2; scope++) {
		table_merge(&state->rows[scope]);
		table_merge(&state->lost[scope]);
	}
	if (!err)
		err = sums_read(run, &state->now);
	datapaths_keep(&state->now, &state->last);
	return err;
}

static int report(struct run *run, enum scope scope)
{
	struct state *state = run->state;
	const struct sums *from = scope == SCOPE_TOTAL ? &state->first : &state->last;
	int err = scope == SCOPE_INTERVAL ? take(run) : 0;

	if (err)
		return err;
	if (!run->json)
		head_print(run, scope);
	if (!state->only_lost) {
		times_print(run, scope, from, &state->now);
		rows_print(run, scope, &state->rows[scope]);
	}
	lost_print(run, scope, &state->lost[scope]);
	datapaths_print(run, scope, from, &state->now);
	foot_print(run, scope, from, &state->now);
	if (scope == SCOPE_INTERVAL)
		state->last = state->now;
	return 0;
}

static void finish(struct run *run)
{
	struct state *state = run->state;

	table_free(&state->old);
	for (int scope = 0; scope < 2; scope++) {
		table_free(&state->rows[scope]);
		table_free(&state->lost[scope]);
	}
}

/* where the kernel's types say what an upcall is, its socket and kind are read there */
static bool socket_wanted(const struct run *run, const struct hook_row *hook)
{
	(void)run;
	(void)hook;
	return !kbtf_knows("dp_upcall_info");
}

static const struct hook_row hooks[] = {
	{ "upcall_done" },
	{ "segments", .optional = true, .without = "GSO packets as one upcall: each segment counts" },
	{ "segment" },
	{ "message" },
	{ "socket", .optional = true, .wanted = socket_wanted },
	/* no program: what the return of a function does not tell without its types */
	{ "unsent", .optional = true, .wanted = socket_wanted,
	  .without = "upcalls that nobody is there for (ENOTCONN): their device and kind, and with a filter all of them" },
	{ "receive", .shared_by_tasks = true },
	/* by kprobe it has no key in the kernel's own form, which is the cheaper one: better a few puts skipped */
	{ "put" },
	{ "execute", .shared_by_tasks = true },
	{ "execute_done", .shared_by_tasks = true },
	{ NULL },
};

#define STR(name, words) "\"" name "\": {\"type\": \"string\", \"description\": \"" words "\"}, "
#define INT(name, words) "\"" name "\": {\"type\": \"integer\", \"description\": \"" words "\"}, "
#define NUM(name, words) "\"" name "\": {\"type\": \"number\", \"description\": \"" words "\"}, "
#define NIL(type, name, words) "\"" name "\": {\"type\": [\"" type "\", \"null\"], \"description\": \"" words "\"}, "
#define OBJ(name, words) "\"" name "\": {\"type\": \"object\", \"description\": \"" words "\"}"

TOOL(ovs_upcalls, .area = "ovs", .name = "upcalls", .kind = TOOL_SUMMARY,
     .summary = "upcalls: waiting, user space and re-injection apart, who answers, what is lost and why",
     .question = "is a packet without a flow slow because ovs-vswitchd is busy, or because it is not woken?",
     .cannot_see = "user-space datapaths; what ovs-vswitchd does meanwhile; more than 65,536 messages under way, or 4,096 rows",
     .was = "ovs_upcall_latency_summary queue_userspace_packet_retval", .object = ovs_upcalls__elf_bytes, .options = options, .hooks = hooks,
     .filter = true, .state_size = sizeof(struct state), .configure = configure, .chosen = chosen, .attached = attached,
     .report = report, .finish = finish,
     .records = "{\"types\": [\"time\", \"row\", \"lost\", \"datapath\", \"interval\", \"total\"], \"members\": {"
		STR("scope", "interval or total") STR("kind", "miss, action or unknown")
		STR("part", "time: queued, user_space, reinjected or whole")
		INT("count", "time, row, lost: how many") NUM("mean", "time: ns") INT("max", "time: ns")
		INT("p50", "time: ns") INT("p90", "time: ns") INT("p99", "time: ns")
		"\"buckets\": {\"type\": \"array\", \"description\": \"time: from, to, count\"}, "
		NIL("integer", "thread", "row: who answered; lost: whose socket it was")
		NIL("string", "comm", "its name")
		NIL("boolean", "shared", "lost: other threads read that socket too")
		INT("cpu", "of the upcall")
		NIL("string", "dev", "the packet's device") INT("ifindex", "its number") INT("netns", "its namespace")
		INT("queued_mean_ns", "row") INT("user_space_mean_ns", "row") INT("reinjected_mean_ns", "row")
		INT("whole_mean_ns", "row") NIL("string", "error", "lost: why, as errno names it")
		INT("socket", "lost: netlink port id, 0: none") STR("datapath", "datapath: its name")
		INT("hit", "datapath: packets that found a flow") INT("missed", "datapath: that found none")
		INT("lost_upcalls", "datapath: upcalls that were not handed over") INT("mask_hit", "datapath: masks tried")
		INT("cache_hit", "datapath: lookups that the mask cache served")
		NUM("masks_a_lookup", "datapath") NUM("hit_rate", "datapath: a second") NUM("miss_rate", "datapath: a second")
		NUM("lost_rate", "datapath: a second") NUM("mask_hit_rate", "datapath: a second")
		INT("flows", "datapath: now") INT("masks", "datapath: now")
		NUM("seconds", "interval, total: how long it was")
		INT("datapaths_not_read", "interval, total: datapaths for whose numbers there was no room")
		INT("beyond_top", "interval, total: upcalls answered that are in rows which --top leaves out")
		INT("lost_beyond_top", "interval, total: upcalls lost that are in rows which it leaves out")
		NIL("integer", "unseen", "total: misses that the datapath counted and no probe saw; null with a filter")
		OBJ("miss", "interval, total: upcalls, gso, lost, messages, received, answered, executed, refused, "
			    "not_received, not_answered") ", "
		OBJ("action", "interval, total: the same") ", " OBJ("unknown", "interval, total: the same") "}}");
