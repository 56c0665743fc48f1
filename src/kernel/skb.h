/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The members of sk_buff, net_device, sock and net that we read, relocated by
 * CO-RE: order and offsets here mean nothing. Members that only some kernels
 * have stand beside each other; ask SONDE_EXISTS() before reading one.
 */
#ifndef NETSONDE_KERNEL_SKB_H
#define NETSONDE_KERNEL_SKB_H

#include <linux/types.h>

#ifndef SONDE_NATIVE
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif

struct Qdisc;
struct net_device;
struct sock;

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct netdev_queue {
	struct net_device *dev;
	struct Qdisc *qdisc;
};

/* numbers are those of the running kernel: ask bpf_core_enum_value() */
enum netdev_state_t {
	__LINK_STATE_START,
	__LINK_STATE_NOCARRIER = 2,
};

struct rtnl_link_ops {
	const char *kind;		/* as in "ip link add type" */
};

struct net_device {
	char name[16];
	int ifindex;
	unsigned long state;		/* bits of enum netdev_state_t */
	unsigned short type;		/* ARPHRD_* */
	unsigned int num_tx_queues;
	struct netdev_queue *_tx;	/* at least one, and its dev points back */
	possible_net_t nd_net;
	const struct rtnl_link_ops *rtnl_link_ops;
};

struct sock_common {
	unsigned short skc_family;	/* AF_* */
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
};

struct sk_buff_head {
	__u32 qlen;
};

/* one a CPU */
struct softnet_data {
	struct sk_buff_head input_pkt_queue;	/* the backlog */
};

struct sk_buff {
	struct sk_buff *next;		/* in a list, such as a bulk that leaves a qdisc */
	/* shares its place with UDP's dev_scratch and with rbnode.rb_left: see sonde_dev() */
	struct net_device *dev;
	/* shares its place with ip_defrag_offset: see sonde_netns() */
	struct sock *sk;
	unsigned int len, data_len;
	unsigned char *head, *data;
	unsigned int tail;		/* offset from head on 64-bit machines */
	int skb_iif;			/* device it was received on */
	char cb[48];			/* of the layer that has the packet */
	unsigned long _nfct;		/* its connection, enum ip_conntrack_info in the lowest three bits */
	__u16 queue_mapping;
	__be16 protocol;
	__u16 network_header;		/* offsets from head; 0: not set */
	__u16 mac_header;		/* 0xffff: not set */
	__be16 vlan_proto;
	__u16 vlan_tci;
	__u8 cloned : 1;		/* its memory is, or was, another skb's too */
	__u8 vlan_present : 1;		/* until 6.1: the tag in vlan_tci counts */
	__u32 vlan_all;			/* since 6.2 (354259fa73e2): vlan_proto and vlan_tci as one, 0: no tag */
};

#ifndef SONDE_NATIVE
#pragma clang attribute pop
#endif

#endif
