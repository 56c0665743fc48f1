/* SPDX-License-Identifier: GPL-2.0-only */
/* The members of Open vSwitch's structs that we read, relocated by CO-RE from the module's BTF; see skb.h. */
#ifndef NETSONDE_KERNEL_OVS_H
#define NETSONDE_KERNEL_OVS_H

#include <linux/types.h>

#include "kernel/conntrack.h"

struct in6_addr {
	__u64 quads[2];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* kernels without BTF of modules (before 5.11) know nothing of these: ask bpf_core_type_exists() */
struct dp_upcall_info {
	__u32 portid;	/* netlink socket that gets it, 0: nobody */
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

struct sw_flow_id {
	__u32 ufid_len;
	__u32 ufid[4];
};

struct sw_flow_actions {
	__u32 actions_len;
};

struct sw_flow {
	struct sw_flow_id id;
	struct sw_flow_actions *sf_acts;
};

struct datapath {
	struct hlist_head *ports;	/* OVS_PORT_BUCKETS of them */
};

/* in sk_buff.cb while the datapath has the packet */
struct ovs_skb_cb {
	struct vport *input_vport;
	__u16 acts_origlen;	/* bytes of the flow's actions as they came by netlink */
};

/* what a ct action asks for */
struct ovs_conntrack_info {
	struct nf_conntrack_zone zone;
	__u8 commit : 1;
	__u8 nat : 3;
	__u8 force : 1;
};

/* a flow's key as the datapath has it; what a packet has no use for may be anything */
struct sw_flow_key {
	struct {
		__u16 in_port;
	} phy;
	__u32 recirc_id;
	__u8 ct_state;	/* OVS_CS_F_* */
	struct {
		__u8 src[6], dst[6];
		__be16 type;
	} eth;
	struct {
		__u8 proto;	/* of ARP: its operation */
		__u8 tos, ttl;
	} ip;
	struct {
		__be16 src, dst;
	} tp;
	/* these two share their place */
	struct {
		struct {
			__be32 src, dst;
		} addr;
	} ipv4;
	struct {
		struct {
			struct in6_addr src, dst;
		} addr;
	} ipv6;
};

/* the kernel has its own number for a set action whose mask it made */
enum ovs_action_attr___kernel {
	OVS_ACTION_ATTR_SET_TO_MASKED___kernel = 0xffff,
};

#pragma clang attribute pop

/* net/openvswitch/datapath.h: DP_VPORT_HASH_BUCKETS, the same since 3.3 */
#define OVS_PORT_BUCKETS 1024

#endif
