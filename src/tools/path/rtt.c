// SPDX-License-Identifier: GPL-2.0-only
/* path rtt: ICMP echo: the request's way out, the time away, the reply's way in, stage by stage. */
#include <errno.h>

#include "engine.skel.h"
#include "path/path.h"

static const struct option_row options[] = {
	{ OPTION_PARSED, "phy-interface", "LIST",
	  "the NICs, by name; a bond stands for its members", .parse = path_phy_parse },
	{ OPTION_PARSED, "vm-interface", "LIST",
	  "a guest's echo instead of this host's: its taps, by name, or pid:N for all taps of that QEMU",
	  .parse = path_vm_parse },
	{ OPTION_PARSED, "timeout", "TIME", "a request without a reply is given up (default 5s)",
	  .parse = path_timeout_parse },
	{ OPTION_PARSED, "in-flight", "N", "room for N packets at once (default 65536)",
	  .parse = path_in_flight_parse },
	{ OPTION_END },
};

static int configure(struct run *run)
{
	struct path_run *state = run->state;

	state->path = path_find(state->vm ? "vm-rtt" : "host-rtt");
	return path_configure(run);
}

TOOL(path_rtt, .area = "path", .name = "rtt", .kind = TOOL_SUMMARY,
     .summary = "ICMP echo: request's way out, time away, reply's way in, by stage",
     .question = "is a slow ping slow in this host, on its way out or in, or elsewhere?",
     .cannot_see = "what happens between the NIC's driver and the reply's return: the time away is one figure",
     .was = "system_network_icmp_rtt kernel_icmp_rtt",
     .object = engine__elf_bytes, .options = options, .hooks = path_hooks, .filter = true,
     .state_size = sizeof(struct path_run), .configure = configure, .chosen = path_chosen,
     .loaded = path_loaded, .attached = path_attached, .tick = path_tick, .ending = path_ending,
     .report = path_report,
     .records = "{\"types\": [" PATH_TYPES "], \"members\": {" PATH_RECORDS "}}", .finish = path_finish);
