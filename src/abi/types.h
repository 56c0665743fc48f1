/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Field types shared by BPF programs and user space. A member's typedef picks
 * its format: core/field.c has one row for each name below, and a test refuses
 * an event struct whose member has a type without a row.
 */
#ifndef NETSONDE_ABI_TYPES_H
#define NETSONDE_ABI_TYPES_H

#include <linux/types.h>

/** CLOCK_MONOTONIC in ns (bpf_ktime_get_ns); printed as RFC 3339 wall time and as ns since 1970. */
typedef __u64 sonde_time;
/** A time span in ns. */
typedef __u64 sonde_nanoseconds;
/** A number of things. */
typedef __u64 sonde_count;
/** A size in bytes. */
typedef __u64 sonde_bytes;
/** enum skb_drop_reason of the running kernel, subsystem in the upper 16 bits; 0 = the kernel gives none. */
typedef __u32 sonde_reason;
/** Kernel text address: the place that freed the skb (a return address). */
typedef __u64 sonde_place;
/** Id of a kernel stack in the map "stacks"; 0: the stack could not be taken or kept. */
typedef __u64 sonde_stack_id;
typedef __u32 sonde_cpu;
typedef __u32 sonde_pid;
/** Network namespace by its inode number, as in /proc/PID/ns/net; 0 = unknown. */
typedef __u32 sonde_netns_id;
/** Hardware queue number of the device, from 0. */
typedef __u32 sonde_queue;
/** qdisc handle, major in the upper 16 bits, printed as tc does: 8001: or 1:10. */
typedef __u32 sonde_handle;
/** Limit of a queue in the unit of its kind (packets or bytes); 0: the kind keeps it elsewhere. */
typedef __u32 sonde_limit;
/** A level at the time of the event; SONDE_GAUGE_UNKNOWN: the kernel keeps it elsewhere. */
typedef __u32 sonde_gauge;
#define SONDE_GAUGE_UNKNOWN 0xffffffffU
/** The mean of a sonde_gauge over a row; SONDE_GAUGE_UNKNOWN as there. */
typedef __u64 sonde_level;
/** What a qdisc's enqueue returned (NET_XMIT_*); SONDE_XMIT_UNKNOWN = not seen. */
typedef __u32 sonde_xmit;
#define SONDE_XMIT_UNKNOWN 0xffffffffU
/** Task name as the kernel keeps it, not always terminated when full. */
typedef char sonde_comm[16];
/** Short kernel string: qdisc kind, device name. */
typedef char sonde_name[16];

#define SONDE_STACK_DEPTH 32

/** Kernel stack, innermost first; frames = 0: none taken. */
struct sonde_stack {
	__u32 frames;
	__u32 unused;
	__u64 ip[SONDE_STACK_DEPTH];
};

/**
 * Network device as the kernel knew it at the event. ifindex = 0: the skb had
 * no device. An ifindex is unique only within its namespace.
 */
struct sonde_device {
	__u32 ifindex;
	sonde_netns_id netns;
	sonde_name name;
};

/** A device as a row's key; the name stands in the map "devices". */
struct sonde_device_key {
	__u32 ifindex;	/* 0: no device; SONDE_ANY_DEVICE: rows are kept by namespace only */
	sonde_netns_id netns;
};
#define SONDE_ANY_DEVICE 0xffffffffU

/** Bytes of the frame for capture files, from the Ethernet header where there is one. */
#define SONDE_FRAME_MAX 256
struct sonde_frame {
	__u16 captured;	/* bytes in data, 0..SONDE_FRAME_MAX */
	__u8 ethernet;	/* 1: data begins with an Ethernet header; 0: with the IP header */
	__u8 unused;
	__u32 length;	/* length of the whole packet from the same start */
	__u8 data[SONDE_FRAME_MAX];
};

/**
 * Losses counted by BPF programs, one per-CPU counter each. The exit ledger
 * prints those that are not zero by the name after LOSS_, so a name is what an
 * operator reads.
 */
enum sonde_loss {
	LOSS_events,		/* no room in the event buffer: the reader was too slow */
	LOSS_benign,		/* frees known to be no loss, hidden without --all */
	LOSS_rate_limited,	/* suppressed by --rate, by request */
	LOSS_not_sampled,	/* suppressed by --sample, by request */
	LOSS_rows,		/* the table of rows was full: the drop is in no row */
	LOSS_queues,		/* the packet's device or queue could not be told: the drop is in no row */
	LOSS_stacks,		/* the stack could not be taken or kept */
	LOSS_devices,		/* the table of device names was full */
	LOSS_seen,		/* the table of seen packets was full */
	LOSS_flows,		/* path summary --top: the table of flows was full: the packet is in no row of a flow */
	LOSS_messages,		/* ovs upcalls: more messages under way than are remembered */
	LOSS_groups,		/* ovs upcalls: more GSO upcalls under way than are remembered */
	LOSS_threads,		/* ovs upcalls: more threads that answer than are remembered */
	LOSS_readers,		/* ovs upcalls: the table of sockets was full */
	LOSS_executors,		/* ovs actions: more threads have packets executed than are remembered */
	LOSS_commands,		/* ovs megaflows: the table of commands under way was full */
	LOSS_kicks,		/* path: a guest's kick found no room: its packets begin where vhost runs */
	LOSS_workers,		/* path: a vhost thread found no room: what it has in hand is not followed */
	LOSS_moves,		/* path: a packet got other memory and found no room: it times out */
	LOSS_stages,		/* path details: a packet had more than 16 stages, and the others found no room */
	LOSS_MAX,
};

/** Facts of the running kernel that programs need before they are verified. */
struct sonde_facts {
	__u32 kfree_skb_args;	/* arguments of the skb:kfree_skb tracepoint: 2 (before 5.17), 3, 4 (since 6.11) */
	__u32 perf_buffer;	/* 1: no ring buffer (before 5.8), events go through a perf buffer */
};

#define SONDE_BENIGN_MAX 24
/* kernel text in pieces of 1 KiB, each of which has a bit, as have others by the same hash */
#define SONDE_BENIGN_PIECE_BITS 10
#define SONDE_BENIGN_PIECES 1024

/** A range of kernel text; size 0: empty. */
struct sonde_text {
	__u64 start;
	__u64 size;		/* bytes */
};

/** What dealt with a packet; added to an address that is a multiple of 8. */
enum sonde_handled {
	HANDLED_NOT,
	HANDLED_TCP,
	HANDLED_ICMP,
};

/** A range of kernel text from which a free with this reason is no loss. */
struct sonde_benign {
	struct sonde_text text;
	__u32 reason;		/* 0: the kernel gave no reason */
	__u32 any_reason;	/* 1: whatever the reason */
	__u32 empty_only;	/* 1: only if the skb carries no bytes behind its headers any more */
	__u32 handled;		/* enum sonde_handled: only if such a hook has seen the packet just before; 0: whatever */
};

#endif
