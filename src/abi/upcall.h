/* SPDX-License-Identifier: GPL-2.0-only */
/* upcall.h: what ovs upcalls counts, for its program and its reports. */
#ifndef NETSONDE_ABI_UPCALL_H
#define NETSONDE_ABI_UPCALL_H

#include "abi/types.h"

/** Why the datapath asks: no flow matches, or a flow's action says so. */
enum upcall_kind {
	UPCALL_MISS,
	UPCALL_ACTION,
	UPCALL_OTHER,	/* lost before its message was built, on a kernel without types of its modules */
	UPCALL_KINDS,
};

/** Parts of an upcall's time; the last one is the whole. */
enum upcall_part {
	UPCALL_QUEUED,	/* until the thread has received the message */
	UPCALL_USER,	/* from there until its flow is put or its packet sent back, whichever is first */
	UPCALL_AGAIN,	/* from there until the packet has gone through its actions */
	UPCALL_WHOLE,	/* from the upcall until then */
	UPCALL_PARTS,
};

/** Counters, one set a kind. Segments of one packet are one upcall, and messages of their own. */
enum upcall_counter {
	COUNT_UPCALLS,
	COUNT_GSO,	/* of which more than one message */
	COUNT_LOST,	/* of which were not handed over */
	COUNT_MESSAGES,	/* handed over */
	COUNT_RECEIVED,
	COUNT_ANSWERED,	/* with a flow, a packet, or both */
	COUNT_EXECUTED,	/* of which a packet came back */
	COUNT_FAILED,	/* of which the kernel refused the packet */
	COUNT_MAX,
};

/** Of a kind. */
struct upcall_counts {
	__u64 counters[COUNT_MAX];
};

#define UPCALL_ROWS 4096

/** Sums by who answered. */
struct upcall_key {
	__u32 thread;	/* 0: there is no row */
	__u32 kind;
	__u32 cpu;	/* of the upcall */
	struct sonde_device_key device;
};

struct upcall_sums {
	__u64 count, queued, user, again, whole;
};

/** A thread's name does not change what it is counted by. */
struct upcall_row {
	struct upcall_who {
		struct upcall_key key;
		sonde_comm comm;	/* the thread's */
		__u32 unused;
	} who;
	struct upcall_sums sums;
};

/** Upcalls that were lost. */
struct upcall_loss_key {
	__u16 epoch;
	__u16 kind;
	__u32 error;	/* positive */
	__u32 cpu;
	__u32 socket;	/* netlink port id, 0: none */
	struct sonde_device_key device;
};

/** Who reads a socket: the last thread that began to. */
struct upcall_reader {
	__u32 thread, process;
	__u32 shared;	/* 1: other threads of the process read it too */
	sonde_comm comm;
};

#endif
