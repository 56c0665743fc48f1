// SPDX-License-Identifier: GPL-2.0-only
/* path details: single packets, each stage with its time, device, CPU and task. */
#include "engine.skel.h"
#include "path/details.h"

TOOL(path_details, .area = "path", .name = "details", .kind = TOOL_DETAILS,
     .summary = "single packets that are slow or lost: each stage with time, device, CPU, task",
     .question = "which packets were late, and where exactly did each of them wait?",
     .cannot_see = "time in the NIC, on the wire and inside the guest",
     .was = "system_network_latency_details vm_network_latency_details enqueue_to_iprec_latency_threshold",
     .object = engine__elf_bytes, .options = details_option_rows, .hooks = path_hooks, .filter = true,
     .event = "path_packet",
     .records = "{\"types\": [\"total\"], \"members\": {" PATH_LEDGER ", "
		PATH_STR("path", "total: as in --path")
		PATH_ANY("\"object\"", "bytes", "event, with --bytes: first, last: hex from L3 on, as it was at these stages")
		PATH_EVENT_RECORDS "}}",
     .state_size = sizeof(struct path_run), .configure = details_configure,
     .chosen = path_chosen, .loaded = path_loaded, .attached = path_attached, .tick = path_tick, .ending = path_ending,
     .drained = path_ledger, .event_before = details_before, .event_more = details_more, .finish = path_finish);
