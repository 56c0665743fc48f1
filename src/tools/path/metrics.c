// SPDX-License-Identifier: GPL-2.0-only
/* path metrics: times as in path summary, and bytes, CPUs, queues and their lengths. */
#include "engine.skel.h"
#include "path/path.h"

#define RODATA(run) ((struct engine__rodata *)(run)->rodata)

static const struct option_row options[] = {
	PATH_HIST_OPTION,
	PATH_EACH_OPTIONS(path_threshold_parse),
	PATH_OPTIONS,
	{ OPTION_END },
};

static int configure(struct run *run)
{
	RODATA(run)->cfg_metrics = !run->each;
	return path_each_configure(run);
}

TOOL(path_metrics, .area = "path", .name = "metrics", .kind = TOOL_SUMMARY,
     .summary = "time by stage, and bytes, CPU changes, queue mapping, qdisc and backlog length",
     .question = "do packets wait because a queue is long, or because they change CPU or queue?",
     .cannot_see = "lengths of queues that a qdisc keeps per CPU (pfifo_fast); queues in the NIC and in the guest",
     .was = "system_network_perfomance_metrics system_network_performance_metrics vm_network_performance_metrics",
     .object = engine__elf_bytes, .options = options, .hooks = path_hooks, .filter = true,
     .state_size = sizeof(struct path_run), .configure = configure, .chosen = path_chosen,
     .loaded = path_loaded, .attached = path_attached, .tick = path_tick, .ending = path_ending,
     .report = metrics_report, .event = "path_packet", .event_before = details_before, .event_more = details_more,
     .drained = path_ledger,
     .records = "{\"types\": [" PATH_TYPES ", \"meter\", \"queues\"], \"members\": {" PATH_RECORDS ", " PATH_EVENT_RECORDS ", "
		PATH_STR("stage", "meter: stage")
		PATH_INT("packets", "meter: packets that came there")
		PATH_INT("bytes", "meter: their bytes, as long as they are at that stage")
		PATH_INT("cpu_changes", "meter: packets that were on another CPU at the stage before")
		PATH_ANY("\"number\"", "depth_mean", "meter: packets that were in the queue when one joined it")
		PATH_INT("depth_max", "meter")
		PATH_STR("direction", "queues: rx or tx")
		"\"queues\": {\"type\": \"array\", \"description\": \"queues: queue, packets\"}}}", .finish = path_finish);
