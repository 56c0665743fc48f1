// SPDX-License-Identifier: GPL-2.0-only
/* path rtt: ICMP echo: the request's way out, the time away, the reply's way in, stage by stage. */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#include "core/filter.h"
#include "engine.skel.h"
#include "path/path.h"

static const struct option_row options[] = {
	{ OPTION_PARSED, "direction", "tx|rx",
	  "tx: this host, or a guest, pings (default); rx: others ping this host",
	  .parse = path_direction_parse },
	PATH_PHY_OPTIONS,
	{ OPTION_PARSED, "vm-interface", "LIST",
	  "a guest's echo instead of this host's: its taps, by name, or pid:N for all taps of that QEMU",
	  .parse = path_vm_parse },
	PATH_HIST_OPTION,
	PATH_EACH_OPTIONS(path_threshold_parse),
	PATH_LIMIT_OPTIONS("a request without a reply is given up (default 5s)"),
	{ OPTION_END },
};

/* one of the addresses of this machine's devices */
static bool is_own(const struct sonde_prefix *prefix)
{
	struct ifaddrs *list, *each;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (each = list; each && !found; each = each->ifa_next) {
		const void *address;

		if (!each->ifa_addr)
			continue;
		if (each->ifa_addr->sa_family == AF_INET) {
			address = &((struct sockaddr_in *)each->ifa_addr)->sin_addr;
			found = !memcmp(address, &prefix->address, 4);
		} else if (each->ifa_addr->sa_family == AF_INET6) {
			address = &((struct sockaddr_in6 *)each->ifa_addr)->sin6_addr;
			found = !memcmp(address, &prefix->address, 16);
		}
	}
	freeifaddrs(list);
	return found;
}

/*
 * system_network_icmp_rtt --direction rx: its --src-ip is this host's address and --dst-ip that of who pings, says its
 * help; its manual has them the other way round, which is how they stand in the request.
 */
static int addresses_turn(struct run *run)
{
	struct sonde_filter *filter = run->filter;
	const struct sonde_prefix src = filter->src;
	uint32_t set = filter->set & ~(FILTER_SRC | FILTER_DST);

	if (filter->set & FILTER_DST && is_own(&filter->dst))
		return 0;
	set |= filter->set & FILTER_SRC ? FILTER_DST : 0;
	set |= filter->set & FILTER_DST ? FILTER_SRC : 0;
	filter->src = filter->dst;
	filter->dst = src;
	filter->set = set;
	return filter_finish(run);
}

static int configure(struct run *run)
{
	struct path_run *state = run->state;
	bool rx = state->direction && !strcmp(state->direction, "rx");
	int err = 0;

	if (state->direction && (!strcmp(state->direction, "both") || (rx && state->vm))) {
		run_error(run, "--direction %s: tx, or for this host's own answers rx", state->direction);
		return -EINVAL;
	}
	state->direction = NULL;
	state->path = path_find(state->vm ? "vm-rtt" : rx ? "host-rtt-rx" : "host-rtt");
	/* the older scripts print each */
	run->each |= path_called(run, "system_network") || path_called(run, "kernel_icmp");
	if (rx && path_called(run, "system_network"))
		err = addresses_turn(run);
	return err ? err : path_each_configure(run);
}

TOOL(path_rtt, .area = "path", .name = "rtt", .kind = TOOL_SUMMARY,
     .summary = "ICMP echo: request's way out, time away, reply's way in, by stage",
     .question = "is a slow ping slow in this host, on its way out or in, or elsewhere?",
     .cannot_see = "what happens between the NIC's driver and the reply's return: the time away is one figure",
     .was = "system_network_icmp_rtt kernel_icmp_rtt",
     .object = engine__elf_bytes, .options = options, .hooks = path_hooks, .filter = true,
     .state_size = sizeof(struct path_run), .configure = configure, .chosen = path_chosen,
     .loaded = path_loaded, .attached = path_attached, .tick = path_tick, .ending = path_ending,
     .report = path_report, .event = "path_packet", .event_before = details_before, .event_more = details_more,
     .drained = path_ledger,
     .records = "{\"types\": [" PATH_TYPES "], \"members\": {" PATH_RECORDS ", " PATH_EVENT_RECORDS "}}", .finish = path_finish);
