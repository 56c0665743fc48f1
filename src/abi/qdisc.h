/* SPDX-License-Identifier: GPL-2.0-only */
/* qdisc.h: rows of drop qdisc. */
#ifndef NETSONDE_ABI_QDISC_H
#define NETSONDE_ABI_QDISC_H

#include "abi/types.h"

struct qdisc_key {
	__u16 epoch;
	__u16 unused;
	sonde_queue queue;
	struct sonde_device_key device;
	sonde_name kind;
	sonde_handle handle;
	sonde_limit limit;
	sonde_reason reason;
	sonde_xmit return_code;
};

/**
 * Sums; user space prints length and backlog as the mean over count. Where the
 * kernel keeps them per CPU each drop adds SONDE_GAUGE_UNKNOWN, so that the mean is that too.
 */
struct qdisc_row {
	sonde_count count;
	sonde_bytes bytes;
	sonde_level qlen;
	sonde_level backlog;
};

#endif
