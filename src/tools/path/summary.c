// SPDX-License-Identifier: GPL-2.0-only
/* path summary: how long packets take from stage to stage. */
#include "engine.skel.h"
#include "path/path.h"

static const struct option_row options[] = {
	{ OPTION_U32, "top", "N", "also the N flows with the most packets: times all the way, and where they wait",
	  OPT_RUN(top), .min = 1, .max = 4096 },
	PATH_OPTIONS,
	{ OPTION_END },
};

static int configure(struct run *run)
{
	int err = flows_configure(run);

	return err ? err : path_configure(run);
}

TOOL(path_summary, .area = "path", .name = "summary", .kind = TOOL_SUMMARY,
     .summary = "time from stage to stage: histogram, percentiles, exact mean and maximum",
     .question = "in which layer of this host do packets wait?",
     .cannot_see = "time in the NIC, on the wire and inside the guest",
     .was = "system_network_latency_summary vm_network_latency_summary",
     .object = engine__elf_bytes, .options = options, .hooks = path_hooks, .filter = true,
     .state_size = sizeof(struct path_run), .configure = configure, .chosen = path_chosen, .loaded = path_loaded,
     .attached = path_attached, .tick = path_tick, .ending = path_ending, .report = path_report,
     .records = "{\"types\": [" PATH_TYPES ", \"flow\"], \"members\": {"
		PATH_ANY("\"object\"", "flow", "flow (--top): src, dst, protocol, ports")
		PATH_INT("lost", "flow: packets that did not arrive")
		PATH_ANY("[\"object\", \"null\"]", "slowest", "flow: from, to, share: the stage where most of its time goes")
		PATH_RECORDS "}}",
     .finish = path_finish);
