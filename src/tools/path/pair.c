// SPDX-License-Identifier: GPL-2.0-only
/* path pair: from guest to guest on this host: time by stage, and the gaps between a flow's packets. */
#include <errno.h>
#include <string.h>

#include "core/option.h"
#include "engine.skel.h"
#include "path/path.h"

#define RODATA(run) ((struct engine__rodata *)(run)->rodata)

static int from_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)why;
	(void)size;
	((struct path_run *)run->state)->vm_from = value;
	return 0;
}

static int to_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)why;
	(void)size;
	((struct path_run *)run->state)->vm_to = value;
	return 0;
}

static int pairs_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)why;
	(void)size;
	((struct path_run *)run->state)->pairs = value;
	return 0;
}

/* a bare number: ms, as the older scripts have it */
static int gap_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;

	if (!option_duration(value, 1000000, &state->gap_ns) && state->gap_ns)
		return 0;
	snprintf(why, size, "not a duration such as 100ms or 1s");
	return -EINVAL;
}

static int threshold_parse(struct run *run, const char *value, char *why, size_t size)
{
	/* theirs is of gaps */
	return strstr(run->called, "gap") ? gap_parse(run, value, why, size) : path_threshold_parse(run, value, why, size);
}

static const struct option_row options[] = {
	{ OPTION_PARSED, "vm-interface", "LIST",
	  "the taps of both guests, by name, or pid:N for all taps of a QEMU: both directions",
	  .parse = path_vm_parse },
	{ OPTION_PARSED, "send-dev", "LIST", "one direction: the taps of the guests that send", "src", .words = true,
	  .parse = from_parse },
	{ OPTION_PARSED, "recv-dev", "LIST", "and those of the guests that receive", "dst", .words = true,
	  .parse = to_parse },
	{ OPTION_PARSED, "pairs", "LIST", NULL, .parse = pairs_parse },
	{ OPTION_PARSED, "gap", "TIME", "also how many gaps are TIME or longer; bare number: ms", .parse = gap_parse },
	PATH_HIST_OPTION,
	PATH_EACH_OPTIONS(threshold_parse),
	PATH_LIMIT_OPTIONS("a packet that is longer on its way is given up (default 5s)"),
	{ OPTION_END },
};

static int configure(struct run *run)
{
	struct path_run *state = run->state;

	state->path = path_find("vm-vm");
	RODATA(run)->cfg_gaps = !run->each;
	return path_each_configure(run);
}

TOOL(path_pair, .area = "path", .name = "pair", .kind = TOOL_SUMMARY,
     .summary = "guest to guest on this host: time by stage, gaps between a flow's packets",
     .question = "do packets between two guests of this host wait, and where do gaps come from?",
     .cannot_see = "time inside the guests",
     .was = "vm_pair_latency multi_vm_pair_latency multi_vm_pair_latency_pairid vm_pair_gap multi_vm_pair_gap "
	    "multi_port_gap multi_vm_pair_multi_port_gap",
     .object = engine__elf_bytes, .options = options, .hooks = path_hooks, .filter = true,
     .state_size = sizeof(struct path_run), .configure = configure, .chosen = path_chosen,
     .loaded = path_loaded, .attached = path_attached, .tick = path_tick, .ending = path_ending,
     .report = path_report, .event = "path_packet", .event_before = details_before, .event_more = details_more,
     .drained = path_ledger,
     .records = "{\"types\": [" PATH_TYPES "], \"members\": {" PATH_RECORDS ", "
		PATH_INT("longer", "path, with --gap: so many gaps are at least that long; exact to 1/32 of it") PATH_EVENT_RECORDS "}}", .finish = path_finish);
