/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path.h: paths as tables, and the engine that the path tools share: it turns a
 * table into the rodata of engine.bpf.c and what that counted into figures.
 */
#ifndef NETSONDE_PATH_PATH_H
#define NETSONDE_PATH_PATH_H

#include "abi/path.h"
#include "core/tool.h"

/** What a stage is called. */
struct path_stage_row {
	const char *name; /* in JSON and in --threshold */
	const char *words; /* for people */
};

extern const struct path_stage_row path_stages[STAGE_MAX];

/** A packet can go from one stage to the next. */
struct path_edge {
	enum path_stage from, to;
};

/** One path: edges in the order in which they are shown. */
struct path {
	const char *name;
	const char *words;
	const struct path_edge *edges; /* ends with STAGE_none */
	uint32_t begins, ends; /* stages, a bit each */
	uint32_t ends_at_socket; /* with --socket */
	bool needs_phy, needs_vm;
	/** path rtt: the way of the echo reply, whose first edges are those from the request's end. */
	const struct path *reply;
};

/** An edge that a run looks at. */
struct path_edge_used {
	enum path_stage from, to;
	uint8_t cell; /* CELL_none: not looked at */
	const char *part; /* "request", "away", "reply"; NULL: the path has no parts */
};

/** path_find: the path of this name, or NULL. */
const struct path *path_find(const char *name);

/** Figures of one cell over a time. */
struct path_figure {
	struct sonde_hist hist;
};

/** The state of a run of any path tool; a tool's own state begins with it. */
struct path_run {
	const struct path *path;
	const char *path_name, *direction; /* as typed */
	const char *phy, *vm;
	uint64_t threshold_ns, timeout_ns;
	uint32_t socket, in_flight;
	struct path_device *more_devices; /* [more_device_count]: those behind the first PATH_DEVICES */
	uint32_t more_device_count;
	bool guests; /* vhost's threads are on the path */
	uint32_t ticks;
	uint32_t stages; /* of the path, a bit each */
	uint32_t cells; /* in use */
	struct path_edge_used edges[PATH_CELLS];
	uint32_t edge_count;

	/* maps as they lie in the kernel */
	char *cpus;
	size_t cpu_size;
	int cpu_count;
	struct path_bucket *buckets;
	struct path_trace *traces;
	uint32_t bucket_count;
	volatile uint32_t *active, *open;
	uint64_t begun_before; /* at the last tick */

	/* sums over all CPUs: at the last report, and since then */
	struct path_counts counts_total, counts_interval, timed_out;
	/** What ended in user space: times out, or is in flight at the end. As that of one more CPU. */
	struct path_cpu *swept;
	struct sonde_hist *total, *interval; /* [cells]; total as the kernel has it, max of the whole run */
	uint64_t timed_out_total;
	/** path summary --top; NULL without. flight_flows: by flight, as the kernel has it. */
	struct path_flows *flows;
	const struct sonde_flow *flight_flows;
	/* path metrics: as the kernel has them; sums at the last report, and since then */
	struct path_meters *meters, meters_total, meters_interval;
	/** NULL, or called for each packet that timed out. */
	void (*lost)(struct run *run, struct path_flight *flight, uint32_t index);
};

/** Option rows that all path tools have, for their tables. */
#define PATH_OPTIONS                                                                               \
	{ OPTION_PARSED, "path", "PATH", "host-tx, host-rx, vm-tx, vm-rx, vm-vm or forward",       \
	  .parse = path_parse },                                                                   \
	{ OPTION_PARSED, "direction", "tx|rx",                                                     \
	  "instead of --path: what this host sends or receives, with --vm-interface the guest",    \
	  .parse = path_direction_parse },                                                         \
	{ OPTION_PARSED, "phy-interface", "LIST",                                                  \
	  "the NICs, by name; a bond stands for its members", .parse = path_phy_parse },           \
	{ OPTION_PARSED, "vm-interface", "LIST",                                                   \
	  "the guests' taps, by name, or pid:N for all taps of that QEMU",                         \
	  .parse = path_vm_parse },                                                                \
	{ OPTION_FLAG_PARSED, "socket", NULL,                                                      \
	  "host-rx: go on to the socket's queue and the application that reads it",                \
	  .parse = path_socket_parse },                                                            \
	{ OPTION_PARSED, "timeout", "TIME",                                                        \
	  "a packet that is longer on its way is given up (default 5s)",                           \
	  .parse = path_timeout_parse },                                                           \
	{ OPTION_PARSED, "in-flight", "N", "room for N packets at once (default 65536)",           \
	  .parse = path_in_flight_parse }

int path_parse(struct run *run, const char *value, char *why, size_t size);
int path_direction_parse(struct run *run, const char *value, char *why, size_t size);
int path_phy_parse(struct run *run, const char *value, char *why, size_t size);
int path_vm_parse(struct run *run, const char *value, char *why, size_t size);
int path_socket_parse(struct run *run, const char *value, char *why, size_t size);
int path_timeout_parse(struct run *run, const char *value, char *why, size_t size);
int path_in_flight_parse(struct run *run, const char *value, char *why, size_t size);

extern const struct option_row path_option_rows[];
extern const struct hook_row path_hooks[];

/** path_configure: path, devices, edges and sizes into rodata. As tool.configure. */
int path_configure(struct run *run);
/** path_chosen: -ENOSYS, said, if no packet could begin or end. As tool.chosen. */
int path_chosen(struct run *run);
int path_loaded(struct run *run);
void path_attached(struct run *run);
void path_tick(struct run *run);
void path_ending(struct run *run);
void path_finish(struct run *run);

/** path_take: reads what was counted since the last call into state->interval and adds it up. */
int path_take(struct run *run);
/** Packets in flight now. */
uint64_t path_in_flight(const struct run *run);

/** metrics.c: bytes, CPUs and queues, behind what path_report() prints. As tool.report. */
int metrics_report(struct run *run, enum scope scope);

/** view.c, metrics.c, details.c: tool.records of the path tools. */
#define PATH_STR(name, words) "\"" name "\": {\"type\": \"string\", \"description\": \"" words "\"}, "
#define PATH_INT(name, words) "\"" name "\": {\"type\": \"integer\", \"description\": \"" words "\"}, "
#define PATH_ANY(type, name, words) "\"" name "\": {\"type\": " type ", \"description\": \"" words "\"}, "
#define PATH_LEDGER \
	PATH_ANY("\"number\"", "seconds", "interval, total: how long it was")                      \
	PATH_INT("begun", "interval, total: packets") PATH_INT("ended", "interval, total: packets") \
	PATH_ANY("\"object\"", "not_ended", "interval, total: what became of the others")          \
	PATH_INT("in_flight", "interval, total: still on their way")                               \
	PATH_INT("copies", "interval, total: times that a copy of a packet passed a stage again")  \
	PATH_ANY("[\"object\", \"null\"]", "tail", "interval, total: from, to, p999_ns of the stage with the largest P99.9") \
	PATH_INT("lost_by_us", "total: packets of which nothing is known")                         \
	"\"drops\": {\"type\": \"array\", \"description\": \"total: count, after, reason, place\"}"

#define PATH_RECORDS                                                                               \
	"\"scope\": {\"enum\": [\"interval\", \"total\"], \"description\": \"stage, path: what it counts\"}, "   \
	PATH_STR("path", "stage, path, interval, total: as in --path")                             \
	PATH_STR("from", "stage: the time between this stage")                                     \
	PATH_STR("to", "stage: and this one")                                                      \
	PATH_STR("part", "stage, path rtt only: request, away or reply")                           \
	PATH_STR("way", "path: direct, upcall, other, gap_in or gap_out")                          \
	PATH_INT("count", "stage, path: packets")                                                  \
	PATH_INT("sum_ns", "stage, path")                                                          \
	PATH_ANY("\"number\"", "mean_ns", "stage, path")                                           \
	PATH_INT("p50_ns", "stage, path: so many percent of the packets took no longer")           \
	PATH_INT("p90_ns", "stage, path") PATH_INT("p95_ns", "stage, path")                        \
	PATH_INT("p99_ns", "stage, path") PATH_INT("p999_ns", "stage, path: P99.9")                \
	PATH_INT("max_ns", "stage, path")                                                          \
	PATH_ANY("\"number\"", "share", "stage: of all time between stages")                       \
	PATH_LEDGER
#define PATH_TYPES "\"stage\", \"path\", \"interval\", \"total\""

/** flows.c: path summary --top. flows_configure: as path_configure(); the others are called only if there are flows. */
int flows_configure(struct run *run);
void flows_timed_out(struct run *run, uint32_t index);
int flows_report(struct run *run, enum scope scope);
void flows_finish(struct run *run);

/** view.c: the report of path summary. */
int path_report(struct run *run, enum scope scope);
/** How many packets began, and what became of them: the end of path details. As tool.drained. */
void path_ledger(struct run *run);
/** {"dropped": n, ...} of what is not zero. */
json_t *path_fates_json(const struct path_counts *counts);
const char *path_fate_words(enum path_fate fate);
const char *path_fate_name(enum path_fate fate);

#endif
