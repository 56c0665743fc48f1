/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hist.h: log-linear histogram, counted by programs and read by user space with
 * the same function. Each power of two is cut into 32 equal buckets, so a value
 * is known to 1/32 of itself at worst, and small numbers exactly; count, sum
 * and maximum are kept exactly beside them. Units are the caller's.
 */
#ifndef NETSONDE_ABI_HIST_H
#define NETSONDE_ABI_HIST_H

#include <linux/types.h>

#define HIST_SUB_BITS 5
#define HIST_SUB (1 << HIST_SUB_BITS)
/* up to 2^40: 18 minutes in ns; larger values count in the last bucket */
#define HIST_LOG2_MAX 40
#define HIST_BUCKETS ((HIST_LOG2_MAX - HIST_SUB_BITS + 1) * HIST_SUB)

struct sonde_hist {
	__u64 count, sum, max;
	__u64 buckets[HIST_BUCKETS];
};

/** Position of the highest bit that is set; 0 for 0. No loop and no table: programs call it. */
static inline __attribute__((always_inline)) __u32 hist_log2(__u64 value)
{
	__u32 bits = 0;

	if (value >> 32) {
		value >>= 32;
		bits += 32;
	}
	if (value >> 16) {
		value >>= 16;
		bits += 16;
	}
	if (value >> 8) {
		value >>= 8;
		bits += 8;
	}
	if (value >> 4) {
		value >>= 4;
		bits += 4;
	}
	if (value >> 2) {
		value >>= 2;
		bits += 2;
	}
	return bits + (value >> 1);
}

/** The bucket that value falls into, below HIST_BUCKETS. */
static inline __attribute__((always_inline)) __u32 hist_index(__u64 value)
{
	__u32 log;

	if (value < HIST_SUB)
		return value;
	if (value >> HIST_LOG2_MAX)
		return HIST_BUCKETS - 1;
	log = hist_log2(value);
	return (log - HIST_SUB_BITS + 1) * HIST_SUB + ((value >> (log - HIST_SUB_BITS)) & (HIST_SUB - 1));
}

/** The smallest value of a bucket. */
static inline __u64 hist_bucket_low(__u32 index)
{
	if (index < 2 * HIST_SUB)
		return index;
	return (__u64)(HIST_SUB + index % HIST_SUB) << (index / HIST_SUB - 1);
}

#endif
