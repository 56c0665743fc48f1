/* SPDX-License-Identifier: GPL-2.0-only */
/* drop.h: rows of drop stacks, as the kernel counts them and user space reads them. */
#ifndef NETSONDE_ABI_DROP_H
#define NETSONDE_ABI_DROP_H

#include "abi/packet.h"
#include "abi/types.h"

/**
 * What drops are grouped by; members not asked for are zero. From the most
 * often used to the least: user space cuts the map's key behind the last
 * member in use, because the hash of the key is most of what a drop costs.
 */
struct drop_key {
	__u16 epoch;
	__u16 benign;	/* 1: a free that is no loss */
	sonde_reason reason;
	struct sonde_device_key device;
	sonde_place place;
	sonde_stack_id stack;
	struct sonde_flow flow;
};

struct drop_row {
	sonde_count count;
	sonde_bytes bytes;
};

/** Where a packet was seen. */
enum seen_where {
	SEEN_receive,
	SEEN_transmit,
	SEEN_local_out,	/* sent by this host, before its device is chosen: the device is 0 */
};

/** Packets that passed the filter, counted once at each place: no place counts one twice. */
struct seen_key {
	__u16 epoch;
	__u16 where;	/* enum seen_where */
	struct sonde_device_key device;
};

#endif
