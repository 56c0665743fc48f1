/* SPDX-License-Identifier: GPL-2.0-only */
/* Steps in the life of a megaflow, as ovs megaflows' programs tell them to its user side. */
#ifndef NETSONDE_ABI_MEGAFLOW_H
#define NETSONDE_ABI_MEGAFLOW_H

#include <linux/types.h>

#include "abi/packet.h"
#include "abi/types.h"

enum megaflow_step {
	MEGAFLOW_SHOWN,		/* not sent: user space prints a life that it has put together */
	MEGAFLOW_UPCALL,	/* bytes: the start of the message to ovs-vswitchd, with the whole key */
	MEGAFLOW_LOST,		/* the last message of an upcall was not handed over */
	MEGAFLOW_PUT,		/* bytes: the command, in as many parts as it needs */
	MEGAFLOW_SET,
	MEGAFLOW_DELETE,
	MEGAFLOW_RESULT,	/* the thread's command has ended */
	MEGAFLOW_REPLY,		/* bytes: what the kernel answers to a deletion: the flow's counters */
	MEGAFLOW_EXECUTE,	/* a packet came back */
};

#define MEGAFLOW_PART 1024	/* bytes of a message in one event */
#define MEGAFLOW_PARTS 16	/* and at most so many events */

struct megaflow_part {
	__u64 identity;		/* of the packet or its segment: MEGAFLOW_UPCALL, MEGAFLOW_EXECUTE; 0: cannot be told */
	__u32 step;		/* enum megaflow_step */
	__s32 result;		/* MEGAFLOW_RESULT, MEGAFLOW_LOST: 0 or -errno */
	__u32 thread;
	__u32 netns;		/* of the datapath: MEGAFLOW_UPCALL, and commands */
	__u32 total;		/* bytes of the message */
	__u32 offset, length;	/* of this part */
	__u32 extension_headers;	/* 1: the kernel lists IPv6 extension headers in keys (since 5.18) */
	__u32 queued;		/* ns from the upcall's begin until the message was there: MEGAFLOW_UPCALL */
	__u32 segment;		/* which of its upcall's messages, from 0 on: MEGAFLOW_UPCALL, MEGAFLOW_LOST */
};

struct ovs_megaflow {
	sonde_time at;
	sonde_pid pid;
	sonde_cpu cpu;
	struct sonde_device device;	/* where the packet came in */
	sonde_comm comm;
	struct sonde_packet packet;
	struct megaflow_part more;
};

/** What is sent: with bytes, or without. */
struct megaflow_message {
	struct ovs_megaflow event;
	__u8 bytes[MEGAFLOW_PART];
};

#endif
