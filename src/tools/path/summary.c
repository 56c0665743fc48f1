// SPDX-License-Identifier: GPL-2.0-only
/* path summary: how long packets take from stage to stage. */
#include "engine.skel.h"
#include "path/path.h"

static int configure(struct run *run)
{
	return path_configure(run);
}

TOOL(path_summary, .area = "path", .name = "summary", .kind = TOOL_SUMMARY,
     .summary = "time from stage to stage: histogram, percentiles, exact mean and maximum",
     .question = "in which layer of this host do packets wait?",
     .cannot_see = "time in the NIC, on the wire and inside the guest",
     .was = "system_network_latency_summary vm_network_latency_summary",
     .object = engine__elf_bytes, .options = path_option_rows, .hooks = path_hooks, .filter = true,
     .state_size = sizeof(struct path_run), .configure = configure, .chosen = path_chosen, .loaded = path_loaded,
     .attached = path_attached, .tick = path_tick, .ending = path_ending, .report = path_report,
     .records = "{\"types\": [" PATH_TYPES "], \"members\": {" PATH_RECORDS "}}",
     .finish = path_finish);
