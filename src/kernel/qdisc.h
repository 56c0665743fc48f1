/* SPDX-License-Identifier: GPL-2.0-only */
/* The members of Qdisc and its operations that we read, relocated by CO-RE; see skb.h. */
#ifndef NETSONDE_KERNEL_QDISC_H
#define NETSONDE_KERNEL_QDISC_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct Qdisc_ops {
	char id[16];
};

struct qdisc_skb_head {
	__u32 qlen;
};

struct gnet_stats_queue {
	__u32 backlog;
};

struct Qdisc {
	unsigned int flags;
	__u32 limit;
	const struct Qdisc_ops *ops;
	__u32 handle, parent;
	struct netdev_queue *dev_queue;
	struct qdisc_skb_head q;
	struct gnet_stats_queue qstats;
};

#pragma clang attribute pop

/* include/net/sch_generic.h: length and backlog are kept per CPU (pfifo_fast and other lockless ones) */
#define TCQ_F_CPUSTATS 0x20

#endif
