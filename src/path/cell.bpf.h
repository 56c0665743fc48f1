/* SPDX-License-Identifier: GPL-2.0-only */
/* cell.bpf.h: what each CPU counts: packets, and times in the histograms of the path's edges. */
#ifndef NETSONDE_PATH_CELL_BPF_H
#define NETSONDE_PATH_CELL_BPF_H

#include "hist.bpf.h"
#include "path/settings.bpf.h"

/* one element a CPU; not a per-CPU map, which costs a call and cannot be mapped to user space */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct path_cpu));
} cpus SEC(".maps");

static __always_inline struct path_cpu *path_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpus, &cpu);
}

/* once for all calls: each of its many branches would be verified at each of them */
__noinline int path_bucket_of_long(__u64 ns)
{
	return hist_index(ns);
}

/* hist_index() by table where packets are quick: a third of its cost */
static __always_inline __u32 path_bucket_of(__u64 ns)
{
	__u64 fine = ns, coarse;

	BELOW(fine, PATH_FINE, not_fine);
	return path_buckets_fine[fine];
not_fine:
	coarse = ns / PATH_COARSE_STEP;
	BELOW(coarse, PATH_COARSE, long_time);
	return path_buckets_coarse[coarse];
long_time:
	return path_bucket_of_long(ns);
}

/*
 * A maximum of this CPU's. A softirq may come after the comparison and before the store, and its larger value be
 * lost: then it has put that into second, too, where ours is the smaller one. Without an atomic operation, which
 * kernels have since 5.12.
 */
static __always_inline void path_max(volatile __u64 *max, volatile __u64 *second, __u64 value)
{
	*max = value;
	if (value > *second)
		*second = value;
}

/*
 * The cells end where the map's element ends. How many values there are user space sums up from the buckets; the
 * word for it holds a maximum, see path_max().
 */
static __always_inline void path_add(struct path_cpu *here, __u64 cell, __u64 ns)
{
	const __u64 end = path_cells;
	struct sonde_hist *hist;
	__u64 bucket;

	BELOW(cell, end, none);
	hist = &here->cells[cell];
	__sync_fetch_and_add(&hist->sum, ns);
	if (ns > hist->max)
		path_max(&hist->max, &hist->count, ns);
	bucket = path_bucket_of(ns);
	BELOW(bucket, HIST_BUCKETS, none);
	__sync_fetch_and_add(&hist->buckets[bucket], 1);
none:;
}

#endif
