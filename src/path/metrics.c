// SPDX-License-Identifier: GPL-2.0-only
/* metrics.c: what path metrics adds to the times: bytes, CPUs that packets change, queues and their lengths. */
#include <inttypes.h>
#include <string.h>

#include "core/record.h"
#include "core/view.h"
#include "path/path.h"

static void meter_add(struct path_meter *sum, const struct path_meter *more, int sign)
{
	sum->packets += sign * more->packets;
	sum->bytes += sign * more->bytes;
	sum->cpu_changes += sign * more->cpu_changes;
	sum->depths += sign * more->depths;
	sum->depth_sum += sign * more->depth_sum;
}

static void meters_add(struct path_meters *sum, const struct path_meters *more, int sign)
{
	for (int stage = 0; stage < STAGE_MAX; stage++)
		meter_add(&sum->stage[stage], &more->stage[stage], sign);
	for (int queue = 0; queue < PATH_QUEUES; queue++) {
		sum->rx_queues[queue] += sign * more->rx_queues[queue];
		sum->tx_queues[queue] += sign * more->tx_queues[queue];
	}
}

static void meters_take(struct path_run *state)
{
	struct path_meters now = {}, *interval = &state->meters_interval, *total = &state->meters_total;

	for (int cpu = 0; cpu < state->cpu_count; cpu++)
		meters_add(&now, &state->meters[cpu], 1);
	*interval = now;
	meters_add(interval, total, -1);
	meters_add(total, interval, 1);
	/* a maximum cannot be subtracted: it is taken away */
	for (int stage = 0; stage < STAGE_MAX; stage++) {
		uint64_t max = 0;

		for (int cpu = 0; cpu < state->cpu_count; cpu++) {
			uint64_t one = __atomic_exchange_n(&state->meters[cpu].stage[stage].depth_max, 0,
							   __ATOMIC_SEQ_CST);

			max = one > max ? one : max;
		}
		interval->stage[stage].depth_max = max;
		if (max > total->stage[stage].depth_max)
			total->stage[stage].depth_max = max;
	}
}

static void meter_text(int stage, const struct path_meter *meter)
{
	printf("  %-34s %10" PRIu64 " %14" PRIu64 " %12" PRIu64, path_stages[stage].words,
	       (uint64_t)meter->packets, (uint64_t)meter->bytes, (uint64_t)meter->cpu_changes);
	if (meter->depths)
		printf(" %11.1f %10" PRIu64, (double)meter->depth_sum / meter->depths,
		       (uint64_t)meter->depth_max);
	putchar('\n');
}

static void meter_json(struct run *run, enum scope scope, int stage, const struct path_meter *meter)
{
	const struct path_run *state = run->state;
	json_t *record = record_new(run, "meter");

	json_object_set_new(record, "scope", json_string(view_scope(scope)));
	json_object_set_new(record, "path", json_string(state->path->name));
	json_object_set_new(record, "stage", json_string(path_stages[stage].name));
	json_object_set_new(record, "packets", json_integer(meter->packets));
	json_object_set_new(record, "bytes", json_integer(meter->bytes));
	json_object_set_new(record, "cpu_changes", json_integer(meter->cpu_changes));
	if (meter->depths) {
		json_object_set_new(record, "depth_mean",
				    json_real((double)meter->depth_sum / meter->depths));
		json_object_set_new(record, "depth_max", json_integer(meter->depth_max));
	}
	record_print(run, record);
}

static void queues_show(struct run *run, enum scope scope, const char *direction, const __u64 *queues)
{
	json_t *record = NULL, *list = NULL;
	bool any = false;

	for (int queue = 0; queue < PATH_QUEUES; queue++)
		any |= queues[queue] != 0;
	if (!any)
		return;
	if (run->json) {
		record = record_new(run, "queues");
		json_object_set_new(record, "scope", json_string(view_scope(scope)));
		json_object_set_new(record, "direction", json_string(direction));
		list = json_array();
	} else {
		printf("  %s queues:", direction);
	}
	for (int queue = 0; queue < PATH_QUEUES; queue++) {
		if (!queues[queue])
			continue;
		if (run->json)
			json_array_append_new(list, json_pack("{s:i, s:I}", "queue", queue, "packets",
							      (json_int_t)queues[queue]));
		else
			printf("  %d%s: %" PRIu64, queue, queue == PATH_QUEUES - 1 ? " and above" : "",
			       (uint64_t)queues[queue]);
	}
	if (run->json) {
		json_object_set_new(record, "queues", list);
		record_print(run, record);
	} else {
		putchar('\n');
	}
}

int metrics_report(struct run *run, enum scope scope)
{
	struct path_run *state = run->state;
	const struct path_meters *meters;

	if (scope == SCOPE_INTERVAL)
		meters_take(state);
	path_report(run, scope);
	meters = scope == SCOPE_TOTAL ? &state->meters_total : &state->meters_interval;
	if (!run->json)
		printf("  %-34s %10s %14s %12s %11s %10s\n", "at", "packets", "bytes", "other CPU",
		       "mean queue", "max queue");
	for (int stage = 1; stage < STAGE_MAX; stage++) {
		if (!meters->stage[stage].packets)
			continue;
		if (run->json)
			meter_json(run, scope, stage, &meters->stage[stage]);
		else
			meter_text(stage, &meters->stage[stage]);
	}
	queues_show(run, scope, "rx", meters->rx_queues);
	queues_show(run, scope, "tx", meters->tx_queues);
	if (!run->json)
		record_flush(run);
	return 0;
}
