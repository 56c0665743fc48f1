// SPDX-License-Identifier: GPL-2.0-only
/* view.c: the report of path summary: stages in order, to one scale, and where the tail is. */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/hist.h"
#include "core/ksym.h"
#include "core/object.h"
#include "core/reason.h"
#include "core/record.h"
#include "core/view.h"
#include "path/engine.h"
#include "path/path.h"

#define BAR 9
#define HIST_BAR 60

static const struct {
	const char *name, *words;
} fates[FATE_MAX] = {
	[FATE_dropped] = { "dropped", "dropped" },
	[FATE_consumed] = { "consumed", "left the path: consumed elsewhere on this host" },
	[FATE_merged] = { "merged", "became a part of another packet (GRO, TCP)" },
	[FATE_replaced] = { "replaced", "memory began again as another packet, end not seen" },
	[FATE_evicted] = { "evicted", "pushed out of the full table of packets (--in-flight)" },
	[FATE_ambiguous] = { "ambiguous", "looked like another packet in ovs-vswitchd: not matched" },
	[FATE_upcall_lost] = { "upcall_lost", "upcalls lost: ovs-vswitchd could not be asked" },
	[FATE_unreadable] = { "unreadable", "headers not at hand at the upcall: not matched" },
	[FATE_crowded] = { "crowded", "more at once in a vhost thread's hands than are followed" },
	[FATE_timed_out] = { "timed_out", "did not go on within --timeout" },
};

const char *path_fate_name(enum path_fate fate)
{
	return fate < FATE_MAX ? fates[fate].name : NULL;
}

const char *path_fate_words(enum path_fate fate)
{
	return fate < FATE_MAX ? fates[fate].words : NULL;
}

json_t *path_fates_json(const struct path_counts *counts)
{
	json_t *object = json_object();

	for (int fate = FATE_dropped; fate < FATE_MAX; fate++) {
		if (counts->fates[fate])
			json_object_set_new(object, fates[fate].name,
					    json_integer(counts->fates[fate]));
	}
	return object;
}

static const double percents[] = { 50, 90, 95, 99, 99.9 };
static const char *const percent_names[] = { "p50", "p90", "p95", "p99", "p99.9" };
static const char *const percent_keys[] = { "p50_ns", "p90_ns", "p95_ns", "p99_ns", "p999_ns" };
#define PERCENTS (sizeof(percents) / sizeof(percents[0]))

static void row_text(const char *words, const struct sonde_hist *hist, uint64_t whole)
{
	char text[CLOCK_SPAN];

	printf("  %-36s %8" PRIu64 " %7s", words, (uint64_t)hist->count,
	       clock_span(text, hist->count ? (double)hist->sum / hist->count : 0));
	for (size_t i = 0; i < PERCENTS; i++)
		printf(" %7s", clock_span(text, hist_percentile(hist, percents[i])));
	printf(" %7s", clock_span(text, hist->max));
	if (whole) {
		printf(" %5.1f%% ", 100.0 * hist->sum / whole);
		for (uint64_t i = 0; i < (hist->sum * BAR + whole / 2) / whole; i++)
			putchar('#');
	}
	putchar('\n');
}

/* [[lowest value, count], ...] of the buckets that have any */
static json_t *buckets_json(const struct sonde_hist *hist)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		if (hist->buckets[i])
			json_array_append_new(list, json_pack("[I, I]", (json_int_t)hist_bucket_low(i),
							      (json_int_t)hist->buckets[i]));
	}
	return list;
}

static void figures_json(json_t *record, const struct sonde_hist *hist, uint64_t whole)
{
	json_object_set_new(record, "count", json_integer(hist->count));
	json_object_set_new(record, "sum_ns", json_integer(hist->sum));
	json_object_set_new(record, "mean_ns",
			    json_real(hist->count ? (double)hist->sum / hist->count : 0));
	for (size_t i = 0; i < PERCENTS; i++)
		json_object_set_new(record, percent_keys[i],
				    json_integer(hist_percentile(hist, percents[i])));
	json_object_set_new(record, "max_ns", json_integer(hist->max));
	if (whole)
		json_object_set_new(record, "share", json_real((double)hist->sum / whole));
	json_object_set_new(record, "buckets", buckets_json(hist));
}

static json_t *record_of(const struct run *run, enum scope scope, const char *type)
{
	const struct path_run *state = run->state;
	json_t *record = record_new(run, type);

	json_object_set_new(record, "scope", json_string(view_scope(scope)));
	json_object_set_new(record, "path", json_string(state->path->name));
	return record;
}

/* of a cell, the packets that had an upcall */
static const struct sonde_hist *upcalled(const struct path_run *state, const struct sonde_hist *cells, uint32_t cell)
{
	return &cells[cell + upcall_cells(state)];
}

/* all packets of a cell, with and without an upcall */
static void cell_sum(const struct path_run *state, const struct sonde_hist *cells, uint32_t cell, struct sonde_hist *sum)
{
	*sum = cells[cell];
	hist_merge(sum, upcalled(state, cells, cell));
}

/* its packets that had an upcall are shown apart only beside others that had none */
static bool both_kinds(const struct path_run *state, const struct sonde_hist *cells, uint32_t cell)
{
	return cells[cell].count && upcalled(state, cells, cell)->count;
}

static void edge_text(const struct path_run *state, const struct path_edge_used *edge, const struct sonde_hist *cells,
		      const struct sonde_hist *all, uint64_t whole)
{
	char words[80];

	snprintf(words, sizeof(words), "%s -> %s", path_stages[edge->from].words, path_stages[edge->to].words);
	if (!both_kinds(state, cells, edge->cell)) {
		row_text(words, all, whole);
		return;
	}
	row_text(words, &cells[edge->cell], whole);
	row_text("    the same, packets with an upcall", upcalled(state, cells, edge->cell), whole);
}

static void edge_show(struct run *run, enum scope scope, const struct path_edge_used *edge,
		      const struct sonde_hist *cells, uint64_t whole)
{
	const struct path_run *state = run->state;
	struct sonde_hist all;
	json_t *record, *apart;

	cell_sum(state, cells, edge->cell, &all);
	if (!all.count)
		return;
	if (!run->json) {
		edge_text(state, edge, cells, &all, whole);
		return;
	}
	record = record_of(run, scope, "stage");
	json_object_set_new(record, "from", json_string(path_stages[edge->from].name));
	json_object_set_new(record, "to", json_string(path_stages[edge->to].name));
	if (edge->part)
		json_object_set_new(record, "part", json_string(edge->part));
	figures_json(record, &all, whole);
	if (both_kinds(state, cells, edge->cell)) {
		apart = json_object();
		figures_json(apart, upcalled(state, cells, edge->cell), 0);
		json_object_set_new(record, "with_upcall", apart);
	}
	record_print(run, record);
}

/* how many values are this long; a bucket that the limit cuts is not counted */
static uint64_t longer(const struct sonde_hist *hist, uint64_t least)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < HIST_BUCKETS; i++)
		count += hist_bucket_low(i) >= least ? hist->buckets[i] : 0;
	return count;
}

static void total_show(struct run *run, enum scope scope, const char *way, const char *words,
		       const struct sonde_hist *hist)
{
	const uint64_t gap = strncmp(way, "gap", 3) ? 0 : ((struct path_run *)run->state)->gap_ns;
	char text[CLOCK_SPAN];
	json_t *record;

	if (!hist->count)
		return;
	if (!run->json) {
		row_text(words, hist, 0);
		if (gap)
			printf("      %" PRIu64 " of them %s or longer\n", longer(hist, gap), clock_span(text, gap));
		return;
	}
	record = record_of(run, scope, "path");
	json_object_set_new(record, "way", json_string(way));
	figures_json(record, hist, 0);
	if (gap)
		json_object_set_new(record, "longer", json_integer(longer(hist, gap)));
	record_print(run, record);
}

/* --hist: a line an octave, of all stages to one scale */
static void octaves_count(const struct sonde_hist *hist, uint64_t counts[64])
{
	memset(counts, 0, 64 * sizeof(counts[0]));
	for (uint32_t i = 0; i < HIST_BUCKETS; i++)
		counts[hist_log2(hist_bucket_low(i))] += hist->buckets[i];
}

/* the longest bar: most, or one of this histogram's */
static uint64_t octaves_most(const struct sonde_hist *hist, uint64_t most)
{
	uint64_t counts[64];

	octaves_count(hist, counts);
	for (int octave = 0; octave < 64; octave++)
		most = counts[octave] > most ? counts[octave] : most;
	return most;
}

static void octaves_text(const char *words, const struct sonde_hist *hist, uint64_t most)
{
	char low[CLOCK_SPAN], high[CLOCK_SPAN];
	uint64_t counts[64];
	uint32_t first = 64, last = 0;

	if (!hist->count)
		return;
	octaves_count(hist, counts);
	for (uint32_t octave = 0; octave < 64; octave++) {
		if (!counts[octave])
			continue;
		first = first == 64 ? octave : first;
		last = octave;
	}
	printf("  %s\n", words);
	for (uint32_t octave = first; octave <= last; octave++) {
		printf("    %7s to %7s %9" PRIu64 " ", clock_span(low, octave ? 1ULL << octave : 0),
		       clock_span(high, 2ULL << octave), counts[octave]);
		for (uint64_t i = 0; i < (counts[octave] * HIST_BAR + most - 1) / most; i++)
			putchar('#');
		putchar('\n');
	}
}

static void hists_text(const struct path_run *state, const struct sonde_hist *cells)
{
	uint64_t most = 1;
	struct sonde_hist all;
	char words[80];

	for (uint32_t i = 0; i < state->edge_count; i++) {
		cell_sum(state, cells, state->edges[i].cell, &all);
		most = octaves_most(&all, most);
	}
	most = octaves_most(&cells[CELL_total], most);
	most = octaves_most(&cells[CELL_upcalled], most);
	for (uint32_t i = 0; i < state->edge_count; i++) {
		const struct path_edge_used *edge = &state->edges[i];

		cell_sum(state, cells, edge->cell, &all);
		snprintf(words, sizeof(words), "%s%s%s -> %s", edge->part ? edge->part : "", edge->part ? ": " : "",
			 path_stages[edge->from].words, path_stages[edge->to].words);
		octaves_text(words, &all, most);
	}
	octaves_text("all the way, without an upcall", &cells[CELL_total], most);
	octaves_text("all the way, with an upcall", &cells[CELL_upcalled], most);
}

static void began_text(const struct run *run, enum scope scope, const struct path_counts *counts)
{
	const struct path_run *state = run->state;
	char time[CLOCK_TEXT];

	clock_format(clock_wall(clock_now()), time, sizeof(time));
	printf("%s%.19sZ  %s %.3g s, %s (%s): %" PRIu64 " packet%s began, %" PRIu64 " ended\n",
	       scope == SCOPE_TOTAL ? "\n" : "", time, scope == SCOPE_TOTAL ? "all" : "last",
	       view_seconds(run, scope), state->path->name, state->path->words,
	       (uint64_t)counts->begun, counts->begun == 1 ? "" : "s", (uint64_t)counts->ended);
}

static void head_text(const struct run *run, enum scope scope, const struct path_counts *counts)
{
	began_text(run, scope, counts);
	printf("  %-36s %8s %7s", "from -> to", "packets", "mean");
	for (size_t i = 0; i < PERCENTS; i++)
		printf(" %7s", percent_names[i]);
	printf(" %7s  share of time\n", "max");
}

/* the stage whose slowest packets are slowest */
static const struct path_edge_used *tail_find(const struct path_run *state, const struct sonde_hist *cells,
					 uint64_t *worst)
{
	const struct path_edge_used *tail = NULL;

	*worst = 0;
	for (uint32_t i = 0; i < state->edge_count; i++) {
		struct sonde_hist all;
		uint64_t value;

		cell_sum(state, cells, state->edges[i].cell, &all);
		value = hist_percentile(&all, 99.9);
		if (value <= *worst)
			continue;
		*worst = value;
		tail = &state->edges[i];
	}
	return tail;
}

/* [{"count", "stage", "reason", "place"}, ...] since the start */
static json_t *drops_json(const struct run *run)
{
	int map = object_map(run, "path_drops");
	struct path_drop key, *previous = NULL, next;
	json_t *list = json_array();
	uint64_t count;

	while (!bpf_map_get_next_key(map, previous, &next)) {
		char place[160];
		const char *reason = reason_name(next.reason);

		key = next;
		previous = &key;
		if (bpf_map_lookup_elem(map, &key, &count) || key.stage >= STAGE_MAX)
			continue;
		ksym_format(key.place, place, sizeof(place));
		json_array_append_new(
			list,
			json_pack("{s:I, s:s, s:s?, s:s}", "count", (json_int_t)count, "after",
				  path_stages[key.stage].name, "reason", reason, "place", place));
	}
	return list;
}

static void tail_text(const struct path_edge_used *tail, uint64_t worst, double share)
{
	char text[CLOCK_SPAN];

	printf("  the tail is at %s -> %s: one packet in 1000 takes %s or more there; it has %.0f %% of all time\n",
	       path_stages[tail->from].words, path_stages[tail->to].words, clock_span(text, worst), share);
}

static uint64_t fates_sum(const struct path_counts *counts)
{
	uint64_t sum = 0;

	for (int fate = FATE_dropped; fate < FATE_MAX; fate++)
		sum += counts->fates[fate];
	return sum;
}

static void foot_text(struct run *run, enum scope scope, const struct path_counts *counts,
		      uint64_t in_flight, int64_t lost)
{
	json_t *drops, *drop;
	size_t i;

	for (int fate = FATE_dropped; fate < FATE_MAX; fate++) {
		if (counts->fates[fate])
			printf("  %" PRIu64 " %s\n", (uint64_t)counts->fates[fate],
			       fates[fate].words);
	}
	if (in_flight)
		printf("  %" PRIu64 " still in flight\n", in_flight);
	if (counts->copies)
		printf("  %" PRIu64 " times a copy of a packet passed a stage again: not counted\n",
		       (uint64_t)counts->copies);
	if (scope != SCOPE_TOTAL)
		return;
	if (lost)
		printf("  %" PRId64 " lost by us\n", lost);
	drops = drops_json(run);
	json_array_foreach(drops, i, drop)
		printf("  %" JSON_INTEGER_FORMAT " dropped after %s: %s at %s\n",
		       json_integer_value(json_object_get(drop, "count")),
		       json_string_value(json_object_get(drop, "after")),
		       json_is_string(json_object_get(drop, "reason"))
			       ? json_string_value(json_object_get(drop, "reason"))
			       : "no reason given",
		       json_string_value(json_object_get(drop, "place")));
	json_decref(drops);
}

static void foot_json(struct run *run, enum scope scope, const struct path_counts *counts,
		      uint64_t in_flight, int64_t lost, const struct path_edge_used *tail, uint64_t worst)
{
	const struct path_run *state = run->state;
	json_t *record = record_new(run, view_scope(scope));

	record_time(record);
	json_object_set_new(record, "path", json_string(state->path->name));
	json_object_set_new(record, "seconds", json_real(view_seconds(run, scope)));
	json_object_set_new(record, "begun", json_integer(counts->begun));
	json_object_set_new(record, "ended", json_integer(counts->ended));
	json_object_set_new(record, "not_ended", path_fates_json(counts));
	json_object_set_new(record, "in_flight", json_integer(in_flight));
	json_object_set_new(record, "copies", json_integer(counts->copies));
	if (tail)
		json_object_set_new(record, "tail",
				    json_pack("{s:s, s:s, s:I}", "from", path_stages[tail->from].name,
					      "to", path_stages[tail->to].name, "p999_ns",
					      (json_int_t)worst));
	else
		json_object_set_new(record, "tail", json_null());
	if (state->flows)
		json_object_set_new(record, "other_flows", json_integer(flows_not_shown(state)));
	if (scope == SCOPE_TOTAL) {
		json_object_set_new(record, "lost_by_us", json_integer(lost));
		json_object_set_new(record, "drops", drops_json(run));
	}
	record_print(run, record);
}

static void foot_show(struct run *run, enum scope scope, const struct path_counts *counts,
		      const struct path_edge_used *tail, uint64_t worst)
{
	const uint64_t in_flight = path_in_flight(run);
	const int64_t lost = counts->begun - counts->ended - fates_sum(counts) - in_flight;

	if (run->json) {
		foot_json(run, scope, counts, in_flight, lost, tail, worst);
		return;
	}
	foot_text(run, scope, counts, in_flight, lost);
	record_flush(run);
}

static void edges_show(struct run *run, enum scope scope, const struct sonde_hist *cells, uint64_t whole)
{
	const struct path_run *state = run->state;
	const char *part = NULL;

	for (uint32_t i = 0; i < state->edge_count; i++) {
		const struct path_edge_used *edge = &state->edges[i];

		if (!run->json && edge->part && edge->part != part &&
		    (cells[edge->cell].count || upcalled(state, cells, edge->cell)->count)) {
			part = edge->part;
			printf(" %s\n", part);
		}
		edge_show(run, scope, edge, cells, whole);
	}
}

static void totals_show(struct run *run, enum scope scope, const struct sonde_hist *cells)
{
	struct sonde_hist other;

	cell_sum(run->state, cells, CELL_other, &other);
	total_show(run, scope, "other", "between stages that no path joins", &other);
	total_show(run, scope, "direct", "all the way, without an upcall", &cells[CELL_total]);
	total_show(run, scope, "upcall", "all the way, with an upcall", &cells[CELL_upcalled]);
	total_show(run, scope, "gap_in", "gaps in a flow, from the sender", &cells[CELL_gap_in]);
	total_show(run, scope, "gap_out", "gaps in a flow, to the receiver", &cells[CELL_gap_out]);
}

int path_report(struct run *run, enum scope scope)
{
	struct path_run *state = run->state;
	const struct sonde_hist *cells;
	const struct path_counts *counts;
	const struct path_edge_used *tail;
	uint64_t whole = 0, worst;

	/* the total follows the last interval */
	if (scope == SCOPE_INTERVAL)
		path_take(run);
	cells = scope == SCOPE_TOTAL ? state->total : state->interval;
	counts = scope == SCOPE_TOTAL ? &state->counts_total : &state->counts_interval;
	for (uint32_t cell = CELL_other; cell < state->cells; cell++)
		whole += cells[cell].sum;
	if (!run->json)
		head_text(run, scope, counts);
	edges_show(run, scope, cells, whole);
	totals_show(run, scope, cells);
	if (state->flows)
		flows_report(run, scope);
	if (!run->json && state->hist)
		hists_text(state, cells);
	tail = tail_find(state, cells, &worst);
	if (tail && !run->json)
		tail_text(tail, worst, whole ? 100.0 * (cells[tail->cell].sum + upcalled(state, cells, tail->cell)->sum) / whole : 0);
	foot_show(run, scope, counts, tail, worst);
	return 0;
}

void path_ledger(struct run *run)
{
	struct path_run *state = run->state;

	/* else the reports have it */
	if (!run_prints_events(run))
		return;

	path_take(run);
	if (!run->json)
		began_text(run, SCOPE_TOTAL, &state->counts_total);
	foot_show(run, SCOPE_TOTAL, &state->counts_total, NULL, 0);
}
