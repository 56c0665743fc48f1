/* SPDX-License-Identifier: GPL-2.0-only */
/* What ovs conntrack's programs tell of one packet in one ct action. */
#ifndef NETSONDE_ABI_CONNTRACK_H
#define NETSONDE_ABI_CONNTRACK_H

#include <linux/types.h>

#include "abi/packet.h"
#include "abi/types.h"

/** Bits of ct_facts.seen. */
enum ct_seen {
	CT_SEEN_TYPES = 1 << 0,		/* the module's types are known: before, and what the action asks for, count */
	CT_SEEN_ZONE = 1 << 1,		/* zone counts */
	CT_SEEN_COMMIT = 1 << 2,	/* asked for by the action */
	CT_SEEN_FORCE = 1 << 3,
	CT_SEEN_NAT = 1 << 4,
	CT_SEEN_CONNECTION = 1 << 5,	/* the packet has one afterwards: mark, labels, status, tcp_state count */
	CT_SEEN_FLOW = 1 << 6,		/* flow counts: the connection's addresses are translated */
	CT_SEEN_NEW = 1 << 7,		/* the table had no connection of the packet: one was made */
	CT_SEEN_NO_ENTRY = 1 << 8,	/* there was none to be had */
	CT_SEEN_TABLE_FULL = 1 << 9,	/* since the table is full */
	CT_SEEN_COMPLAINT = 1 << 10,	/* the kernel asked whether it may complain, not of a full table */
	CT_SEEN_ICMP_ERROR = 1 << 11,	/* the packet was taken for an ICMP error */
	CT_SEEN_UNMATCHED = 1 << 12,	/* and no connection has the packet that it quotes */
	CT_SEEN_HELPER = 1 << 13,	/* says is a helper's */
	CT_SEEN_CONFIRMED = 1 << 14,	/* the connection went into the table */
	CT_SEEN_REFUSED = 1 << 15,	/* the table did not take it */
	CT_SEEN_NAT_REFUSED = 1 << 16,	/* the translation could not be set up */
	CT_SEEN_CLASH = 1 << 17,	/* the table had another packet's connection of the same addresses by then */
};

#define CT_SAYS_MAX 96

struct ct_facts {
	sonde_nanoseconds took;
	__s32 result;		/* of the ct action: 0 or -errno */
	__u32 seen;		/* enum ct_seen */
	__u32 mark, status;	/* status: enum ip_conntrack_status */
	__u16 zone;
	__u8 before, after;	/* OVS_CS_F_* */
	__u8 tcp_state;		/* enum tcp_conntrack */
	__u8 unused[3];
	__u8 labels[16];
	struct sonde_flow flow;	/* of the packet afterwards */
	char says[CT_SAYS_MAX];	/* the format of what the kernel would log, or "" */
};

struct ct_packet {
	sonde_time at;
	sonde_cpu cpu;
	__u32 unused;
	struct sonde_device device;
	struct sonde_packet packet;
	struct ct_facts more;
};

/** Packets in ct actions that passed the filter. */
enum ct_count {
	CT_COUNT_packets,
	CT_COUNT_invalid,
	CT_COUNT_failed,
	CT_COUNT_MAX,
};

#endif
