/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path.h: packets in flight on a path, what a run tells the programs about the
 * path, and what they count. A path is a graph: stages, and edges from one
 * stage to the next that a packet can take. Each edge has a histogram.
 */
#ifndef NETSONDE_ABI_PATH_H
#define NETSONDE_ABI_PATH_H

#include "abi/hist.h"
#include "abi/packet.h"
#include "abi/types.h"

/** Places on a packet's way. Which of them a run looks at is a table in path/. */
enum path_stage {
	STAGE_none,
	STAGE_kick,	/* the guest's notification, before there is an skb */
	STAGE_worker,	/* vhost's thread runs for it */
	STAGE_tun,	/* tun_sendmsg(): vhost hands packets over */
	STAGE_tap_in,	/* received from a guest on its tap */
	STAGE_out,	/* IP output of this host */
	STAGE_encap,	/* IP output again, in a tunnel's outer packet */
	STAGE_port_out,	/* handed to the device that is no NIC: Open vSwitch's internal port */
	STAGE_nic,	/* from the driver into GRO */
	STAGE_receive,	/* out of GRO into the stack */
	STAGE_ovs,	/* Open vSwitch has it: key and flow lookup follow */
	STAGE_upcall,	/* on its way to ovs-vswitchd */
	STAGE_back,	/* back from ovs-vswitchd */
	STAGE_actions,	/* flow known: actions begin */
	STAGE_conntrack,
	STAGE_again,	/* actions of a further lookup: recirculated */
	STAGE_forward,	/* IP forwarding */
	STAGE_port_in,	/* handed to the internal port's receive queue */
	STAGE_backlog,	/* out of the CPU's backlog queue */
	STAGE_ip,
	STAGE_l4,	/* given to TCP, UDP, ICMP ... */
	STAGE_tunnel,	/* the outer packet of a tunnel is given to UDP */
	STAGE_socket,	/* in the socket's queue */
	STAGE_read,	/* read by the application */
	STAGE_qdisc,	/* given to the NIC's qdisc: Open vSwitch's send, or IP's */
	STAGE_dequeue,	/* taken out of the qdisc */
	STAGE_driver,	/* given to the NIC's driver */
	STAGE_tap_out,	/* given to the tap: into its ring */
	STAGE_vhost,	/* taken out of the ring by vhost */
	STAGE_used,	/* the guest can see it: used ring written */
	STAGE_irqfd,	/* the eventfd woke KVM */
	STAGE_inject,	/* KVM injects the interrupt */
	STAGE_MAX,
};

/** Cells before those of edges. */
enum path_cell {
	CELL_none,	/* no such edge */
	CELL_total,	/* begin to end, without an upcall */
	CELL_upcalled,	/* begin to end, with one */
	CELL_gap_in,	/* path pair: between two packets of a flow, as they come from the sender */
	CELL_gap_out,	/* the same where they go to the receiver */
	/* from here on there is a second one, path_upcall_cells further on, of packets that had an upcall */
	CELL_other,	/* between two stages that are no edge */
	CELL_EDGES,
};
#define PATH_CELLS 80
/* with those of packets that had an upcall */
#define PATH_CELLS_ALL (2 * PATH_CELLS)

/* tables of histogram buckets for small values */
#define PATH_FINE 512
#define PATH_COARSE 4096
#define PATH_COARSE_STEP 16

/** What became of packets that began and did not end; each is a line of the ledger. */
enum path_fate {
	FATE_none,
	FATE_dropped,
	FATE_consumed,	/* freed as done with on another way than this path */
	FATE_merged,	/* GRO or the socket made it a part of another packet */
	FATE_replaced,	/* its memory began as another packet, its end was not seen */
	FATE_evicted,	/* the table of packets in flight was full there */
	FATE_ambiguous,	/* two packets that look the same were in ovs-vswitchd: not to be told apart */
	FATE_upcall_lost,	/* could not be queued to ovs-vswitchd */
	FATE_unreadable,	/* headers not at hand when it went to ovs-vswitchd */
	FATE_crowded,		/* a vhost thread had more packets in its hands than are followed */
	FATE_timed_out,
	FATE_MAX,
};
#define PATH_FATES 16	/* a power of two, not less than FATE_MAX */

struct path_counts {
	__u64 begun;
	__u64 ended;
	__u64 copies;	/* a stage seen again with the packet's data: a copy, or a second pass */
	__u64 fates[PATH_FATES];
};

/** All that one CPU counts: the first members of a map's element, which ends with the cells in use. */
struct path_cpu {
	struct path_counts counts;
	struct sonde_hist cells[PATH_CELLS_ALL];
};

/* devices that programs compare one by one; if there are more, the others are looked up */
#define PATH_DEVICES 16

enum path_role {
	ROLE_none,
	ROLE_phy,
	ROLE_vm,
	ROLE_vm_from,	/* only what the guest sends */
	ROLE_vm_to,	/* only what it receives */
};

struct path_device {
	__u32 ifindex;
	sonde_netns_id netns;
	__u32 role;	/* enum path_role */
};

/** What a stage has to do for a packet whose flight is found: rodata. */
enum path_flag {
	FLAG_fast = 1,		/* note the time, nothing else but what the other flags say */
	FLAG_ends = 2,		/* the path ends here */
	FLAG_details = 4,	/* path details */
};

enum path_flight_mark {
	MARK_reply = 1,		/* path rtt: the echo reply to the packet that began */
	MARK_tunnel = 2,	/* in a tunnel: what is given to UDP goes on from there */
};

#define PATH_HOPS 16
/* so many more are kept of single packets, elsewhere, since few have as many: by an upcall, conntrack, an echo's way back */
#define PATH_HOPS_FURTHER 16

/** What a flight was at, and over which edge it came there. */
struct path_mark {
	__u8 stage;
	__u8 cell;	/* CELL_none at the first stage */
};

/** One packet in flight. */
struct path_flight {
	__u64 first, last;	/* ns: at the first and at the last stage */
	__u64 skb;		/* that was seen last; in ovs-vswitchd: hash of the payload's first bytes */
	__u32 seen;		/* stages, a bit each */
	__u8 stage;
	__u8 upcalled;
	__u8 marks;		/* enum path_flight_mark */
	__u8 payload;		/* bytes that the hash in skb covers */
	__u32 cpu;		/* path metrics: of the last stage */
	__u32 hops;		/* stages noted below */
	__u64 at[PATH_HOPS];	/* ns */
	struct path_mark mark[PATH_HOPS];
};

/** Flights whose keys hash alike: the keys first, so that a miss touches one cache line. */
#define PATH_WAYS 4
/* as key, while what a flight has counted is added up: another CPU must not count it as evicted then */
#define PATH_ENDING 1
/*
 * as key, set by user space: given up, or left when the run ends. A program that has found the flight just before
 * may still end it; only what has this key some time later is counted there.
 */
#define PATH_GIVEN_UP 2
#define PATH_LEFT 3
#define PATH_TAKEN 3	/* keys up to this are no packets' */
struct path_bucket {
	__u64 key[PATH_WAYS];	/* skb->head, in ovs-vswitchd a hash of the headers below 1 << 63; 0: free */
	struct path_flight flight[PATH_WAYS];
};

/** First bytes from L3 on, kept for packets that are lost without an skb at hand. */
#define PATH_BYTES 64

struct path_bytes {
	__u32 length;		/* of the packet, from L3 on */
	__u16 eth_type;
	__u16 at_hand;
	__u8 bytes[PATH_BYTES];
};

/** What path details keeps of a flight besides: by stage device, task and CPU. */
struct path_trace {
	struct path_bytes begun;
	__u32 ifindex[PATH_HOPS];
	sonde_pid pid[PATH_HOPS];	/* in a softirq: of the task that it interrupted */
	__u16 cpu[PATH_HOPS];
};

/** A stage that the flight has no room for, with all that is known of it. */
struct path_hop {
	__u64 at;		/* ns */
	__u32 ifindex;
	sonde_pid pid;
	__u16 cpu;
	struct path_mark mark;
	__u32 unused;
};

struct path_further {
	__u64 first;		/* of the flight whose stages these are; 0: of none */
	struct path_hop hop[PATH_HOPS_FURTHER];
};

/** How a packet's way ended, and each stage of it. */
struct path_way {
	__u64 place;		/* of a drop: who freed it */
	__u32 reason;		/* of a drop */
	__u32 fate;		/* enum path_fate; FATE_none: it arrived */
	struct path_flight flight;
	struct path_trace trace;
	struct path_further further;
	struct path_bytes ended;	/* --bytes: as begun, at the last stage; length 0: not known */
};

/** A single packet: path details. */
struct path_packet {
	sonde_time at;		/* of the first stage */
	sonde_nanoseconds took;	/* from the first to the last stage */
	struct sonde_packet packet;
	struct path_way more;	/* printed by the tool */
};

/** Where the last packet of a flow was seen: path pair. */
struct path_gap {
	struct sonde_flow flow;
	__u64 cell;	/* CELL_gap_in, CELL_gap_out */
};

/** path summary --top: a flow of one epoch. */
struct path_flow_key {
	__u16 epoch;
	__u16 unused[3];
	struct sonde_flow flow;
};

/* two buckets of a histogram in one: still within 1/32 of the middle */
#define PATH_FLOW_STEP 2
#define PATH_FLOW_BUCKETS (HIST_BUCKETS / PATH_FLOW_STEP)
#define PATH_FLOW_MAXIMA 16

/** Its packets: all the way, and where their time went. */
struct path_flow {
	__u64 count, sum;	/* ns; of those that arrived */
	__u64 max[PATH_FLOW_MAXIMA];	/* by CPU, and by CPU a second one, see path_max(); read: the first is the largest */
	__u64 not_ended;
	__u64 cells[PATH_CELLS];	/* ns, of all its packets */
	__u32 buckets[PATH_FLOW_BUCKETS];
};

/** What path metrics counts at a stage. */
struct path_meter {
	__u64 packets, bytes;
	__u64 cpu_changes;	/* packets that came from another CPU than at the stage before */
	__u64 depths, depth_sum;	/* how often the length of the queue was read, and its sum, in packets */
	__u64 depth_max;
};

#define PATH_QUEUES 64

/** All that one CPU counts for path metrics. */
struct path_meters {
	struct path_meter stage[STAGE_MAX];
	__u64 rx_queues[PATH_QUEUES], tx_queues[PATH_QUEUES];	/* packets; the last: that and all above */
};

/** Drops by the last stage that was seen before. */
struct path_drop {
	__u32 stage;
	sonde_reason reason;
	sonde_place place;
};

#endif
