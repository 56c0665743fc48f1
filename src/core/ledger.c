// SPDX-License-Identifier: GPL-2.0-only
/* ledger.c: the exit ledger. The names of the counters come from enum sonde_loss, through the object's BTF. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/cost.h"
#include "core/ledger.h"
#include "core/object.h"
#include "core/record.h"

uint64_t ledger_sum(int map, uint32_t index)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t sum = 0, *values = calloc(cpus > 0 ? cpus : 1, sizeof(*values));

	if (values && cpus > 0 && map >= 0 && !bpf_map_lookup_elem(map, &index, values)) {
		for (int cpu = 0; cpu < cpus; cpu++)
			sum += values[cpu];
	}
	free(values);
	return sum;
}

uint64_t ledger_loss(const struct run *run, enum sonde_loss loss)
{
	return ledger_sum(object_map(run, "losses"), loss);
}

/* what each counter means, for the text; by the name behind LOSS_. asked: held back by request, not lost. */
static const struct {
	const char *name, *words;
	bool asked;
} meanings[] = {
	{ "events", "events lost: the reader was too slow (filter more, or --rate, --sample)" },
	{ "benign", "frees known to be no loss were hidden (--all shows them)", true },
	{ "rate_limited", "events held back by --rate", true },
	{ "not_sampled", "events left out by --sample", true },
	{ "rows", "drops that found the table of rows full: counted nowhere else" },
	{ "queues", "drops of a packet whose device or queue could not be told: in no row" },
	{ "stacks", "stacks that could not be taken or kept" },
	{ "devices", "device names that found their table full" },
	{ "seen", "seen packets that found their table full" },
	{ "stages", "packets with more than 16 stages, of which the others found no room" },
	{ "kicks", "guest kicks that found their table full: the way begins where vhost runs" },
	{ "workers", "times that a vhost thread found the table of threads full: its packets are not followed" },
	{ "moves", "packets that got other memory and found that table full: they time out" },
	{ "messages", "upcalls forgotten before a thread received them: too many were under way" },
	{ "groups", "messages of GSO upcalls that were forgotten: too many were under way; their times are not complete" },
	{ "threads", "threads forgotten before they had answered: too many have upcalls" },
	{ "readers", "sockets whose thread is not known: their table was full" },
	{ "executors", "packets that ovs-vswitchd has executed and that cannot be told: too many threads at once" },
	{ "commands", "flows deleted by more tasks at a time than are remembered: their counters were not seen" },
	{ "missed", "hits that the kernel skipped because a program or a kprobe was running on that CPU" },
};

#define MEANINGS (sizeof(meanings) / sizeof(meanings[0]))

/* MEANINGS: a counter that has no row */
static size_t meaning_of(const char *name)
{
	size_t i;

	for (i = 0; i < MEANINGS; i++) {
		if (!strcmp(meanings[i].name, name))
			break;
	}
	return i;
}

static void counters_text(json_t *counters)
{
	const char *name;
	json_t *value;

	json_object_foreach(counters, name, value)
		printf("  %" JSON_INTEGER_FORMAT " %s\n", json_integer_value(value),
		       meaning_of(name) < MEANINGS ? meanings[meaning_of(name)].words : name);
}

static void cost_text(json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
		printf("  cost of %s (%s at %s): %" JSON_INTEGER_FORMAT
		       " hits, %.0f ns a hit, %.3f %% of one CPU\n",
		       json_string_value(json_object_get(row, "hook")),
		       json_string_value(json_object_get(row, "by")),
		       json_string_value(json_object_get(row, "target")),
		       json_integer_value(json_object_get(row, "hits")),
		       json_real_value(json_object_get(row, "ns_per_hit")),
		       100 * json_real_value(json_object_get(row, "cpu_share")));
}

/* {"events": 12, ...}: only what is not zero; what was held back by request apart */
static void losses_read(const struct run *run, json_t *lost, json_t *held_back)
{
	const struct btf *btf = bpf_object__btf(run->object);
	int id = btf__find_by_name_kind(btf, "sonde_loss", BTF_KIND_ENUM);

	if (id >= 0) {
		const struct btf_type *type = btf__type_by_id(btf, id);

		for (int i = 0; i < btf_vlen(type); i++) {
			const struct btf_enum *entry = &btf_enum(type)[i];
			const char *name = btf__name_by_offset(btf, entry->name_off);
			uint64_t count = entry->val == LOSS_MAX ? 0 : ledger_loss(run, entry->val);

			name += strlen("LOSS_");
			if (count)
				json_object_set_new(meaning_of(name) < MEANINGS &&
								    meanings[meaning_of(name)].asked
							    ? held_back
							    : lost,
						    name, json_integer(count));
		}
	}
	if (run->missed)
		json_object_set_new(lost, "missed", json_integer(run->missed));
}

void ledger_print(struct run *run)
{
	json_t *lost = json_object(), *held_back = json_object(), *cost = cost_json(run), *record;

	losses_read(run, lost, held_back);
	if (run->output_error)
		goto out;
	if (!run->json) {
		if (run_prints_events(run))
			printf("%" PRIu64 " event%s\n", run->events, run->events == 1 ? "" : "s");
		counters_text(held_back);
		counters_text(lost);
		if (cost)
			cost_text(cost);
		record_flush(run);
		goto out;
	}
	record = record_new(run, "end");
	record_time(record);
	json_object_set_new(record, "ended_by", json_string(run->stopped_by));
	json_object_set_new(record, "events", json_integer(run->events));
	json_object_set(record, "lost", lost);
	json_object_set(record, "held_back", held_back);
	if (cost)
		json_object_set(record, "cost", cost);
	record_print(run, record);
out:
	json_decref(lost);
	json_decref(held_back);
	json_decref(cost);
}
