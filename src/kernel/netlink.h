/* SPDX-License-Identifier: GPL-2.0-only */
/* The members of generic netlink's structs that we read, relocated by CO-RE; see skb.h. */
#ifndef NETSONDE_KERNEL_NETLINK_H
#define NETSONDE_KERNEL_NETLINK_H

#include <linux/netlink.h>

#include "kernel/skb.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* what a command is called with */
struct genl_info {
	struct nlmsghdr *nlhdr;
	struct nlattr **attrs; /* by type */
	possible_net_t _net;
};

/* begins with its struct sock */
struct netlink_sock {
	__u32 portid;
};

#pragma clang attribute pop

#endif
