// SPDX-License-Identifier: GPL-2.0-only
/* engine.c: a path's table into the rodata of engine.bpf.c, and what that counts out of the maps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/clock.h"
#include "core/object.h"
#include "engine.skel.h"
#include "path/engine.h"
#include "path/path.h"

#define DEFAULT_TIMEOUT_NS 5000000000ULL
#define DEFAULT_IN_FLIGHT 65536

#define PATH_KICKS 4096
#define PATH_GAPS 16384
#define PATH_FURTHERS 1024
/* with the tables of packets in flight less than 32 MB */
#define RING_BYTES (2U << 20)
#define RING_BYTES_NONE 8192

/* which part of path rtt an edge belongs to */
static const char *part_of(const struct path *path, const struct path_edge *edge, bool reply)
{
	if (!path->reply)
		return NULL;
	if (!reply)
		return "request";
	return path->ends & 1U << edge->from ? path->between : "reply";
}

static bool edge_wanted(const struct run *run, const struct path_edge *edge, bool reply)
{
	const struct path_run *state = run->state;
	const uint32_t socket = 1U << STAGE_socket | 1U << STAGE_read;

	if (edge->from == STAGE_tunnel || edge->to == STAGE_tunnel)
		return reply || run->filter->set & FILTER_TUNNEL;
	return state->socket || !(1U << edge->to & socket);
}

/* -E2BIG, said: a table of paths.c has more edges than there are cells */
static int edges_add(struct run *run, const struct path_edge *edge, bool reply)
{
	struct path_run *state = run->state;
	struct engine__rodata *rodata = PATH_RODATA(run);

	for (; edge->from; edge++) {
		if (!edge_wanted(run, edge, reply))
			continue;
		if (state->edge_cells == PATH_CELLS) {
			run_error(run, "path %s has more than %d edges", state->path->name, PATH_CELLS - CELL_EDGES);
			return -E2BIG;
		}
		/* with a port, what goes by none is another way */
		if (rodata->path_port && ((edge->from == STAGE_out && edge->to == STAGE_qdisc) ||
					  (edge->from == STAGE_receive && edge->to == STAGE_ip)))
			continue;
		state->edges[state->edge_count++] = (struct path_edge_used){
			edge->from, edge->to, state->edge_cells, part_of(state->path, edge, reply)
		};
		if (reply)
			rodata->path_reply_edges[edge->to][edge->from] = state->edge_cells++;
		else
			rodata->path_edges[edge->to][edge->from] = state->edge_cells++;
		state->stages |= 1U << edge->from | 1U << edge->to;
	}
	return 0;
}

static int edges_set(struct run *run)
{
	struct path_run *state = run->state;
	struct engine__rodata *rodata = PATH_RODATA(run);
	const struct path *path = state->path;
	int err;

	for (uint32_t i = 0; i < PATH_FINE; i++)
		rodata->path_buckets_fine[i] = hist_index(i);
	for (uint32_t i = 0; i < PATH_COARSE; i++)
		rodata->path_buckets_coarse[i] = hist_index(i * PATH_COARSE_STEP);
	rodata->path_begins = path->begins;
	rodata->path_ends = state->socket ? path->ends_at_socket : path->ends;
	state->edge_cells = CELL_EDGES;
	state->stages = path->begins;
	err = edges_add(run, path->inner && run->filter->set & FILTER_TUNNEL ? path->inner : path->edges, false);
	if (!err && path->reply) {
		rodata->path_reply_begins = path->reply->begins;
		rodata->path_reply_ends = path->reply->ends;
		state->stages |= path->reply->begins;
		err = edges_add(run, path->reply->edges, true);
	}
	if (err)
		return err;
	rodata->path_tunnels = !!(state->stages & 1U << STAGE_tunnel);
	rodata->path_decap = rodata->path_tunnels && run->filter->set & FILTER_TUNNEL && !path->reply;
	rodata->path_upcall_cells = upcall_cells(state);
	/* path details shows packets, not sums of them */
	state->cells = rodata->cfg_details ? CELL_total : state->edge_cells + rodata->path_upcall_cells;
	rodata->path_cells = state->cells;
	for (uint32_t stage = 1; stage < STAGE_MAX; stage++) {
		if (!path->reply && !rodata->cfg_metrics && !rodata->cfg_gaps)
			rodata->path_flags[stage] |= (stage == STAGE_l4 && rodata->path_tunnels) ||
							     (stage == STAGE_qdisc && rodata->path_port) ? 0 : FLAG_fast;
		if (rodata->path_ends & 1U << stage)
			rodata->path_flags[stage] |= FLAG_ends;
		if (rodata->cfg_details)
			rodata->path_flags[stage] |= FLAG_details;
	}
	state->cpu_size = sizeof(struct path_counts) + state->cells * sizeof(struct sonde_hist);
	return 0;
}

static void map_size(struct run *run, const char *name, uint32_t entries)
{
	bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, name), entries);
}

/* tables that only some runs need have one element in the others */
static void tables_set(struct run *run)
{
	struct path_run *state = run->state;
	const struct engine__rodata *rodata = PATH_RODATA(run);

	state->guests = state->stages & (1U << STAGE_tap_in | 1U << STAGE_vhost);
	map_size(run, "workers", state->guests ? PATH_WORKERS : 1);
	map_size(run, "kicks", state->guests ? PATH_KICKS : 1);
	map_size(run, "gaps", rodata->cfg_gaps ? PATH_GAPS : 1);
	map_size(run, "more_devices", rodata->path_devices_more ? rodata->path_devices_more : 1);
	map_size(run, "furthers", rodata->cfg_details ? PATH_FURTHERS : 1);
	map_size(run, "events", rodata->cfg_details ? RING_BYTES : RING_BYTES_NONE);
}

static void sizes_set(struct run *run)
{
	struct path_run *state = run->state;
	struct engine__rodata *rodata = PATH_RODATA(run);
	uint32_t wanted = state->in_flight ? state->in_flight : DEFAULT_IN_FLIGHT;

	state->bucket_count = 16;
	while (PATH_WAYS * state->bucket_count < wanted)
		state->bucket_count *= 2;
	rodata->path_set_mask = state->bucket_count - 1;
	state->cpu_count = libbpf_num_possible_cpus();
	map_size(run, "buckets", state->bucket_count);
	map_size(run, "traces", rodata->cfg_details ? state->bucket_count * PATH_WAYS : 1);
	map_size(run, "flight_flows", rodata->cfg_flows ? state->bucket_count * PATH_WAYS : 1);
	map_size(run, "cpus", state->cpu_count);
	map_size(run, "meters", rodata->cfg_metrics ? state->cpu_count : 1);
	tables_set(run);
	bpf_map__set_value_size(bpf_object__find_map_by_name(run->object, "cpus"),
				state->cpu_size);
}

/* --verbose: what the words were taken for, also those of older command lines */
static void plan_note(const struct run *run)
{
	static const char *const roles[] = { [ROLE_phy] = "NIC", [ROLE_vm] = "guest", [ROLE_vm_from] = "sender",
					     [ROLE_vm_to] = "receiver" };
	const struct engine__rodata *rodata = PATH_RODATA(run);
	const struct path_run *state = run->state;
	char text[600], span[CLOCK_SPAN];
	size_t length;

	length = snprintf(text, sizeof(text), "path %s%s", state->path->name, rodata->cfg_details ? ", each packet" : "");
	for (__u32 i = 0; i < rodata->path_device_count; i++)
		length += snprintf(text + length, sizeof(text) - length, ", %s %s", roles[rodata->path_devices[i].role],
				   state->devices[i].name);
	if (rodata->path_devices_more)
		length += snprintf(text + length, sizeof(text) - length, " and %u more", rodata->path_devices_more);
	if (state->port)
		length += snprintf(text + length, sizeof(text) - length, ", port %.15s", state->port);
	if (rodata->cfg_threshold)
		length += snprintf(text + length, sizeof(text) - length, ", of %s or more",
				   clock_span(span, rodata->cfg_threshold));
	for (int stage = 1; stage < STAGE_MAX; stage++) {
		if (rodata->cfg_stage_threshold[stage])
			length += snprintf(text + length, sizeof(text) - length, ", at %s %s or more",
					   path_stages[stage].name, clock_span(span, rodata->cfg_stage_threshold[stage]));
	}
	run_note(run, "%s", text);
}

int path_configure(struct run *run)
{
	struct path_run *state = run->state;
	int err = devices_configure(run);

	if (err)
		return err;
	if (!state->timeout_ns)
		state->timeout_ns = DEFAULT_TIMEOUT_NS;
	err = edges_set(run);
	if (err)
		return err;
	sizes_set(run);
	plan_note(run);
	state->total = calloc(state->cells, sizeof(*state->total));
	state->interval = calloc(state->cells, sizeof(*state->interval));
	state->swept = calloc(1, state->cpu_size);
	return state->total && state->interval && state->swept ? 0 : -ENOMEM;
}

/* an array map as memory */
static void *map_share(const struct run *run, const char *name, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, object_map(run, name), 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int path_loaded(struct run *run)
{
	struct path_run *state = run->state;

	if (devices_loaded(run)) {
		run_error(run, "cannot write the table of devices: %s", strerror(errno));
		return -EIO;
	}
	state->cpus = map_share(run, "cpus", state->cpu_count * state->cpu_size);
	state->buckets = map_share(run, "buckets", state->bucket_count * sizeof(struct path_bucket));
	state->traces = map_share(run, "traces",
				  (PATH_RODATA(run)->cfg_details ? state->bucket_count * PATH_WAYS : 1) *
					  sizeof(struct path_trace));
	state->meters = map_share(run, "meters", (PATH_RODATA(run)->cfg_metrics ? state->cpu_count : 1) *
							 sizeof(struct path_meters));
	if (state->flows)
		state->flight_flows = map_share(run, "flight_flows", state->bucket_count * PATH_WAYS * sizeof(struct sonde_flow));
	state->active = object_variable(run, "path_active");
	state->open = object_variable(run, "path_open");
	if (state->cpus && state->buckets && state->traces && state->meters && (state->flight_flows || !state->flows) &&
	    state->active && state->open)
		return 0;
	run_error(run, "cannot map the tables of packets in flight: %s", strerror(errno));
	return -EIO;
}

void path_attached(struct run *run)
{
	*((struct path_run *)run->state)->open = 1;
}

static bool stage_seen(const struct run *run, uint32_t stages)
{
	for (unsigned int i = 0; i < run->probe_count; i++) {
		if (run->probes[i].hook->tag && 1U << run->probes[i].hook->tag & stages)
			return true;
	}
	return false;
}

int path_chosen(struct run *run)
{
	const struct path_run *state = run->state;
	/* seen by tracepoints that belong to no single stage and that every kernel has */
	const uint32_t always = 1U << STAGE_receive | 1U << STAGE_tap_in | 1U << STAGE_driver;
	uint32_t ends = state->socket ? state->path->ends_at_socket : state->path->ends;

	if (state->path->reply)
		ends = state->path->reply->ends;
	if (!(state->path->begins & always) && !stage_seen(run, state->path->begins)) {
		run_error(run, "this kernel shows no stage at which path %s begins", state->path->name);
		return -ENOSYS;
	}
	/* a path without such a stage ends when vhost has told the guest */
	if (!(ends & always) && !stage_seen(run, ends ? ends : 1U << STAGE_used)) {
		run_error(run, "this kernel shows no stage at which path %s ends%s", state->path->name,
			  ends ? "" : ": module vhost_net is not loaded");
		return -ENOSYS;
	}
	return 0;
}

static void hist_subtract(struct sonde_hist *from, const struct sonde_hist *before)
{
	from->count -= before->count;
	from->sum -= before->sum;
	for (int i = 0; i < HIST_BUCKETS; i++)
		from->buckets[i] -= before->buckets[i];
}

static void counts_add(struct path_counts *sum, const struct path_counts *more, int sign)
{
	sum->begun += sign * more->begun;
	sum->ended += sign * more->ended;
	sum->copies += sign * more->copies;
	for (int i = 0; i < FATE_MAX; i++)
		sum->fates[i] += sign * more->fates[i];
}

static void cell_take(struct path_run *state, uint32_t cell)
{
	struct sonde_hist *interval = &state->interval[cell], *total = &state->total[cell];
	uint64_t max = 0, whole_max = total->max;

	memset(interval, 0, sizeof(*interval));
	for (int cpu = 0; cpu <= state->cpu_count; cpu++) {
		struct path_cpu *counts = cpu < state->cpu_count ? cpu_counts(state, cpu) : state->swept;
		struct sonde_hist *hist = &counts->cells[cell];
		uint64_t cpu_max = __atomic_exchange_n(&hist->max, 0, __ATOMIC_SEQ_CST);
		uint64_t met = __atomic_exchange_n(&hist->count, 0, __ATOMIC_SEQ_CST);

		interval->sum += hist->sum;
		for (int i = 0; i < HIST_BUCKETS; i++)
			interval->buckets[i] += hist->buckets[i];
		max = cpu_max > max ? cpu_max : max;
		max = met > max ? met : max;
	}
	for (int i = 0; i < HIST_BUCKETS; i++)
		interval->count += interval->buckets[i];
	/* the programs only ever add: the difference is the interval */
	hist_subtract(interval, total);
	total->count += interval->count;
	total->sum += interval->sum;
	for (int i = 0; i < HIST_BUCKETS; i++)
		total->buckets[i] += interval->buckets[i];
	interval->max = max;
	total->max = max > whole_max ? max : whole_max;
}

int path_take(struct run *run)
{
	struct path_run *state = run->state;
	struct path_counts now = {};

	for (uint32_t cell = CELL_total; cell < state->cells; cell++)
		cell_take(state, cell);
	for (int cpu = 0; cpu < state->cpu_count; cpu++)
		counts_add(&now, &cpu_counts(state, cpu)->counts, 1);
	now.fates[FATE_timed_out] = state->timed_out_total;
	state->counts_interval = now;
	counts_add(&state->counts_interval, &state->counts_total, -1);
	state->counts_total = now;
	return 0;
}

void path_finish(struct run *run)
{
	struct path_run *state = run->state;

	free(state->total);
	free(state->interval);
	free(state->swept);
	free(state->devices);
	flows_finish(run);
}
