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
	const char *between; /* what is between both: the part of the edges from the request's end */
	/** Edges with --inner or --vni, instead of the others; NULL: the same. */
	const struct path_edge *inner;
};

/** An edge that a run looks at. */
struct path_edge_used {
	enum path_stage from, to;
	uint8_t cell; /* CELL_none: not looked at */
	const char *part; /* "request", "away" or "here", "reply"; NULL: the path has no parts */
};

/** path_find: the path of this name, or NULL. */
const struct path *path_find(const char *name);
/** Names of all paths, with commas. */
const char *path_names(void);

/** Figures of one cell over a time. */
struct path_figure {
	struct sonde_hist hist;
};

struct path_device_name {
	char name[16]; /* as it is called now, or was when it went */
	bool gone;
	struct path_device is;
};

/** path_called: whether the command's name begins so, - and _ being equal: what an older script's options mean. */
bool path_called(const struct run *run, const char *begin);

/** The state of a run of any path tool; a tool's own state begins with it. */
struct path_run {
	const struct path *path;
	const char *path_name, *direction; /* as typed */
	const char *phy, *phy2, *vm;
	const char *vm_from, *vm_to, *pairs; /* path pair: only one direction */
	const char *port; /* --internal-interface */
	uint32_t foreign_netns; /* inode of the namespace whose devices they are; 0: ours */
	struct path_device_name internal; /* of --internal-interface */
	uint32_t *internal_ifindex; /* as the programs have it */
	struct path_device_name *devices; /* [device_count]; the first PATH_DEVICES are those of rodata */
	uint32_t device_count;
	uint32_t *ifindexes; /* as the programs have them */
	uint64_t timeout_ns, gap_ns;
	uint32_t hist; /* --hist */
	uint32_t socket, in_flight;
	bool guests; /* vhost's threads are on the path */
	uint32_t ticks;
	uint32_t stages; /* of the path, a bit each */
	uint32_t cells; /* in use */
	uint32_t edge_cells; /* of these, without those of packets that had an upcall */
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

/* the NICs, and what older command lines say beside them; such rows have no help */
#define PATH_PHY_OPTIONS                                                                           \
	{ OPTION_PARSED, "phy-interface", "LIST",                                                  \
	  "the NICs, by name; a bond stands for its members", "phy-iface1 interface",              \
	  .parse = path_phy_parse },                                                               \
	{ OPTION_PARSED, "phy-iface2", "NIC", NULL, .parse = path_phy2_parse },                    \
	/* what these ask for is so, or is not done, in any case */                                \
	{ OPTION_FLAG_PARSED, "enable-ct", NULL, NULL, "stage-latency disable-kernel-stacks",      \
	  .parse = path_already_parse },                                                           \
	{ OPTION_FLAG, "debug", NULL, NULL, OPT_RUN(verbose) }

#define PATH_HIST_OPTION                                                                           \
	{ OPTION_FLAG, "hist", NULL, "also the histogram of each stage, with bars to one scale", "histogram", \
	  OPT_STATE(struct path_run, hist) }

/** How long a flight is waited for, and how many there may be; given_up: the help text of --timeout. */
#define PATH_LIMIT_OPTIONS(given_up)                                                               \
	{ OPTION_DURATION, "timeout", "TIME", given_up,                                            \
	  OPT_STATE(struct path_run, timeout_ns), .min = 100000000, .max = 600000000000ULL },      \
	{ OPTION_U32, "in-flight", "N", "N places for packets on their way (default 65536)",       \
	  OPT_STATE(struct path_run, in_flight), .min = 64, .max = 1 << 20 }

/** Rows of a summary tool that can print single packets instead. */
#define PATH_EACH_OPTIONS(threshold_parse)                                                         \
	{ OPTION_PARSED, "threshold", "TIME",                                                      \
	  "instead of reports: each packet that takes TIME in all, or STAGE=TIME from that stage to the next; bare number: us", \
	  "latency-us", .parse = threshold_parse },                                                \
	{ OPTION_PARSED, "latency-ms", "MS", NULL, .parse = path_threshold_ms_parse },             \
	{ OPTION_FLAG, "each", NULL, "instead of reports: each packet, as path details prints it", OPT_RUN(each) }

/** Option rows that all path tools have, for their tables. */
#define PATH_OPTIONS                                                                               \
	{ OPTION_PARSED, "path", "PATH",                                                           \
	  "host-tx, host-rx, host-both, port-rx, vm-tx, vm-rx, vm-vm or forward; host-rtt, host-rtt-rx, vm-rtt", \
	  .parse = path_parse },                                                                   \
	{ OPTION_PARSED, "direction", "tx|rx|both",                                                \
	  "instead of --path: what this host sends, receives or both, with --vm-interface the guest", \
	  .parse = path_direction_parse },                                                         \
	PATH_PHY_OPTIONS,                                                                          \
	{ OPTION_PARSED, "internal-interface", "PORT",                                             \
	  "only what goes by this internal port of Open vSwitch (host-tx, host-rx, host-both)",    \
	  .parse = path_port_parse },                                                              \
	{ OPTION_PARSED, "vm-interface", "LIST",                                                   \
	  "the guests' taps, by name, or pid:N for all taps of that QEMU",                         \
	  .parse = path_vm_parse },                                                                \
	{ OPTION_FLAG, "socket", NULL,                                                      \
	  "host-rx: go on to the socket's queue and the application that reads it",                \
	  OPT_STATE(struct path_run, socket) },                                                    \
	PATH_LIMIT_OPTIONS("a packet that is longer on its way is given up (default 5s)")

int path_parse(struct run *run, const char *value, char *why, size_t size);
int path_direction_parse(struct run *run, const char *value, char *why, size_t size);
int path_phy_parse(struct run *run, const char *value, char *why, size_t size);
int path_phy2_parse(struct run *run, const char *value, char *why, size_t size);
int path_port_parse(struct run *run, const char *value, char *why, size_t size);
int flows_sort_parse(struct run *run, const char *value, char *why, size_t size);
int path_already_parse(struct run *run, const char *value, char *why, size_t size);
/** Single packets only if slow: 5ms, upcall=1ms, or both, with a comma; a bare number is us, or ms. */
int path_threshold_parse(struct run *run, const char *value, char *why, size_t size);
int path_threshold_ms_parse(struct run *run, const char *value, char *why, size_t size);
int path_vm_parse(struct run *run, const char *value, char *why, size_t size);

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

/** Of a tool that can print single packets instead of reports (--each, --threshold): either configure. */
int path_each_configure(struct run *run);
/** As tool.event_before: the headers of a packet of which only bytes are left. */
void details_before(struct run *run, void *event);
/** As tool.event_more: the stages. */
int details_more(struct run *run, const void *event, json_t *json, FILE *text);

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
	PATH_ANY("\"array\"", "buckets", "stage, path: [lowest ns, packets] of each bucket of the histogram that has any") \
	PATH_ANY("\"object\"", "with_upcall", "stage: the same figures of those of its packets that had an upcall; absent where all or none had") \
	"\"drops\": {\"type\": \"array\", \"description\": \"total: count, after, reason, place\"}"

#define PATH_RECORDS                                                                               \
	"\"scope\": {\"enum\": [\"interval\", \"total\"], \"description\": \"stage, path: what it counts\"}, "   \
	PATH_STR("path", "stage, path, interval, total: as in --path")                             \
	PATH_STR("from", "stage: the time between this stage")                                     \
	PATH_STR("to", "stage: and this one")                                                      \
	PATH_STR("part", "stage, path rtt only: request, away (or here), reply")                           \
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
/* what a single packet's record has besides */
#define PATH_EVENT_RECORDS                                                                         \
	PATH_STR("fate", "event: arrived, or what became of it, as in not_ended of path summary")  \
	PATH_ANY("\"object\"", "drop", "event: of a dropped packet reason and place")              \
	"\"stages\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\": {"      \
	PATH_STR("stage", "") PATH_INT("at_ns", "wall clock") PATH_INT("cpu", "")                  \
	PATH_INT("pid", "of the task that the CPU ran") PATH_STR("comm", "absent if the task has ended") \
	PATH_INT("ifindex", "") PATH_ANY("[\"string\", \"null\"]", "dev", "")                      \
	"\"to_next_ns\": {\"type\": \"integer\", \"description\": \"absent in the last\"}}}}"
#define PATH_TYPES "\"stage\", \"path\", \"interval\", \"total\""

/** flows.c: path summary --top. flows_configure: as path_configure(); the others are called only if there are flows. */
int flows_configure(struct run *run);
void flows_timed_out(struct run *run, uint32_t index);
int flows_report(struct run *run, enum scope scope);
/** Packets of flows that have no row in the report that flows_report() has printed last. */
uint64_t flows_not_shown(const struct path_run *state);
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
