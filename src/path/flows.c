// SPDX-License-Identifier: GPL-2.0-only
/* flows.c: path summary --top: the flows with the most packets, each with its times and where it waits. */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/object.h"
#include "core/packet.h"
#include "core/record.h"
#include "core/table.h"
#include "core/view.h"
#include "engine.skel.h"
#include "path/path.h"

#define RODATA(run) ((struct engine__rodata *)(run)->rodata)
/* flows of one interval; an idle flow takes no room in the next one */
#define FLOWS_MAX 4096
/* flows that the total keeps apart: those that come later are added up */
#define TOTAL_FLOWS_MAX 16384

struct flow {
	struct sonde_flow key;
	struct path_flow row;
};

struct path_flows {
	void *total; /* tree of struct flow */
	size_t total_count;
	struct flow others; /* of the total: without a row */
	struct flow *interval;
	size_t interval_count;
	struct flow *timed_out; /* since the last report */
	size_t timed_out_count;
	uint64_t not_shown; /* packets of flows without a row in the last report */
};

int flows_configure(struct run *run)
{
	struct path_run *state = run->state;

	if (!run->top)
		return 0;
	RODATA(run)->cfg_flows = 1;
	bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, "flows"), FLOWS_MAX);
	state->flows = calloc(1, sizeof(*state->flows));
	if (state->flows)
		state->flows->interval = calloc(2 * FLOWS_MAX, sizeof(*state->flows->interval));
	if (state->flows)
		state->flows->timed_out = calloc(FLOWS_MAX, sizeof(*state->flows->timed_out));
	return state->flows && state->flows->interval && state->flows->timed_out ? 0 : -ENOMEM;
}

static int flow_compare(const void *a, const void *b)
{
	return memcmp(&((const struct flow *)a)->key, &((const struct flow *)b)->key,
		      sizeof(struct sonde_flow));
}

static uint64_t flow_percentile(const struct path_flow *row, double percent)
{
	double wanted = row->count * percent / 100;
	uint64_t passed = 0;

	for (uint32_t i = 0; row->count && i < PATH_FLOW_BUCKETS; i++) {
		uint64_t low = hist_bucket_low(i * PATH_FLOW_STEP);
		uint64_t high = hist_bucket_low((i + 1) * PATH_FLOW_STEP);

		passed += row->buckets[i];
		if (!row->buckets[i] || passed < wanted)
			continue;
		low += (high - low) / 2;
		return low < row->max[0] ? low : row->max[0];
	}
	return row->max[0];
}

static double flow_mean(const struct path_flow *row)
{
	return row->count ? (double)row->sum / row->count : 0;
}

/* qsort() has no argument for its caller */
static enum { SORT_count, SORT_avg, SORT_p90, SORT_p99 } sort_by;

int flows_sort_parse(struct run *run, const char *value, char *why, size_t size)
{
	static const char *const names[] = { "count", "avg", "p90", "p99" };

	for (sort_by = 0; sort_by < sizeof(names) / sizeof(names[0]); sort_by++) {
		if (strcmp(value, names[sort_by]))
			continue;
		if (!run->top)
			run->top = 10;
		return 0;
	}
	snprintf(why, size, "must be count, avg, p90 or p99");
	return -EINVAL;
}

static double flow_rank(const struct path_flow *row)
{
	switch (sort_by) {
	case SORT_avg: return flow_mean(row);
	case SORT_p90: return flow_percentile(row, 90);
	case SORT_p99: return flow_percentile(row, 99);
	case SORT_count: break;
	}
	return row->count + row->not_ended;
}

/* largest first */
static int flow_order(const void *a, const void *b)
{
	double one = flow_rank(&((const struct flow *)a)->row), other = flow_rank(&((const struct flow *)b)->row);

	return one > other ? -1 : one < other;
}

static void flow_add(struct path_flow *sum, const struct path_flow *more)
{
	sum->count += more->count;
	sum->sum += more->sum;
	sum->not_ended += more->not_ended;
	if (more->max[0] > sum->max[0])
		sum->max[0] = more->max[0];
	for (int i = 0; i < PATH_CELLS; i++)
		sum->cells[i] += more->cells[i];
	for (int i = 0; i < PATH_FLOW_BUCKETS; i++)
		sum->buckets[i] += more->buckets[i];
}

static void total_add(struct path_flows *flows, const struct flow *flow)
{
	struct flow **found = tfind(flow, &flows->total, flow_compare), *added;

	if (found) {
		flow_add(&(*found)->row, &flow->row);
		return;
	}
	added = flows->total_count < TOTAL_FLOWS_MAX ? malloc(sizeof(*added)) : NULL;
	if (!added) {
		flow_add(&flows->others.row, &flow->row);
		return;
	}
	*added = *flow;
	tsearch(added, &flows->total, flow_compare);
	flows->total_count++;
}

void flows_timed_out(struct run *run, uint32_t index)
{
	struct path_run *state = run->state;
	struct path_flows *flows = state->flows;
	const struct sonde_flow *key = &state->flight_flows[index];
	size_t i = 0;

	while (i < flows->timed_out_count && memcmp(&flows->timed_out[i].key, key, sizeof(*key)))
		i++;
	if (i == FLOWS_MAX) {
		flows->others.row.not_ended++;
		return;
	}
	if (i == flows->timed_out_count)
		flows->timed_out[flows->timed_out_count++] = (struct flow){ .key = *key };
	flows->timed_out[i].row.not_ended++;
}

/* a flow has one row, whether its packets ended in the kernel or were given up here */
static void timed_out_take(struct path_flows *flows)
{
	size_t kernel_count = flows->interval_count;

	for (size_t i = 0; i < flows->timed_out_count; i++) {
		const struct flow *flow = &flows->timed_out[i];
		size_t at = 0;

		total_add(flows, flow);
		while (at < kernel_count && flow_compare(&flows->interval[at], flow))
			at++;
		if (at < kernel_count)
			flow_add(&flows->interval[at].row, &flow->row);
		else
			flows->interval[flows->interval_count++] = *flow;
	}
	flows->timed_out_count = 0;
}
/* moves the rows of the finished epoch out of the kernel */
static void flows_take(struct run *run)
{
	struct path_flows *flows = ((struct path_run *)run->state)->flows;
	uint16_t finished = epoch_flip(object_variable(run, "epoch"));
	int map = object_map(run, "flows");
	struct path_flow_key *keys = calloc(FLOWS_MAX, sizeof(*keys)), *previous = NULL;
	size_t count = 0;

	flows->interval_count = 0;
	while (keys && count < FLOWS_MAX && !bpf_map_get_next_key(map, previous, &keys[count]))
		previous = &keys[count++];
	for (size_t i = 0; i < count; i++) {
		struct flow *flow = &flows->interval[flows->interval_count];

		if (keys[i].epoch != finished || bpf_map_lookup_elem(map, &keys[i], &flow->row))
			continue;
		for (int cpu = 1; cpu < PATH_FLOW_MAXIMA; cpu++) {
			if (flow->row.max[cpu] > flow->row.max[0])
				flow->row.max[0] = flow->row.max[cpu];
		}
		flow->key = keys[i].flow;
		bpf_map_delete_elem(map, &keys[i]);
		total_add(flows, flow);
		flows->interval_count++;
	}
	free(keys);
	timed_out_take(flows);
	qsort(flows->interval, flows->interval_count, sizeof(*flows->interval), flow_order);
}

/* where the flow spends most of its time */
static const struct path_edge_used *flow_slowest(const struct path_run *state, const struct path_flow *row,
						 double *share)
{
	const struct path_edge_used *slowest = NULL;
	uint64_t most = 0, whole = 0;

	for (uint32_t cell = CELL_other; cell < state->edge_cells; cell++)
		whole += row->cells[cell];
	for (uint32_t i = 0; i < state->edge_count; i++) {
		if (row->cells[state->edges[i].cell] <= most)
			continue;
		most = row->cells[state->edges[i].cell];
		slowest = &state->edges[i];
	}
	*share = whole ? (double)most / whole : 0;
	return slowest;
}

static const struct {
	const char *name;
	double percent;
} percents[] = { { "p50_ns", 50 }, { "p90_ns", 90 }, { "p95_ns", 95 }, { "p99_ns", 99 }, { "p999_ns", 99.9 } };
#define PERCENTS (sizeof(percents) / sizeof(percents[0]))

static void row_json(struct run *run, enum scope scope, const struct flow *flow)
{
	const struct path_run *state = run->state;
	const struct path_edge_used *slowest;
	json_t *record = record_new(run, "flow");
	double share;

	json_object_set_new(record, "scope", json_string(view_scope(scope)));
	json_object_set_new(record, "path", json_string(state->path->name));
	json_object_set_new(record, "flow", flow_json(&flow->key));
	json_object_set_new(record, "count", json_integer(flow->row.count));
	json_object_set_new(record, "lost", json_integer(flow->row.not_ended));
	json_object_set_new(record, "sum_ns", json_integer(flow->row.sum));
	json_object_set_new(record, "mean_ns", json_real(flow_mean(&flow->row)));
	for (size_t i = 0; i < PERCENTS; i++)
		json_object_set_new(record, percents[i].name,
				    json_integer(flow_percentile(&flow->row, percents[i].percent)));
	json_object_set_new(record, "max_ns", json_integer(flow->row.max[0]));
	slowest = flow_slowest(state, &flow->row, &share);
	json_object_set_new(record, "slowest",
			    slowest ? json_pack("{s:s, s:s, s:f}", "from", path_stages[slowest->from].name,
						"to", path_stages[slowest->to].name, "share", share)
				    : json_null());
	record_print(run, record);
}

static void row_text(const struct path_run *state, const struct flow *flow)
{
	const struct path_edge_used *slowest;
	char text[160], span[CLOCK_SPAN];
	double share;

	flow_text(text, sizeof(text), &flow->key);
	printf("  %-36s %8" PRIu64 " %7s", text, (uint64_t)flow->row.count,
	       clock_span(span, flow_mean(&flow->row)));
	for (size_t i = 0; i < PERCENTS; i++)
		printf(" %7s", clock_span(span, flow_percentile(&flow->row, percents[i].percent)));
	printf(" %7s", clock_span(span, flow->row.max[0]));
	slowest = flow_slowest(state, &flow->row, &share);
	if (slowest)
		printf("\n      %.0f %% of it %s -> %s", 100 * share, path_stages[slowest->from].words,
		       path_stages[slowest->to].words);
	if (flow->row.not_ended)
		printf("; %" PRIu64 " did not arrive", (uint64_t)flow->row.not_ended);
	putchar('\n');
}

uint64_t flows_not_shown(const struct path_run *state)
{
	return state->flows->not_shown;
}

static void rows_show(struct run *run, enum scope scope, const struct flow *rows, size_t count)
{
	struct path_flows *flows = ((struct path_run *)run->state)->flows;
	uint64_t others = scope == SCOPE_TOTAL ? flows->others.row.count + flows->others.row.not_ended : 0;
	size_t shown = count < run->top ? count : run->top;

	for (size_t i = shown; i < count; i++)
		others += rows[i].row.count + rows[i].row.not_ended;
	if (!run->json && count)
		printf("  %-36s %8s %7s %7s %7s %7s %7s %7s %7s\n", "flow, all the way; where it waits", "packets", "mean", "p50", "p90", "p95", "p99", "p99.9", "max");
	for (size_t i = 0; i < shown; i++) {
		if (run->json)
			row_json(run, scope, &rows[i]);
		else
			row_text(run->state, &rows[i]);
	}
	flows->not_shown = others;
	if (!run->json && others)
		printf("  %" PRIu64 " packets of other flows (--top %u)\n", others, run->top);
}

/* twalk() has no argument for its caller */
static struct flow *walk_to;

static void total_copy(const void *node, VISIT visit, int depth)
{
	(void)depth;
	if (visit == postorder || visit == leaf)
		*walk_to++ = **(struct flow *const *)node;
}

int flows_report(struct run *run, enum scope scope)
{
	struct path_flows *flows = ((struct path_run *)run->state)->flows;
	struct flow *rows;

	if (scope == SCOPE_INTERVAL) {
		flows_take(run);
		rows_show(run, scope, flows->interval, flows->interval_count);
		return 0;
	}
	rows = calloc(flows->total_count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	walk_to = rows;
	twalk(flows->total, total_copy);
	qsort(rows, flows->total_count, sizeof(*rows), flow_order);
	rows_show(run, scope, rows, flows->total_count);
	free(rows);
	return 0;
}

void flows_finish(struct run *run)
{
	struct path_flows *flows = ((struct path_run *)run->state)->flows;

	if (!flows)
		return;
	tdestroy(flows->total, free);
	free(flows->interval);
	free(flows->timed_out);
	free(flows);
}
