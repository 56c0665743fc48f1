/* SPDX-License-Identifier: GPL-2.0-only */
/* hist.h: histograms of programs, summed over CPUs, as percentiles and bars. */
#ifndef NETSONDE_CORE_HIST_H
#define NETSONDE_CORE_HIST_H

#include <jansson.h>
#include <stdio.h>

#include "abi/hist.h"

/** hist_take: add element index of a per-CPU array of struct sonde_hist to sum, and empty it. Returns 0 or -errno. */
int hist_take(int map, __u32 index, struct sonde_hist *sum);
/** hist_merge: add from to sum. */
void hist_merge(struct sonde_hist *sum, const struct sonde_hist *from);
/**
 * hist_percentile: the value below or at which percent of all values lie, 0 to
 * 100; the middle of its bucket, at most 1/64 off and never above the exact maximum. 0 if empty.
 */
__u64 hist_percentile(const struct sonde_hist *hist, double percent);
/** {count, mean, max, p50, p90, p99, buckets: [{from, to, count}, ...]}; only buckets that count. */
json_t *hist_json(const struct sonde_hist *hist);
/** One line an octave with a bar, and a line with mean, percentiles and maximum. */
void hist_text(const struct sonde_hist *hist, const char *unit, FILE *to);

#endif
