/* SPDX-License-Identifier: GPL-2.0-only */
/* The members of connection tracking's structs that we read, relocated by CO-RE from vmlinux; see skb.h. */
#ifndef NETSONDE_KERNEL_CONNTRACK_H
#define NETSONDE_KERNEL_CONNTRACK_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nf_conntrack_zone {
	__u16 id;
};

struct ip_ct_tcp {
	__u8 state;	/* enum tcp_conntrack */
};

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
};

/* what a connection has beside: at offset[id] from its own start, 0: not there */
struct nf_ct_ext {
	__u8 offset[8];
};

enum nf_ct_ext_id {
	NF_CT_EXT_LABELS = 7,
};

/* since 5.7, in a connection's status: the table has it for answers only */
#define IPS_NAT_CLASH (1 << 12)

struct nf_conn {
	struct nf_conntrack_zone zone;
	unsigned long status;	/* enum ip_conntrack_status */
	struct nf_conn *master;	/* of a related connection */
	__u32 mark;
	struct nf_ct_ext *ext;
	union nf_conntrack_proto proto;
};

/* a format and its arguments, as %pV takes it */
struct va_format {
	const char *fmt;
};

#pragma clang attribute pop

#endif
