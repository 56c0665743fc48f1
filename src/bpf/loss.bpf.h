/* SPDX-License-Identifier: GPL-2.0-only */
/* loss.bpf.h: counters of what a program could not report; core/run.c prints those that are not zero. */
#ifndef NETSONDE_LOSS_BPF_H
#define NETSONDE_LOSS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

/* the enum stands in the object's BTF because of this: the ledger reads its names there */
const volatile enum sonde_loss loss_names = 0;

static __always_inline void loss_add(enum sonde_loss loss)
{
	__u32 index = loss;
	__u64 *count = bpf_map_lookup_elem(&losses, &index);

	if (count)
		*count += 1;
}

#endif
