/* SPDX-License-Identifier: GPL-2.0-only */
/* loss.bpf.h: counters of what a program could not report; core/run.c prints those that are not zero. */
#ifndef NETSONDE_LOSS_BPF_H
#define NETSONDE_LOSS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSS_MAX);
	/* the enum stands in the object's BTF because of this: the ledger reads its names there */
	__type(key, enum sonde_loss);
	__type(value, __u64);
} losses SEC(".maps");

static __always_inline void loss_add(enum sonde_loss loss)
{
	__u32 index = loss;
	__u64 *count = bpf_map_lookup_elem(&losses, &index);

	if (count)
		*count += 1;
}

#endif
