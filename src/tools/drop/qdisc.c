// SPDX-License-Identifier: GPL-2.0-only
/* drop qdisc: which frees are those of a queue discipline on this kernel, and its rows. */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "abi/qdisc.h"
#include "core/clock.h"
#include "core/kbtf.h"
#include "core/ksym.h"
#include "core/object.h"
#include "core/reason.h"
#include "core/record.h"
#include "core/view.h"
#include "drop_qdisc.skel.h"

struct state {
	bool summary; /* as option */
	unsigned int places_left, reasons_left; /* for want of room */
	struct schema key_schema, row_schema;
	struct table interval, total;
};

#define RODATA(run) ((struct drop_qdisc__rodata *)(run)->rodata)

static int drops_only_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)value;
	(void)why;
	(void)size;
	run_remark(run, "--drops-only: nothing but drops is ever printed");
	return 0;
}

static int summary_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct state *state = run->state;

	(void)value;
	(void)why;
	(void)size;
	state->summary = true;
	run_remark(run, "--summary: counts are what is printed without --each");
	return 0;
}

static const struct option_row options[] = {
	{ OPTION_FLAG, "each", NULL, "print each drop with its packet, instead of counts",
	  OPT_RUN(each) },
	{ OPTION_U32, "top", "N", "print the N largest rows (default 20)", OPT_RUN(top), .min = 1,
	  .max = 8192 },
	{ OPTION_U32, "rate", "N", "with --each: at most N events a second; the rest is counted",
	  OPT_RODATA(drop_qdisc, cfg_rate), .min = 1, .max = 10000000 },
	{ OPTION_U32, "sample", "N",
	  "with --each: one event in N, on each CPU; the rest is counted",
	  OPT_RODATA(drop_qdisc, cfg_sample), .min = 1, .max = 1000000 },
	{ OPTION_FLAG_PARSED, "drops-only", NULL, "of the older script: nothing else is printed today",
	  .parse = drops_only_parse },
	{ OPTION_FLAG_PARSED, "summary", NULL, "of the older script: counts, as without --each",
	  .parse = summary_parse },
	{ OPTION_END },
};

/*
 * Functions that free what they drop while they dequeue: all of a module sch_*,
 * and of those built into the kernel the ones whose name says it. Inlining
 * moves such frees between functions, so no list of exact names would do.
 */
static void place_add(const struct ksym *symbol, void *data)
{
	static const char *const kinds[] = { "codel", "cake",  "fq_", "pie", "sfq",
					     "tbf",   "netem", "hhf", "etf" };
	struct run *run = data;
	struct state *state = run->state;
	struct drop_qdisc__rodata *rodata = RODATA(run);
	const size_t room = sizeof(rodata->qdisc_places) / sizeof(rodata->qdisc_places[0]);
	struct sonde_text *text = rodata->qdisc_place_count
					  ? &rodata->qdisc_places[rodata->qdisc_place_count - 1]
					  : NULL;
	bool wanted = false;

	if (symbol->module) {
		wanted = !strncmp(symbol->module, "sch_", 4);
	} else if (strstr(symbol->name, "dequeue") || strstr(symbol->name, "drop_func")) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			wanted |= strstr(symbol->name, kinds[i]) != NULL;
	}
	if (!wanted)
		return;
	/* neighbours become one range */
	if (text && symbol->address >= text->start && symbol->address <= text->start + text->size) {
		if (symbol->address + symbol->size > text->start + text->size)
			text->size = symbol->address + symbol->size - text->start;
		return;
	}
	if (rodata->qdisc_place_count == room) {
		state->places_left++;
		return;
	}
	rodata->qdisc_places[rodata->qdisc_place_count++] =
		(struct sonde_text){ symbol->address, symbol->size };
}

/* every reason whose name says that a queue discipline gave it */
static void reason_add(const char *name, uint32_t number, void *data)
{
	struct run *run = data;
	struct state *state = run->state;
	struct drop_qdisc__rodata *rodata = RODATA(run);
	const size_t room = sizeof(rodata->qdisc_reasons) / sizeof(rodata->qdisc_reasons[0]);

	/* QDISC_*, and between 6.14 and 7.1 FQ_* and CAKE_* */
	if (strncmp(name, "QDISC_", 6) && strncmp(name, "FQ_", 3) && strncmp(name, "CAKE_", 5))
		return;
	if (rodata->qdisc_reason_count == room) {
		state->reasons_left++;
		return;
	}
	rodata->qdisc_reasons[rodata->qdisc_reason_count++] = number;
}

static int configure(struct run *run)
{
	struct state *state = run->state;
	struct drop_qdisc__rodata *rodata = RODATA(run);

	if (run->each && (run->top || state->summary)) {
		run_error(run, "%s is for counts: --each prints each drop", run->top ? "--top" : "--summary");
		return -EINVAL;
	}
	if (!run->top)
		run->top = 20;
	if (!run->each && (rodata->cfg_rate || rodata->cfg_sample)) {
		run_error(run, "--rate and --sample need --each: counts are not sampled");
		return -EINVAL;
	}
	rodata->cfg_each = run->each;
	schema_load(bpf_object__btf(run->object), run->tool->row_key, &state->key_schema);
	schema_load(bpf_object__btf(run->object), run->tool->row_values, &state->row_schema);
	table_init(&state->interval, sizeof(struct qdisc_key),
		   sizeof(struct qdisc_row) / sizeof(uint64_t));
	table_init(&state->total, sizeof(struct qdisc_key),
		   sizeof(struct qdisc_row) / sizeof(uint64_t));

	ksym_each(place_add, run);
	if (state->places_left)
		run_remark(run, "not visible: what some queue disciplines drop while they dequeue: they have more functions "
				"than there is room for");
	if (kbtf_tracepoint_args("qdisc_drop") >= 0)
		return 0;
	reason_each(reason_add, run);
	if (state->reasons_left)
		run_remark(run, "not visible: drops of some queue disciplines: they have more reasons than there is room for");
	if (!reason_count()) {
		ksym_text("kfree_skb_list", &rodata->list_free);
		ksym_text("__dev_queue_xmit", &rodata->transmit);
	}
	return 0;
}

/* length and backlog are sums over the row's drops */
static void means(struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct qdisc_row *row = (void *)table_values(table, i);

		row->qlen = row->count ? (row->qlen + row->count / 2) / row->count : 0;
		row->backlog = row->count ? (row->backlog + row->count / 2) / row->count : 0;
	}
}

/* a drop counted before its return code was known left an empty row when it moved */
static void empty_take_out(struct table *table)
{
	while (table->count && !table_values(table, table->count - 1)[0])
		table->count--;
}

static int take(struct run *run)
{
	struct state *state = run->state;
	uint32_t *epoch = object_variable(run, "epoch");
	int err;

	table_clear(&state->interval);
	err = table_drain(&state->interval, object_map(run, "drops"), epoch_flip(epoch));
	if (err)
		return err;
	table_merge(&state->interval);
	err = table_append(&state->total, &state->interval);
	table_merge(&state->total);
	return err;
}

static int report(struct run *run, enum scope scope)
{
	struct state *state = run->state;
	const struct view_rows view = { &state->key_schema, &state->row_schema, NULL, NULL };
	struct table *source = scope == SCOPE_TOTAL ? &state->total : &state->interval, rows;
	int err = scope == SCOPE_INTERVAL ? take(run) : 0;

	if (err)
		return err;
	table_init(&rows, source->key_size, source->values);
	err = table_append(&rows, source);
	if (err)
		return err;
	empty_take_out(&rows);
	means(&rows);
	view_report(run, &view, &rows, scope);
	table_free(&rows);
	return 0;
}

static void finish(struct run *run)
{
	struct state *state = run->state;

	table_free(&state->interval);
	table_free(&state->total);
}

/* a kretprobe does not know the arguments of the call that it ends; a drop seen inside enqueue() waits for its code */
static bool needs_entry(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	const struct probe *last = &run->probes[run->probe_count - 1];

	return !strcmp(last->hook->name, "enqueued") &&
	       (!strcmp(last->by, "kretprobe") || !strcmp(run->probes[0].target, "qdisc_drop"));
}

/* where the tracepoint qdisc_drop stands for all other drops */
static bool by_qdisc_drop(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	return !strcmp(run->probes[0].target, "qdisc_drop");
}

#define HELD_EVENTS 65 /* as in qdisc.bpf.c: HELD_MAX that wait, and one that does not */

/* an event that is seen inside enqueue() waits for its code where both ends of enqueue() are seen */
static int chosen(struct run *run)
{
	const struct probe *last = &run->probes[run->probe_count - 1];
	struct bpf_map *held = bpf_object__find_map_by_name(run->object, "held_events");

	if (!run->each || !by_qdisc_drop(run, NULL) || strcmp(last->hook->name, "entered"))
		return 0;
	RODATA(run)->cfg_hold = 1;
	bpf_map__set_max_entries(held, HELD_EVENTS);
	return 0;
}

static const struct hook_row hooks[] = {
	{ "drop" },
	{ "dequeued", true, by_qdisc_drop,
	  "packets that a queue discipline drops while it dequeues (CoDel)" },
	{ "enqueued", true, NULL,
	  "what enqueue() returned (before 5.18 it is part of another function)" },
	{ "entered", true, needs_entry, NULL },
	{ NULL },
};

TOOL(drop_qdisc, .area = "drop", .name = "qdisc", .kind = TOOL_SUMMARY,
     .summary = "what queue disciplines refuse or drop: kind, handle, length, limit, return code",
     .question = "which queue is too short, or too slow, and how full was it?",
     .cannot_see =
	     "which child of a classful qdisc dropped: rows name the root of the queue; losses in the NIC",
     .was = "qdisc_drop_trace", .object = drop_qdisc__elf_bytes, .options = options, .hooks = hooks,
     .event = "qdisc_drop", .row_key = "qdisc_key", .row_values = "qdisc_row", .filter = true,
     .state_size = sizeof(struct state), .configure = configure, .chosen = chosen, .report = report,
     .finish = finish);
