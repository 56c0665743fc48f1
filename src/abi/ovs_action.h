/* SPDX-License-Identifier: GPL-2.0-only */
/* What ovs actions' programs tell of one packet: what the datapath did with it, in order. */
#ifndef NETSONDE_ABI_OVS_ACTION_H
#define NETSONDE_ABI_OVS_ACTION_H

#include <linux/types.h>

#include "abi/packet.h"
#include "abi/types.h"

enum ovs_step_kind {
	STEP_hit,	/* words: UFID as bytes, masks tried, recirculation id */
	STEP_miss,	/* the same without a UFID */
	STEP_action,	/* value: the attribute's, as far as there is room */
	STEP_upcall,	/* words: OVS_PACKET_CMD_* */
};

/** Bits of ovs_step.flags. */
enum ovs_step_flag {
	STEP_COPY = 1 << 0,	/* the skb is not the one that came in */
	STEP_LAST = 1 << 1,	/* the last action of its list: it gets the skb itself, others a clone */
	STEP_UFID = 1 << 2,	/* the flow's UFID is known */
	STEP_MASKS = 1 << 3,	/* the number of masks is known */
	STEP_KEY = 1 << 4,	/* the recirculation id, or what a ct action asks for, is known */
	STEP_LISTED = 1 << 5,	/* seen as its list began, not as it was done */
};

#define STEP_BYTES 32

/** What a ct action asks for, in value. */
struct ovs_step_ct {
	__u16 zone;
	__u8 commit, force, nat;
};

struct ovs_step {
	sonde_nanoseconds at;	/* since the packet's first step */
	union {
		__u8 value[STEP_BYTES];
		__u64 words[STEP_BYTES / 8];
		struct ovs_step_ct ct;
	};
	__u16 action;		/* OVS_ACTION_ATTR_*, as in linux/openvswitch.h */
	__u16 length;		/* of the attribute's value */
	__u8 kind;		/* enum ovs_step_kind */
	__u8 flags;		/* enum ovs_step_flag */
	__u8 unused[2];
};

#define OVS_STEPS 24

struct ovs_steps {
	__u32 count, lost;	/* steps; and those for which there was no room */
	__u32 outputs, upcalls;
	__u32 from_userspace;	/* ovs-vswitchd had the packet executed */
	__u32 from_key;		/* the headers are those of the datapath's key: a flow without actions left no packet to read */
	struct ovs_step step[OVS_STEPS];
};

struct ovs_walk {
	sonde_time at;
	sonde_cpu cpu;
	__u32 unused;
	struct sonde_device device;
	struct sonde_packet packet;
	struct ovs_steps more;
};

/** Of a CPU's walk, after it was looked at. */
enum walk_swept {
	SWEPT_NOTHING,	/* there was none */
	SWEPT_OPEN,
	SWEPT_CLOSED,	/* just now */
};

/** Of packets that passed the filter. */
enum ovs_walk_count {
	WALK_packets,
	WALK_hits,
	WALK_misses,
	WALK_outputs,
	WALK_copies,	/* of the outputs, those that were clones */
	WALK_upcalls,
	WALK_nowhere,	/* packets that were neither sent nor went up */
	WALK_COUNT_MAX,
};

#endif
