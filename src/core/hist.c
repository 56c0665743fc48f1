// SPDX-License-Identifier: GPL-2.0-only
/* hist.c: read, sum and print log-linear histograms. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/hist.h"

#define BAR 40

void hist_merge(struct sonde_hist *sum, const struct sonde_hist *from)
{
	sum->count += from->count;
	sum->sum += from->sum;
	if (from->max > sum->max)
		sum->max = from->max;
	for (__u32 i = 0; i < HIST_BUCKETS; i++)
		sum->buckets[i] += from->buckets[i];
}

int hist_take(int map, __u32 index, struct sonde_hist *sum)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct sonde_hist *each = cpus > 0 ? calloc(cpus, sizeof(*each)) : NULL, *empty = NULL;

	if (!each)
		return -ENOMEM;
	if (bpf_map_lookup_elem(map, &index, each)) {
		err = -errno;
		goto out;
	}
	for (int cpu = 0; cpu < cpus; cpu++)
		hist_merge(sum, &each[cpu]);
	empty = calloc(cpus, sizeof(*empty));
	if (!empty || bpf_map_update_elem(map, &index, empty, BPF_ANY))
		err = -ENOMEM;
out:
	free(each);
	free(empty);
	return err;
}

__u64 hist_percentile(const struct sonde_hist *hist, double percent)
{
	double wanted = hist->count * percent / 100;
	__u64 passed = 0;

	if (!hist->count)
		return 0;
	for (__u32 i = 0; i < HIST_BUCKETS; i++) {
		__u64 low = hist_bucket_low(i), high, middle;

		passed += hist->buckets[i];
		if (!hist->buckets[i] || passed < wanted)
			continue;
		high = i + 1 < HIST_BUCKETS ? hist_bucket_low(i + 1) - 1 : UINT64_MAX;
		middle = low + (high - low) / 2;
		return middle < hist->max ? middle : hist->max;
	}
	return hist->max;
}

json_t *hist_json(const struct sonde_hist *hist)
{
	json_t *buckets = json_array();

	for (__u32 i = 0; i < HIST_BUCKETS; i++) {
		__u64 high = i + 1 < HIST_BUCKETS ? hist_bucket_low(i + 1) - 1 : UINT64_MAX;

		if (hist->buckets[i])
			json_array_append_new(buckets, json_pack("{s:I, s:I, s:I}", "from",
								 (json_int_t)hist_bucket_low(i),
								 "to", (json_int_t)high, "count",
								 (json_int_t)hist->buckets[i]));
	}
	return json_pack("{s:I, s:f, s:I, s:I, s:I, s:I, s:o}", "count", (json_int_t)hist->count,
			 "mean", hist->count ? (double)hist->sum / hist->count : 0.0, "max",
			 (json_int_t)hist->max, "p50", (json_int_t)hist_percentile(hist, 50), "p90",
			 (json_int_t)hist_percentile(hist, 90), "p99",
			 (json_int_t)hist_percentile(hist, 99), "buckets", buckets);
}

/* buckets of one octave: from 2^octave to 2^(octave + 1) - 1; octave 0 holds 0 and 1 */
static __u64 octave_count(const struct sonde_hist *hist, __u32 octave)
{
	__u64 count = octave ? 0 : hist->buckets[0];

	for (__u32 i = 1; i < HIST_BUCKETS; i++) {
		if (hist_log2(hist_bucket_low(i)) == octave)
			count += hist->buckets[i];
	}
	return count;
}

void hist_text(const struct sonde_hist *hist, const char *unit, FILE *to)
{
	__u32 first = 64, last = 0;
	__u64 most = 0, counts[64];

	if (!hist->count)
		return;
	for (__u32 octave = 0; octave < 64; octave++) {
		counts[octave] = octave_count(hist, octave);
		if (!counts[octave])
			continue;
		first = octave < first ? octave : first;
		last = octave;
		most = counts[octave] > most ? counts[octave] : most;
	}
	for (__u32 octave = first; octave <= last; octave++) {
		fprintf(to, "%12" PRIu64 " - %-8" PRIu64 " %10" PRIu64 " ",
			(uint64_t)(octave ? 1ULL << octave : 0), (uint64_t)((2ULL << octave) - 1),
			(uint64_t)counts[octave]);
		for (__u64 i = 0; i < counts[octave] * BAR / most; i++)
			fputc('#', to);
		fputc('\n', to);
	}
	fprintf(to,
		"    mean %.0f  p50 %" PRIu64 "  p90 %" PRIu64 "  p99 %" PRIu64 "  max %" PRIu64
		" %s\n",
		(double)hist->sum / hist->count, (uint64_t)hist_percentile(hist, 50),
		(uint64_t)hist_percentile(hist, 90), (uint64_t)hist_percentile(hist, 99),
		(uint64_t)hist->max, unit);
}
