// SPDX-License-Identifier: GPL-2.0-only
/* hooks.c: which programs a path needs: those of its stages, and those that every path needs. */
#include <netinet/in.h>

#include "core/object.h"
#include "engine.skel.h"
#include "path/engine.h"
#include "path/path.h"

static bool any_stage(const struct run *run, uint32_t stages)
{
	return ((const struct path_run *)run->state)->stages & stages;
}

/* received packets begin a path, or come out of the backlog */
static bool receive_wanted(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	return any_stage(run, 1U << STAGE_receive | 1U << STAGE_tap_in | 1U << STAGE_backlog);
}

/* by the stage's hook; IP output has a tunnel's outer packets, too, and what a tunnel receives is given to UDP */
static bool stage_wanted(const struct run *run, const struct hook_row *hook)
{
	uint32_t stages = 1U << hook->tag;

	if (hook->tag == STAGE_out)
		stages |= 1U << STAGE_encap;
	if (hook->tag == STAGE_l4)
		stages |= 1U << STAGE_tunnel;
	return any_stage(run, stages);
}

/* net_dev_queue, net_dev_start_xmit */
static bool queue_wanted(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	return any_stage(run, 1U << STAGE_port_out | 1U << STAGE_qdisc);
}

static bool xmit_wanted(const struct run *run, const struct hook_row *hook)
{
	(void)hook;
	return any_stage(run, 1U << STAGE_driver | 1U << STAGE_tap_out);
}

enum {
	TYPE_IP6 = 0x86dd,
};

enum family {
	FAMILY_4 = 1,
	FAMILY_6 = 2,
};

/* of which family packets can be that the filter lets pass; a tunnel's outside may be of either */
static unsigned int families(const struct run *run)
{
	const struct sonde_filter *filter = run->filter;
	const uint32_t set = filter->set;

	/* nor does the filter say anything of what carries a guest's packets */
	if (set & FILTER_TUNNEL || any_stage(run, 1U << STAGE_tunnel) ||
	    (any_stage(run, 1U << STAGE_encap) && !any_stage(run, 1U << STAGE_out)))
		return FAMILY_4 | FAMILY_6;
	if (set & FILTER_IP6 || (set & FILTER_TYPE && filter->eth_type == TYPE_IP6) ||
	    (set & FILTER_PROTOCOL && filter->protocol == IPPROTO_ICMPV6))
		return FAMILY_6;
	if (set & (FILTER_IP4 | FILTER_ARP | FILTER_TYPE) || (set & FILTER_PROTOCOL && filter->protocol == IPPROTO_ICMP))
		return FAMILY_4;
	return FAMILY_4 | FAMILY_6;
}

/* of this protocol */
static bool protocol_possible(const struct run *run, uint8_t protocol)
{
	const struct sonde_filter *filter = run->filter;
	const struct path_run *state = run->state;

	if (state->path && state->path->reply)
		return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
	return filter->set & FILTER_TUNNEL || !(filter->set & FILTER_PROTOCOL) || filter->protocol == protocol;
}

static bool ip4_wanted(const struct run *run, const struct hook_row *hook)
{
	return families(run) & FAMILY_4 && stage_wanted(run, hook);
}

static bool ip6_wanted(const struct run *run, const struct hook_row *hook)
{
	return families(run) & FAMILY_6 && stage_wanted(run, hook);
}

/* all but these go by __ip6_local_out() */
static bool ip6_late_wanted(const struct run *run, const struct hook_row *hook)
{
	return any_stage(run, 1U << STAGE_out) && ip6_wanted(run, hook) &&
	       (protocol_possible(run, IPPROTO_TCP) || protocol_possible(run, IPPROTO_SCTP));
}

static bool tcp_wanted(const struct run *run, const struct hook_row *hook)
{
	return protocol_possible(run, IPPROTO_TCP) && stage_wanted(run, hook);
}

static bool udp_wanted(const struct run *run, const struct hook_row *hook)
{
	return protocol_possible(run, IPPROTO_UDP) && stage_wanted(run, hook);
}

static bool depth_wanted(const struct run *run, const struct hook_row *hook)
{
	return PATH_RODATA(run)->cfg_metrics && stage_wanted(run, hook);
}

#define OVS_UNSEEN "Open vSwitch's part of the way (is its module loaded?)"

const struct hook_row path_hooks[] = {
	{ "out4", true, ip4_wanted, "IPv4 packets that this host sends", STAGE_out },
	{ "out6", true, ip6_wanted, "IPv6 packets that this host sends", STAGE_out },
	{ "out6_late", true, ip6_late_wanted, "TCP over IPv6 that this host sends", STAGE_out },
	{ "ovs", true, stage_wanted, OVS_UNSEEN, STAGE_ovs },
	{ "actions", true, stage_wanted, "when Open vSwitch knows the flow", STAGE_actions },
	{ "conntrack", true, stage_wanted, "Open vSwitch's connection tracking", STAGE_conntrack },
	{ "upcall", true, stage_wanted, "packets that go to ovs-vswitchd", STAGE_upcall },
	{ "back", true, stage_wanted, "packets that come back from ovs-vswitchd", STAGE_back,
	  .shared_by_tasks = true },
	{ "upcall_lost", true, stage_wanted,
	  "upcalls that are lost: their packets time out", STAGE_upcall },
	{ "forward4", true, ip4_wanted, "IPv4 forwarding", STAGE_forward },
	{ "forward6", true, ip6_wanted, "IPv6 forwarding", STAGE_forward },
	{ "ip4", true, ip4_wanted, "the IPv4 layer", STAGE_ip },
	{ "ip6", true, ip6_wanted, "the IPv6 layer", STAGE_ip },
	{ "l4_4", true, ip4_wanted, "what IPv4 hands to TCP, UDP, ICMP", STAGE_l4 },
	{ "l4_6", true, ip6_wanted, "what IPv6 hands to TCP, UDP, ICMP", STAGE_l4 },
	{ "socket_udp", true, udp_wanted, "UDP sockets' queues", STAGE_socket },
	{ "socket_tcp", true, tcp_wanted, "TCP sockets' queues", STAGE_socket },
	{ "read_udp", true, udp_wanted, "applications that read UDP", STAGE_read },
	{ "read_copy", true, stage_wanted, "applications that read", STAGE_read },
	{ "coalesced", true, tcp_wanted,
	  "TCP segments that become a part of the one before: they time out", STAGE_read },
	{ "freed", true, stage_wanted,
	  "what TCP uses up itself, as pure ACKs: it times out", STAGE_read },
	{ "fragment", true, stage_wanted,
	  "fragments that are put together: they count as dropped or consumed", STAGE_ip },
	{ "depth", true, depth_wanted, "how long the backlog is", STAGE_port_in,
	  "softnet_data" },
	{ "nic", true, stage_wanted, "what the driver hands to GRO", STAGE_nic },
	{ "nic_frags", true, stage_wanted, NULL, STAGE_nic },
	{ "merged", true, stage_wanted, "packets that GRO merges: they time out", STAGE_nic },
	{ "merged_frags", true, stage_wanted, NULL, STAGE_nic },
	{ "port_in", true, stage_wanted, "the internal port's receive queue", STAGE_port_in },
	{ "dequeue", true, stage_wanted, "when a packet leaves the qdisc", STAGE_dequeue },
	{ "kick", true, stage_wanted, "when the guest kicks (needs the types of module vhost)",
	  STAGE_kick, "vhost_poll" },
	{ "worker", true, stage_wanted, "when vhost's thread begins to send", STAGE_worker },
	{ "tun", true, stage_wanted, "when vhost hands a packet to the tap", STAGE_tun },
	{ "irqfd", true, stage_wanted, "when the signal wakes KVM", STAGE_irqfd },
	{ "inject", true, stage_wanted, "when KVM injects the interrupt", STAGE_inject },
	{ "used", true, stage_wanted, "when vhost tells the guest", STAGE_used, .shared_by_tasks = true },
	{ "arrived", true, stage_wanted, "the end of the way to the guest: is vhost_net loaded?",
	  STAGE_used, .shared_by_tasks = true },
	{ "vhost", true, stage_wanted, "when vhost takes a packet out of the tap's ring",
	  STAGE_vhost },
	{ "deferred", true, NULL, NULL },
	{ "move", true, NULL, "packets whose memory the kernel moves: they time out" },
	{ "moved", true, NULL, NULL },
	{ "segmented", true, NULL,
	  "packets that the kernel cuts into segments before the NIC: they count as consumed" },
	{ "queue", false, queue_wanted },
	{ "xmit", false, xmit_wanted },
	{ "receive", false, receive_wanted },
	{ "consume", false, NULL },
	{ "drop", false, NULL },
	{ NULL },
};
