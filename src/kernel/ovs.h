/* SPDX-License-Identifier: GPL-2.0-only */
/* The members of Open vSwitch's structs that we read, relocated by CO-RE from the module's BTF; see skb.h. */
#ifndef NETSONDE_KERNEL_OVS_H
#define NETSONDE_KERNEL_OVS_H

#include <linux/types.h>

#include "kernel/conntrack.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* kernels without BTF of modules (before 5.11) know nothing of it: ask bpf_core_type_exists() */
struct dp_upcall_info {
	__u8 cmd;	/* OVS_PACKET_CMD_MISS, _ACTION */
};

struct net_device;

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct vport {
	struct net_device *dev;
	__u16 port_no;
	struct hlist_node dp_hash_node;	/* in its datapath's ports */
};

struct datapath {
	struct hlist_head *ports;	/* OVS_PORT_BUCKETS of them */
};

/* in sk_buff.cb while the datapath has the packet */
struct ovs_skb_cb {
	struct vport *input_vport;
	__u16 acts_origlen;	/* bytes of the flow's actions as they came by netlink */
};

struct sw_flow_key {
	__u8 ct_state;	/* OVS_CS_F_* */
};

/* what a ct action asks for */
struct ovs_conntrack_info {
	struct nf_conntrack_zone zone;
	__u8 commit : 1;
	__u8 nat : 3;
	__u8 force : 1;
};

#pragma clang attribute pop

/* net/openvswitch/datapath.h: DP_VPORT_HASH_BUCKETS, the same since 3.3 */
#define OVS_PORT_BUCKETS 1024

#endif
