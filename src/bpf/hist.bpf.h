/* SPDX-License-Identifier: GPL-2.0-only */
/* hist.bpf.h: add a value to a histogram that belongs to this CPU. */
#ifndef NETSONDE_HIST_BPF_H
#define NETSONDE_HIST_BPF_H

#include "abi/hist.h"

/**
 * hist_add_at: value belongs into bucket index, see hist_index(). hist must belong to this CPU. Sums are atomic because a softirq may interrupt a program on
 * its own CPU; of two maxima at once the kernel may keep the smaller. Cost: some 40 instructions.
 */
static __always_inline void hist_add_at(struct sonde_hist *hist, __u64 value, __u32 index)
{
	__sync_fetch_and_add(&hist->count, 1);
	__sync_fetch_and_add(&hist->sum, value);
	if (value > hist->max)
		hist->max = value;
	if (index < HIST_BUCKETS)
		__sync_fetch_and_add(&hist->buckets[index], 1);
}

static __always_inline void hist_add(struct sonde_hist *hist, __u64 value)
{
	hist_add_at(hist, value, hist_index(value));
}

#endif
