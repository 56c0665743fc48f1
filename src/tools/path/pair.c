// SPDX-License-Identifier: GPL-2.0-only
/* path pair: from guest to guest on this host: time by stage, and the gaps between a flow's packets. */
#include "engine.skel.h"
#include "path/path.h"

#define RODATA(run) ((struct engine__rodata *)(run)->rodata)

static const struct option_row options[] = {
	{ OPTION_PARSED, "vm-interface", "LIST",
	  "the taps of both guests, by name, or pid:N for all taps of a QEMU; use the filter for one direction",
	  .parse = path_vm_parse },
	{ OPTION_PARSED, "timeout", "TIME",
	  "a packet that is longer on its way is given up (default 5s)",
	  .parse = path_timeout_parse },
	{ OPTION_PARSED, "in-flight", "N", "room for N packets at once (default 65536)",
	  .parse = path_in_flight_parse },
	{ OPTION_END },
};

static int configure(struct run *run)
{
	struct path_run *state = run->state;

	state->path = path_find("vm-vm");
	RODATA(run)->cfg_gaps = 1;
	return path_configure(run);
}

TOOL(path_pair, .area = "path", .name = "pair", .kind = TOOL_SUMMARY,
     .summary = "guest to guest on this host: time by stage, gaps between a flow's packets",
     .question = "do packets between two guests of this host wait, and where do gaps come from?",
     .cannot_see = "time inside the guests",
     .was = "vm_pair_latency multi_vm_pair_latency vm_pair_gap multi_vm_pair_gap",
     .object = engine__elf_bytes, .options = options, .hooks = path_hooks, .filter = true,
     .state_size = sizeof(struct path_run), .configure = configure, .chosen = path_chosen,
     .loaded = path_loaded, .attached = path_attached, .tick = path_tick, .ending = path_ending,
     .report = path_report,
     .records = "{\"types\": [" PATH_TYPES "], \"members\": {" PATH_RECORDS "}}", .finish = path_finish);
