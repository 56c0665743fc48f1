// SPDX-License-Identifier: GPL-2.0-only
/* path summary: how long packets take from stage to stage. */
#include <errno.h>

#include "engine.skel.h"
#include "path/path.h"

/* of an older script, that prints single packets then */
static int threshold_parse(struct run *run, const char *value, char *why, size_t size)
{
	if (path_called(run, "enqueue_to_iprec"))
		return path_threshold_parse(run, value, why, size);
	snprintf(why, size, "single packets are what path details prints");
	return -EINVAL;
}

static const struct option_row options[] = {
	{ OPTION_U32, "top", "N", "also the N flows with the most packets: times all the way, and where they wait",
	  OPT_RUN(top), .min = 1, .max = 4096 },
	{ OPTION_PARSED, "sort-by", "WHAT", "with --top: the flows with the most of count, avg, p90 or p99",
	  .parse = flows_sort_parse },
	{ OPTION_PARSED, "threshold", "US", NULL, .parse = threshold_parse },
	PATH_HIST_OPTION,
	PATH_OPTIONS,
	{ OPTION_END },
};

static int configure(struct run *run)
{
	int err = run->each ? 0 : flows_configure(run);

	return err ? err : path_each_configure(run);
}

TOOL(path_summary, .area = "path", .name = "summary", .kind = TOOL_SUMMARY,
     .summary = "time from stage to stage: histogram, percentiles, exact mean and maximum",
     .question = "in which layer of this host do packets wait?",
     .cannot_see = "time in the NIC, on the wire and inside the guest",
     .was = "system_network_latency_summary vm_network_latency_summary enqueue_to_iprec_latency_summary "
	    "system_network_rx_internal_port_latency_details",
     .object = engine__elf_bytes, .options = options, .hooks = path_hooks, .filter = true,
     .state_size = sizeof(struct path_run), .configure = configure, .chosen = path_chosen, .loaded = path_loaded,
     .attached = path_attached, .tick = path_tick, .ending = path_ending, .report = path_report,
     .event = "path_packet", .event_before = details_before, .event_more = details_more, .drained = path_ledger,
     .records = "{\"types\": [" PATH_TYPES ", \"flow\"], \"members\": {"
		PATH_ANY("\"object\"", "flow", "flow (--top): src, dst, protocol, ports")
		PATH_INT("lost", "flow: packets that did not arrive")
		PATH_INT("other_flows", "interval, total, with --top: packets of flows that have no row")
		PATH_ANY("[\"object\", \"null\"]", "slowest", "flow: from, to, share: the stage where most of its time goes")
		PATH_RECORDS ", " PATH_EVENT_RECORDS "}}",
     .finish = path_finish);
