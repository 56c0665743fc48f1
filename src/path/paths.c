// SPDX-License-Identifier: GPL-2.0-only
/* paths.c: the paths there are: stages, and which stage can follow which. */
#include <stdio.h>
#include <string.h>

#include "path/path.h"

const struct path_stage_row path_stages[STAGE_MAX] = {
	[STAGE_kick] = { "kick", "guest kick" },
	[STAGE_worker] = { "worker", "vhost runs" },
	[STAGE_tun] = { "tun", "tun send" },
	[STAGE_tap_in] = { "tap_in", "tap receive" },
	[STAGE_out] = { "out", "IP output" },
	[STAGE_encap] = { "encap", "tunnel IP output" },
	[STAGE_port_out] = { "port_out", "port xmit" },
	[STAGE_nic] = { "nic", "NIC (GRO)" },
	[STAGE_receive] = { "receive", "stack receive" },
	[STAGE_ovs] = { "ovs", "OVS lookup" },
	[STAGE_upcall] = { "upcall", "upcall" },
	[STAGE_back] = { "back", "back from upcall" },
	[STAGE_actions] = { "actions", "OVS actions" },
	[STAGE_conntrack] = { "conntrack", "OVS conntrack" },
	[STAGE_again] = { "again", "OVS recirculated" },
	[STAGE_forward] = { "forward", "IP forward" },
	[STAGE_port_in] = { "port_in", "to internal port" },
	[STAGE_backlog] = { "backlog", "out of backlog" },
	[STAGE_ip] = { "ip", "IP receive" },
	[STAGE_l4] = { "l4", "TCP/UDP/ICMP" },
	[STAGE_tunnel] = { "tunnel", "tunnel receive" },
	[STAGE_socket] = { "socket", "socket queue" },
	[STAGE_read] = { "read", "application read" },
	[STAGE_qdisc] = { "qdisc", "send, qdisc" },
	[STAGE_dequeue] = { "dequeue", "qdisc dequeue" },
	[STAGE_driver] = { "driver", "NIC driver" },
	[STAGE_tap_out] = { "tap_out", "tap ring" },
	[STAGE_vhost] = { "vhost", "vhost takes it" },
	[STAGE_used] = { "used", "used, signal" },
	[STAGE_irqfd] = { "irqfd", "irqfd" },
	[STAGE_inject] = { "inject", "injected" },
};

/* Open vSwitch, from receive to actions: the same in each path */
#define OVS_EDGES                                                                                  \
	{ STAGE_ovs, STAGE_actions }, { STAGE_ovs, STAGE_upcall }, { STAGE_upcall, STAGE_back },   \
	{ STAGE_back, STAGE_actions }, { STAGE_actions, STAGE_conntrack },                         \
	{ STAGE_conntrack, STAGE_conntrack },                                                      \
	{ STAGE_conntrack, STAGE_again }, { STAGE_actions, STAGE_again },                          \
	{ STAGE_again, STAGE_again }, { STAGE_again, STAGE_conntrack },                            \
	{ STAGE_conntrack, STAGE_upcall }, { STAGE_again, STAGE_upcall },                          \
	{ STAGE_actions, STAGE_upcall }, { STAGE_back, STAGE_again }

/* Open vSwitch sends to a stage */
#define OVS_SENDS(to) { STAGE_actions, to }, { STAGE_again, to }, { STAGE_conntrack, to }

/*
 * A tunnel, by Open vSwitch's port or a device of its own: the packet goes through IP output once more, and there
 * perhaps through the internal port of another bridge.
 */
#define ENCAP                                                                                      \
	OVS_SENDS(STAGE_encap), { STAGE_port_out, STAGE_encap }, { STAGE_encap, STAGE_port_out },  \
	{ STAGE_encap, STAGE_qdisc }, { STAGE_ovs, STAGE_again }

/* with --inner or --vni: what was in the outer packet goes on from UDP's tunnel, in a softirq of its own */
#define DECAP                                                                                      \
	{ STAGE_ip, STAGE_tunnel }, { STAGE_tunnel, STAGE_backlog }, { STAGE_backlog, STAGE_ovs }, \
	{ STAGE_ovs, STAGE_again }

#define NIC_IN { STAGE_nic, STAGE_receive }, { STAGE_receive, STAGE_ovs }
#define NIC_OUT                                                                                    \
	{ STAGE_qdisc, STAGE_driver }, { STAGE_qdisc, STAGE_dequeue }, { STAGE_dequeue, STAGE_driver }
#define GUEST_OUT                                                                                  \
	{ STAGE_kick, STAGE_worker }, { STAGE_worker, STAGE_tun }, { STAGE_tun, STAGE_tap_in },    \
	{ STAGE_tap_in, STAGE_ovs }
#define GUEST_IN                                                                                   \
	{ STAGE_qdisc, STAGE_tap_out }, { STAGE_qdisc, STAGE_dequeue },                            \
	{ STAGE_dequeue, STAGE_tap_out },                                                          \
	{ STAGE_tap_out, STAGE_vhost }, { STAGE_vhost, STAGE_used }, { STAGE_used, STAGE_irqfd },  \
	{ STAGE_irqfd, STAGE_inject }
#define EDGES_END { STAGE_none, STAGE_none }

static const struct path_edge host_tx[] = {
	{ STAGE_out, STAGE_port_out }, { STAGE_port_out, STAGE_ovs }, OVS_EDGES,
	OVS_SENDS(STAGE_qdisc), { STAGE_out, STAGE_qdisc },
	/* without Open vSwitch: a bond or VLAN device above the NIC */
	{ STAGE_port_out, STAGE_qdisc }, ENCAP, NIC_OUT, EDGES_END,
};

/* out of a tunnel, whose outer packets this host's IP layer is given, perhaps by the internal port of another bridge */
#define UNDERLAY_IN                                                                                \
	OVS_SENDS(STAGE_port_in), { STAGE_port_in, STAGE_backlog }, { STAGE_backlog, STAGE_ip },   \
	{ STAGE_receive, STAGE_ip }, DECAP

static const struct path_edge host_rx[] = {
	NIC_IN, OVS_EDGES, UNDERLAY_IN, { STAGE_ip, STAGE_l4 },
	{ STAGE_l4, STAGE_socket }, { STAGE_socket, STAGE_read }, { STAGE_l4, STAGE_read },
	EDGES_END,
};

static const struct path_edge vm_tx[] = {
	GUEST_OUT, OVS_EDGES, OVS_SENDS(STAGE_qdisc), ENCAP, { STAGE_port_out, STAGE_ovs }, NIC_OUT, EDGES_END,
};

static const struct path_edge vm_rx[] = {
	NIC_IN, OVS_EDGES, OVS_SENDS(STAGE_qdisc), GUEST_IN, EDGES_END,
};

static const struct path_edge vm_rx_inner[] = {
	NIC_IN, OVS_EDGES, UNDERLAY_IN, OVS_SENDS(STAGE_qdisc), GUEST_IN, EDGES_END,
};

static const struct path_edge vm_vm[] = {
	GUEST_OUT, OVS_EDGES, OVS_SENDS(STAGE_qdisc), GUEST_IN, EDGES_END,
};

static const struct path_edge forward[] = {
	NIC_IN, OVS_EDGES, { STAGE_receive, STAGE_ip }, { STAGE_ip, STAGE_forward },
	{ STAGE_forward, STAGE_qdisc }, OVS_SENDS(STAGE_qdisc), NIC_OUT, EDGES_END,
};

/* from a port's receive queue on, or the NIC's where packets are steered to another CPU */
static const struct path_edge port_rx[] = {
	{ STAGE_nic, STAGE_receive }, { STAGE_port_in, STAGE_receive }, { STAGE_receive, STAGE_ip },
	{ STAGE_ip, STAGE_l4 }, EDGES_END,
};

static const struct path_edge host_both[] = {
	{ STAGE_out, STAGE_port_out }, { STAGE_port_out, STAGE_ovs }, NIC_IN, OVS_EDGES,
	OVS_SENDS(STAGE_qdisc), { STAGE_out, STAGE_qdisc }, { STAGE_port_out, STAGE_qdisc }, NIC_OUT,
	OVS_SENDS(STAGE_port_in), { STAGE_port_in, STAGE_backlog }, { STAGE_backlog, STAGE_ip },
	{ STAGE_receive, STAGE_ip }, { STAGE_ip, STAGE_l4 }, EDGES_END,
};

/* from the NIC's driver to its return, then as what the host or the guest receives */
#define AWAY { STAGE_driver, STAGE_nic }, { STAGE_driver, STAGE_receive }

static const struct path_edge host_reply[] = {
	AWAY, NIC_IN, OVS_EDGES, UNDERLAY_IN, { STAGE_ip, STAGE_l4 }, EDGES_END,
};

/* the host answers: what it sends, after ICMP was given the request */
static const struct path_edge host_answer[] = {
	{ STAGE_l4, STAGE_out }, { STAGE_out, STAGE_port_out }, { STAGE_port_out, STAGE_ovs }, OVS_EDGES,
	OVS_SENDS(STAGE_qdisc), { STAGE_out, STAGE_qdisc }, { STAGE_port_out, STAGE_qdisc }, NIC_OUT, EDGES_END,
};

static const struct path_edge vm_reply[] = {
	AWAY, NIC_IN, OVS_EDGES, UNDERLAY_IN, OVS_SENDS(STAGE_qdisc), GUEST_IN, EDGES_END,
};

#define BIT(stage) (1U << (stage))

static const struct path host_reply_path = {
	"host-reply", "the reply", host_reply, BIT(STAGE_nic) | BIT(STAGE_receive), BIT(STAGE_l4),
};

static const struct path host_answer_path = {
	"host-answer", "the reply", host_answer, BIT(STAGE_out), BIT(STAGE_driver),
};

static const struct path vm_reply_path = {
	"vm-reply", "the reply", vm_reply, BIT(STAGE_nic) | BIT(STAGE_receive), 0,
};

/* where no stage ends the path, it ends when vhost has told the guest: see hand_arrive() */
static const struct path paths[] = {
	{ "host-tx", "what this host sends", host_tx, BIT(STAGE_out), BIT(STAGE_driver), 0, true,
	  false },
	{ "host-rx", "what this host receives", host_rx, BIT(STAGE_nic) | BIT(STAGE_receive),
	  BIT(STAGE_l4), BIT(STAGE_read), true, false },
	{ "vm-tx", "what a guest sends", vm_tx, BIT(STAGE_tap_in), BIT(STAGE_driver), 0, true,
	  true },
	{ "vm-rx", "what a guest receives", vm_rx, BIT(STAGE_nic) | BIT(STAGE_receive),
	  0, 0, true, true, .inner = vm_rx_inner },
	{ "vm-vm", "from guest to guest", vm_vm, BIT(STAGE_tap_in), 0, 0, false,
	  true },
	{ "forward", "from NIC to NIC", forward, BIT(STAGE_nic) | BIT(STAGE_receive),
	  BIT(STAGE_driver), 0, true, false },
	{ "port-rx", "from a port's receive queue up", port_rx, BIT(STAGE_nic) | BIT(STAGE_receive) | BIT(STAGE_port_in),
	  BIT(STAGE_l4), 0, true, false },
	{ "host-both", "what this host sends or receives", host_both,
	  BIT(STAGE_out) | BIT(STAGE_nic) | BIT(STAGE_receive), BIT(STAGE_driver) | BIT(STAGE_l4), 0, true, false },
	{ "host-rtt", "ICMP echo of this host", host_tx, BIT(STAGE_out), BIT(STAGE_driver), 0,
	  true, false, &host_reply_path, "away" },
	{ "host-rtt-rx", "ICMP echo that this host answers", host_rx, BIT(STAGE_nic) | BIT(STAGE_receive),
	  BIT(STAGE_l4), 0, true, false, &host_answer_path, "here" },
	{ "vm-rtt", "ICMP echo of a guest", vm_tx, BIT(STAGE_tap_in), BIT(STAGE_driver), 0, true,
	  true, &vm_reply_path, "away" },
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

const struct path *path_find(const char *name)
{
	for (size_t i = 0; i < PATHS; i++) {
		if (!strcmp(paths[i].name, name))
			return &paths[i];
	}
	return NULL;
}

const char *path_names(void)
{
	static char names[200];
	size_t length = 0;

	for (size_t i = 0; i < PATHS; i++)
		length += snprintf(names + length, sizeof(names) - length, "%s%s", i ? ", " : "", paths[i].name);
	return names;
}
