/* SPDX-License-Identifier: GPL-2.0-only */
/* ovs_drop.h: what ovs drops' programs tell of a packet that Open vSwitch's datapath lost. */
#ifndef NETSONDE_ABI_OVS_DROP_H
#define NETSONDE_ABI_OVS_DROP_H

#include "abi/packet.h"
#include "abi/types.h"

/** How the loss was seen; with the kernel's reason and the place it says why (tools/ovs/drop_cause.c). */
enum ovs_drop_what {
	OVS_FREED,		/* freed as a drop: reason and place tell */
	OVS_EMPTY,		/* by a flow that has no action */
	OVS_NOWHERE,		/* by a flow whose actions hand it to nobody */
	OVS_METERED,		/* by a meter of a kernel that frees such packets as delivered */
	OVS_OUTPUT,		/* at an output port that is there */
	OVS_OUTPUT_GONE,	/* at one that is not */
	OVS_OUTPUT_DOWN,	/* at one that is down or has no carrier */
	OVS_OUTPUT_ANY,		/* at one of which the kernel's types do not let us say it */
	OVS_FRAGMENT,		/* while it was cut to the MTU of its output port */
	OVS_UPCALL,		/* not queued for ovs-vswitchd: error says why */
	OVS_UPCALL_MISS,	/* the same, of a packet that no flow matched */
	OVS_UPCALL_ACTION,	/* the same, of a copy that an action sends there: the packet goes on */
};

#define OVS_NO_PORT 0xffffffffU

struct ovs_drop_facts {
	__u16 what;			/* enum ovs_drop_what */
	__u16 cause;			/* user space: row of the table of causes */
	__s32 error;			/* OVS_UPCALL*: -errno */
	__u32 port;			/* number of the output port, or OVS_NO_PORT */
	__u32 datapath;			/* user space: ifindex of the datapath's own port, 0: unknown */
	struct sonde_device_key output;	/* device of the output port, where the types let us see it */
	__u64 place;			/* that freed it, 0: none did */
};

struct ovs_drop_key {
	__u16 epoch;
	__u16 unused;
	sonde_reason kernel_reason;
	struct sonde_device_key device;
	struct ovs_drop_facts more;
};

struct ovs_drop_row {
	sonde_count count;
	sonde_bytes bytes;
};

/** With --each. */
struct ovs_drop {
	sonde_time at;
	sonde_reason kernel_reason;
	sonde_cpu cpu;
	struct sonde_device device;
	sonde_pid pid;
	__u32 unused;
	sonde_comm comm;
	struct sonde_packet packet;
	struct ovs_drop_facts more;
};

#endif
