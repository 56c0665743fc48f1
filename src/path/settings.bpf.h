/* SPDX-License-Identifier: GPL-2.0-only */
/* settings.bpf.h: what a run tells the programs of the path, set by path/engine.c. */
#ifndef NETSONDE_PATH_SETTINGS_BPF_H
#define NETSONDE_PATH_SETTINGS_BPF_H

#include "abi/path.h"

/* the stages of the path that this run looks at; set by path/engine.c */
/* buckets of values below 512, and of those below 65536 in steps of 16, which no bucket divides */
const volatile __u16 path_buckets_fine[PATH_FINE] = {}, path_buckets_coarse[PATH_COARSE] = {};
const volatile __u32 path_begins = 0, path_ends = 0;	/* bits by enum path_stage */
const volatile __u8 path_edges[STAGE_MAX][STAGE_MAX] = {};	/* [to][from]: the cell */
const volatile __u32 path_cells = CELL_EDGES;
const volatile __u32 path_upcall_cells = 0;	/* from a cell to that of packets that had an upcall */
const volatile __u32 path_flags[STAGE_MAX] = {};	/* enum path_flag */
/* path rtt: the same for the echo reply to a packet that has ended */
const volatile __u32 path_reply_begins = 0, path_reply_ends = 0;
const volatile __u8 path_reply_edges[STAGE_MAX][STAGE_MAX] = {};
const volatile struct path_device path_devices[PATH_DEVICES] = {};
const volatile __u32 path_device_count = 0;
const volatile __u32 path_devices_more = 0;	/* how many there are in more_devices */
const volatile __u32 path_tunnels = 0;	/* the path has a STAGE_tunnel, behind which there is GRO again */
const volatile __u32 path_decap = 0;	/* what begins is in a tunnel, and goes on behind it */
const volatile __u32 path_port = 0;	/* only one internal port counts */
const volatile __u32 path_netns = 0;	/* whose IP output begins path host-tx */
const volatile __u32 path_set_mask = 0;	/* sets of flights less one */

/* path pair: times between the packets of a flow */
const volatile __u32 cfg_gaps = 0;

/* path metrics: bytes, CPUs, queues and their lengths */
const volatile __u32 cfg_metrics = 0;

/* path summary --top: the same by flow */
const volatile __u32 cfg_flows = 0;
__u32 epoch = 0;	/* user space flips it at each interval and reads the finished half */

/* path details */
const volatile __u32 cfg_details = 0;
const volatile __u32 cfg_bytes = 0;		/* the first bytes are kept: a packet may end without an skb */
const volatile __u32 cfg_bytes_twice = 0;	/* and taken once more when it ends */
const volatile __u32 cfg_lost = 0;		/* events for packets that did not end */
const volatile __u32 cfg_slow = 0;		/* thresholds are set: quick packets are no events */
const volatile __u64 cfg_threshold = 0;		/* ns in all; 0: none */
const volatile __u32 cfg_stage_thresholds = 0;	/* there are such */
const volatile __u64 cfg_stage_threshold[STAGE_MAX] = {};	/* ns from this stage to the next */

/* ifindex of the only internal port that counts */
__u32 path_port_ifindex = 0;

/*
 * 0 as long as no packet is in flight: then a stage costs two instructions. Set
 * by a packet that begins, cleared by user space when none has for a second.
 */
__u32 path_active = 0;
/* 1 while packets may begin: from when all is attached until the run ends */
__u32 path_open = 0;

#endif
