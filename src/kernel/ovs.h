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

#endif
