// SPDX-License-Identifier: GPL-2.0-only
/* drop stacks: what the rows are grouped by, which stacks are the same to a reader, and the share that was lost. */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "abi/drop.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/field.h"
#include "core/hist.h"
#include "core/ledger.h"
#include "core/object.h"
#include "core/record.h"
#include "core/stack.h"
#include "core/view.h"
#include "drop_stacks.skel.h"
#include "tools/drop/meaning.h"

/* a stack as the kernel's id names it, and the id of its trimmed form, which rows are merged by */
struct known_stack {
	uint64_t id, trimmed_id;
	struct sonde_stack stack;
};

struct state {
	struct schema key_schema, row_schema;
	struct table interval, total, seen_interval, seen_total;
	struct sonde_hist sizes_interval, sizes_total;
	uint64_t folded, folded_benign; /* frees of the total whose rows were too many to keep */
	uint64_t uncounted; /* of all intervals that were reported: drops that found the table full */
	void *by_id, *by_trimmed_id; /* trees of struct known_stack */
	uint32_t no_stack, max_entries; /* as options */
	bool stack_wanted; /* by name in --group-by */
};

#define TOTAL_ROWS_MAX 65536
#define RODATA(run) ((struct drop_stacks__rodata *)(run)->rodata)

static int group_by_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct drop_stacks__rodata *rodata = run->rodata;
	struct state *state = run->state;
	/* the last two: in the older script */
	const struct {
		const char *name;
		volatile __u32 *flags[4];
	} groups[] = {
		{ "reason", { &rodata->cfg_by_reason } }, { "dev", { &rodata->cfg_by_dev } },
		{ "device", { &rodata->cfg_by_dev } },	  { "netns", { &rodata->cfg_by_netns } },
		{ "place", { &rodata->cfg_by_place } },	  { "stack", { &rodata->cfg_by_stack } },
		{ "flow", { &rodata->cfg_by_flow } },
		{ "fivetuple", { &rodata->cfg_by_dev, &rodata->cfg_by_flow } },
		{ "all", { &rodata->cfg_by_reason, &rodata->cfg_by_stack, &rodata->cfg_by_dev, &rodata->cfg_by_flow } },
	};
	const size_t count = sizeof(groups) / sizeof(groups[0]);

	for (size_t i = 0; i < count; i++)
		*groups[i].flags[0] = 0;
	while (*value) {
		size_t length = strcspn(value, ","), i;

		for (i = 0; i < count; i++) {
			if (strlen(groups[i].name) == length &&
			    !strncmp(groups[i].name, value, length))
				break;
		}
		if (i == count) {
			snprintf(
				why, size,
				"no such group: %.*s (there are reason, stack, place, dev, flow, netns)",
				(int)length, value);
			return -EINVAL;
		}
		for (size_t flag = 0; flag < 4 && groups[i].flags[flag]; flag++)
			*groups[i].flags[flag] = 1;
		value += length;
		value += *value == ',';
	}
	/* a stack begins at its place */
	if (rodata->cfg_by_stack)
		rodata->cfg_by_place = 1;
	state->stack_wanted = rodata->cfg_by_stack;
	return 0;
}

static const struct option_row options[] = {
	{ OPTION_PARSED, "group-by", "LIST",
	  "rows by any of reason,stack,place,dev,flow,netns (default reason,dev,stack)",
	  .parse = group_by_parse },
	{ OPTION_U32, "top", "N", "print the N largest rows (default 20)", OPT_RUN(top), .min = 1,
	  .max = 16384 },
	{ OPTION_FLAG, "sizes", NULL,
	  "add the distribution of the dropped frames' lengths (an MTU problem shows there)",
	  OPT_RODATA(drop_stacks, cfg_sizes) },
	{ OPTION_FLAG, "all", NULL, "show frees that are known to be no loss too",
	  "disable-normal-filter", OPT_RODATA(drop_stacks, cfg_all) },
	{ OPTION_FLAG, "no-stack", NULL, "rows without stacks", "no-stack-trace", OPT_STATE(struct state, no_stack) },
	{ OPTION_U32, "max-entries", "N", "room for N rows in the kernel's table (default 16384)",
	  OPT_STATE(struct state, max_entries), .min = 16, .max = 1 << 20 },
	{ OPTION_END },
};

static bool key_shown(const struct run *run, const struct field *field)
{
	const struct drop_stacks__rodata *rodata = RODATA(run);

	switch (field->offset) {
	case offsetof(struct drop_key, reason): return rodata->cfg_by_reason;
	case offsetof(struct drop_key, device): return rodata->cfg_by_dev || rodata->cfg_by_netns;
	case offsetof(struct drop_key, place): return rodata->cfg_by_place;
	case offsetof(struct drop_key, flow): return rodata->cfg_by_flow;
	}
	return false;
}

/* the part of the key that is in use */
static size_t key_size(const struct run *run)
{
	const struct drop_stacks__rodata *rodata = RODATA(run);

	if (rodata->cfg_by_flow)
		return sizeof(struct drop_key);
	if (rodata->cfg_by_stack)
		return offsetof(struct drop_key, flow);
	if (rodata->cfg_by_place)
		return offsetof(struct drop_key, stack);
	if (rodata->cfg_by_dev || rodata->cfg_by_netns)
		return offsetof(struct drop_key, place);
	return offsetof(struct drop_key, device);
}

static int configure(struct run *run)
{
	struct state *state = run->state;
	struct drop_stacks__rodata *rodata = RODATA(run);
	struct bpf_map *map = bpf_object__find_map_by_name(run->object, "drops");

	if (!run->top)
		run->top = 20;
	if (state->no_stack && state->stack_wanted) {
		run_error(run, "--no-stack contradicts --group-by stack");
		return -EINVAL;
	}
	if (state->no_stack)
		rodata->cfg_by_stack = 0;
	if (state->max_entries)
		bpf_map__set_max_entries(map, state->max_entries);
	if (!rodata->cfg_by_reason && !rodata->cfg_by_dev && !rodata->cfg_by_netns &&
	    !rodata->cfg_by_place && !rodata->cfg_by_flow) {
		run_error(
			run,
			"--group-by needs at least one of reason, stack, place, dev, flow, netns");
		return -EINVAL;
	}
	schema_load(bpf_object__btf(run->object), run->tool->row_key, &state->key_schema);
	schema_load(bpf_object__btf(run->object), run->tool->row_values, &state->row_schema);
	bpf_map__set_key_size(map, key_size(run));
	table_init(&state->interval, key_size(run), sizeof(struct drop_row) / sizeof(uint64_t));
	table_init(&state->total, key_size(run), sizeof(struct drop_row) / sizeof(uint64_t));
	table_init(&state->seen_interval, sizeof(struct seen_key), 1);
	table_init(&state->seen_total, sizeof(struct seen_key), 1);
	drop_set(run);
	return 0;
}

static int id_compare(const void *a, const void *b)
{
	uint64_t left = ((const struct known_stack *)a)->id,
		 right = ((const struct known_stack *)b)->id;

	return left < right ? -1 : left > right;
}

static int trimmed_compare(const void *a, const void *b)
{
	uint64_t left = ((const struct known_stack *)a)->trimmed_id,
		 right = ((const struct known_stack *)b)->trimmed_id;

	return left < right ? -1 : left > right;
}

/* the stack behind the kernel's id, read once; NULL if it was not kept */
static struct known_stack *stack_known(struct run *run, uint64_t id)
{
	struct state *state = run->state;
	struct known_stack wanted = { .id = id }, *known, **found;

	found = tfind(&wanted, &state->by_id, id_compare);
	if (found)
		return *found;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->id = id;
	if (bpf_map_lookup_elem(object_map(run, "stacks"), &id, &known->stack) ||
	    !known->stack.frames) {
		free(known);
		return NULL;
	}
	stack_trim(&known->stack, known->stack.ip[0]);
	known->trimmed_id = 14695981039346656037ULL;
	for (__u32 i = 0; i < known->stack.frames; i++)
		known->trimmed_id = (known->trimmed_id ^ known->stack.ip[i]) * 1099511628211ULL;
	tsearch(known, &state->by_id, id_compare);
	tsearch(known, &state->by_trimmed_id, trimmed_compare);
	return known;
}

static void row_more(struct run *run, const void *key, json_t *json, FILE *text)
{
	struct state *state = run->state;
	const struct drop_stacks__rodata *rodata = RODATA(run);
	struct drop_key whole = {};
	const char *meaning;

	memcpy(&whole, key, state->interval.key_size);
	if (rodata->cfg_by_stack) {
		struct known_stack wanted = { .trimmed_id = whole.stack };
		struct known_stack **found = tfind(&wanted, &state->by_trimmed_id, trimmed_compare);

		if (json)
			json_object_set_new(json, "stack",
					    found ? stack_json(&(*found)->stack) : json_null());
		if (text) {
			fputs("            ", text);
			if (found)
				stack_text(&(*found)->stack, text);
			else
				fputs("stack not kept", text);
			fputc('\n', text);
		}
	}
	meaning = meaning_of(rodata->cfg_by_reason ? whole.reason : 0, whole.place);
	if (json) {
		json_object_set_new(json, "meaning", meaning ? json_string(meaning) : json_null());
		if (rodata->cfg_all)
			json_object_set_new(json, "benign", json_boolean(whole.benign));
	}
	if (text && meaning)
		fprintf(text, "            %s\n", meaning);
	if (text && whole.benign)
		fputs("            no loss: the kernel frees it this way when it is done with it\n",
		      text);
}

/* rows of the finished epoch, with the stacks that look the same to a reader made one */
static int take(struct run *run)
{
	struct state *state = run->state;
	uint32_t *epoch = object_variable(run, "epoch");
	uint16_t finished;
	int err;

	finished = epoch_flip(epoch);
	table_clear(&state->interval);
	table_clear(&state->seen_interval);
	err = table_drain(&state->interval, object_map(run, "drops"), finished);
	if (!err && run->filtered)
		err = table_drain(&state->seen_interval, object_map(run, "seen"), finished);
	memset(&state->sizes_interval, 0, sizeof(state->sizes_interval));
	if (!err && RODATA(run)->cfg_sizes)
		err = hist_take(object_map(run, "sizes"), finished, &state->sizes_interval);
	if (err)
		return err;
	hist_merge(&state->sizes_total, &state->sizes_interval);
	for (size_t i = 0; RODATA(run)->cfg_by_stack && i < state->interval.count; i++) {
		struct drop_key *key = (void *)table_key(&state->interval, i);
		struct known_stack *known = key->stack ? stack_known(run, key->stack) : NULL;

		key->stack = known ? known->trimmed_id : 0;
	}
	table_merge(&state->interval);
	table_merge(&state->seen_interval);
	err = table_append(&state->total, &state->interval);
	if (!err)
		err = table_append(&state->seen_total, &state->seen_interval);
	table_merge(&state->total);
	table_merge(&state->seen_total);
	/* flows come and go for days: the smallest rows of the total become one number */
	for (; state->total.count > TOTAL_ROWS_MAX; state->total.count--) {
		size_t last = state->total.count - 1;
		const struct drop_key *key = (const void *)table_key(&state->total, last);

		*(key->benign && !RODATA(run)->cfg_all ? &state->folded_benign : &state->folded) +=
			table_values(&state->total, last)[0];
	}
	return err;
}

/* hidden rows leave the table; returns the sum of their counts */
static uint64_t benign_take_out(struct table *table)
{
	uint64_t hidden = 0;
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++) {
		if (((struct drop_key *)table_key(table, i))->benign) {
			hidden += table_values(table, i)[0];
			continue;
		}
		if (kept != i)
			memcpy(table_key(table, kept), table_key(table, i), table->row_size);
		kept++;
	}
	table->count = kept;
	return hidden;
}

/* the place that saw most of the packets: each place counts a packet once, so this is the best count of them all */
static uint64_t seen_most(const struct table *seen, char *at, size_t size)
{
	static const char *const where[] = { " rx", " tx", "sent by this host" };
	const struct seen_key *key;
	sonde_name name;
	FILE *to;

	snprintf(at, size, "nowhere");
	if (!seen->count)
		return 0;
	key = (const void *)table_key(seen, 0);
	to = fmemopen(at, size, "w");
	if (!to)
		return table_values(seen, 0)[0];
	if (key->where != SEEN_local_out && device_name(&key->device, name))
		field_plain(name, sizeof(name), to);
	else if (key->where != SEEN_local_out)
		fprintf(to, "#%u", key->device.ifindex);
	fputs(where[key->where], to);
	fclose(to);
	return table_values(seen, 0)[0];
}

/* what a report says beside its rows, as words or as keys */
static json_t *report_words(struct run *run, enum scope scope, uint64_t drops, uint64_t hidden,
			    char *words, size_t size)
{
	struct state *state = run->state;
	json_t *keys = json_object();
	char at[48];
	uint64_t uncounted = ledger_loss(run, LOSS_rows);
	uint64_t seen = seen_most(scope == SCOPE_TOTAL ? &state->seen_total : &state->seen_interval,
				  at, sizeof(at));
	int used = 0;

	if (scope == SCOPE_INTERVAL) {
		uncounted -= state->uncounted;
		state->uncounted += uncounted;
	}
	if (uncounted)
		json_object_set_new(keys, "uncounted", json_integer(uncounted));
	json_object_set_new(keys, "hidden_benign", json_integer(hidden));
	if (scope == SCOPE_TOTAL && state->folded)
		json_object_set_new(keys, "folded", json_integer(state->folded));
	if (run->filtered) {
		json_object_set_new(keys, "seen", json_integer(seen));
		json_object_set_new(keys, "seen_at", json_string(at));
		/* a packet can be dropped before any place has seen it: then no share can be told */
		json_object_set_new(keys, "share",
				    seen && seen >= drops ? json_real((double)drops / seen)
							  : json_null());
		if (seen && seen >= drops)
			used = snprintf(words, size, ", %.3g %% of %" PRIu64 " packets seen (%s)",
					100.0 * drops / seen, seen, at);
		else
			used = snprintf(words, size, "; %" PRIu64 " packets seen (%s)", seen, at);
	}
	if (hidden)
		used += snprintf(words + used, size - used,
				 "; %" PRIu64 " frees that are no loss hidden (--all)", hidden);
	if (uncounted)
		snprintf(words + used, size - used,
			 "; %" PRIu64 " more drops in no row: the table was full", uncounted);
	if (RODATA(run)->cfg_by_stack && scope == SCOPE_TOTAL) {
		int map = object_map(run, "stack_ways");

		json_object_set_new(keys, "stacks",
				    json_pack("{s:I, s:I}", "unwound",
					      (json_int_t)ledger_sum(map, 0), "recognised",
					      (json_int_t)ledger_sum(map, 1)));
	}
	return keys;
}

static int report(struct run *run, enum scope scope)
{
	struct state *state = run->state;
	const struct view_rows view = { &state->key_schema, &state->row_schema, key_shown,
					row_more };
	struct table *source = scope == SCOPE_TOTAL ? &state->total : &state->interval, rows;
	const struct sonde_hist *sizes = scope == SCOPE_TOTAL ? &state->sizes_total
							      : &state->sizes_interval;
	uint64_t drops = 0, hidden, shown;
	char words[256] = "";
	json_t *keys, *stacks;
	int err = scope == SCOPE_INTERVAL ? take(run) : 0;

	if (err)
		return err;
	table_init(&rows, source->key_size, source->values);
	err = table_append(&rows, source);
	if (err)
		return err;
	hidden = RODATA(run)->cfg_all ? 0 : benign_take_out(&rows);
	for (size_t i = 0; i < rows.count; i++)
		drops += table_values(&rows, i)[0];
	if (scope == SCOPE_TOTAL) {
		drops += state->folded;
		hidden += state->folded_benign;
	}
	keys = report_words(run, scope, drops, hidden, words, sizeof(words));
	view_head(run, scope, drops, rows.count, words);
	shown = view_rows(run, &view, &rows, scope, drops);
	stacks = json_object_get(keys, "stacks");
	if (!run->json && scope == SCOPE_TOTAL && stacks)
		printf("stacks since the start: %" JSON_INTEGER_FORMAT
		       " unwound, %" JSON_INTEGER_FORMAT
		       " recognised by comparing each return address\n",
		       json_integer_value(json_object_get(stacks, "unwound")),
		       json_integer_value(json_object_get(stacks, "recognised")));
	if (RODATA(run)->cfg_sizes && !run->json)
		hist_text(sizes, "bytes a frame", stdout);
	else if (RODATA(run)->cfg_sizes)
		json_object_set_new(keys, "sizes", hist_json(sizes));
	view_foot(run, scope, drops, shown, rows.count, keys);
	table_free(&rows);
	return 0;
}

static void finish(struct run *run)
{
	struct state *state = run->state;

	table_free(&state->interval);
	table_free(&state->total);
	table_free(&state->seen_interval);
	table_free(&state->seen_total);
}

static bool has_filter(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	return run->filtered;
}

static const struct hook_row hooks[] = {
	{ "drop" },
	{ "receive", true, has_filter, "packets received, for the share that was lost" },
	{ "transmit", true, has_filter, "packets transmitted, for the share that was lost" },
	{ "local_out4", true, has_filter, "IPv4 packets that this host sends, before netfilter" },
	{ "local_out6", true, has_filter, "IPv6 packets that this host sends, before netfilter" },
	DROP_HOOKS,
	{ NULL },
};

TOOL(drop_stacks, .area = "drop", .name = "stacks", .kind = TOOL_SUMMARY,
     .summary = "drops counted by reason, place, stack, device, flow, namespace",
     .question = "where, why and how many packets does this host lose?",
     .cannot_see =
	     "losses that free no skb in the kernel: in the NIC, in its ring, in the guest, in user space; "
	     "before Linux 6.7, an Open vSwitch meter (ovs drops sees it), or a flow that only samples",
     .was = "kernel_drop_stack_stats_summary_all kernel_drop_stack_stats_summary kernel_drop_stack_stats",
     .was_options = "-i=interval -d=duration -t=top -n=dev --name=dev",
     .object = drop_stacks__elf_bytes, .options = options, .hooks = hooks, .filter = true,
     .records = "{\"types\": [], \"members\": {"
		"\"hidden_benign\": {\"type\": \"integer\", \"description\": \"interval, total: frees that are no loss, in no row\"}, "
		"\"uncounted\": {\"type\": \"integer\", \"description\": \"interval, total: drops that found the table of rows full; absent: none\"}, "
		"\"folded\": {\"type\": \"integer\", \"description\": \"total: drops whose rows were too many to keep; absent: none\"}, "
		"\"seen\": {\"type\": \"integer\", \"description\": \"interval, total with a filter: packets that passed it at the busiest place\"}, "
		"\"seen_at\": {\"type\": \"string\", \"description\": \"interval, total with a filter: that place\"}, "
		"\"stacks\": {\"type\": \"object\", \"description\": \"total: how stacks were found since the start\", \"properties\": {"
		"\"unwound\": {\"type\": \"integer\", \"description\": \"by the kernel's unwinder\"}, "
		"\"recognised\": {\"type\": \"integer\", \"description\": \"by comparing each return address with a known one's\"}}}, "
		"\"sizes\": {\"type\": \"object\", \"description\": \"interval, total with --sizes: lengths of the dropped frames\"}, "
		"\"benign\": {\"type\": \"boolean\", \"description\": \"row with --all: a free that is no loss\"}}}",
     .row_key = "drop_key", .row_values = "drop_row", .state_size = sizeof(struct state),
     .configure = configure, .report = report, .finish = finish);
