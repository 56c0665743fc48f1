// SPDX-License-Identifier: GPL-2.0-only
/* floor.bpf.c: programs that do nothing, or next to nothing: what a probe costs before it does its work. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "bpf/hist.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/kfree_skb") int empty_rt(void *ctx)
{
	return 0;
}

SEC("tp_btf/kfree_skb") int empty_tp(void *ctx)
{
	return 0;
}

SEC("tracepoint/skb/kfree_skb") int empty_classic(void *ctx)
{
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} counts SEC(".maps");

/* one lookup in a per-CPU hash map by 8 bytes: the least that counts by a key */
SEC("tp_btf/kfree_skb") int count_tp(__u64 *ctx)
{
	__u64 key = ctx[1], one = 1;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (count)
		*count += 1;
	else
		bpf_map_update_elem(&counts, &key, &one, BPF_NOEXIST);
	return 0;
}

/* the probes that path summary has on path host-tx, so many times a packet: see bench/in-vm.sh */
#define EMPTY(name, section)                                                                       \
	SEC(section) int name(void *ctx)                                                           \
	{                                                                                          \
		return 0;                                                                          \
	}

EMPTY(path_out, "fentry/__ip_local_out")
EMPTY(path_queue, "tp_btf/net_dev_queue")
EMPTY(path_xmit, "tp_btf/net_dev_start_xmit")
EMPTY(path_ovs, "fentry/ovs_vport_receive")
EMPTY(path_actions, "fentry/ovs_execute_actions")
EMPTY(path_consume, "tp_btf/consume_skb")
EMPTY(path_drop, "tp_btf/kfree_skb")

/*
 * The least that such programs do to time a packet, in two steps. least_*: find its slot by skb->head, as a map of all
 * packets on their way must, and write down the time. timed_*: add the time since the stage before to a histogram of
 * this stage and CPU, too, and the whole at the last one. No filter, no choice of stages, no copies, no losses.
 */
struct sk_buff {
	unsigned char *head;
} __attribute__((preserve_access_index));

struct slot {
	__u64 key;
	__u64 at, first;
};

#define STAGES 8
#define STAGE_LAST 5

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

/* by CPU and stage */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8 * STAGES);
	__type(key, __u32);
	__type(value, struct sonde_hist);
} times SEC(".maps");

static __always_inline void time_add(__u32 stage, __u64 ns)
{
	__u32 index = (bpf_get_smp_processor_id() & 7) * STAGES + stage;
	struct sonde_hist *hist = bpf_map_lookup_elem(&times, &index);

	if (hist)
		hist_add(hist, ns);
}

static __always_inline int least(__u64 address, __u32 stage, int timed)
{
	const __u64 head = (__u64)((struct sk_buff *)address)->head;
	__u32 index = (head * 0x9E3779B97F4A7C15ULL) >> 50;
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	__u64 now;

	if (!slot)
		return 0;
	if (!stage)
		slot->key = head;
	if (slot->key != head)
		return 0;
	now = bpf_ktime_get_ns();
	if (timed && !stage)
		slot->first = now;
	if (timed && stage)
		time_add(stage, now - slot->at);
	if (timed && stage == STAGE_LAST)
		time_add(0, now - slot->first);
	slot->at = now;
	return 0;
}

#define LEAST(place, section, arg, stage)                                                          \
	SEC(section) int least_##place(__u64 *ctx)                                                 \
	{                                                                                          \
		return least(ctx[arg], stage, 0);                                                  \
	}                                                                                          \
	SEC(section) int timed_##place(__u64 *ctx)                                                 \
	{                                                                                          \
		return least(ctx[arg], stage, 1);                                                  \
	}

LEAST(out, "fentry/__ip_local_out", 2, 0)
LEAST(queue, "tp_btf/net_dev_queue", 0, 1)
LEAST(xmit, "tp_btf/net_dev_start_xmit", 0, 2)
LEAST(ovs, "fentry/ovs_vport_receive", 1, 3)
LEAST(actions, "fentry/ovs_execute_actions", 1, 4)
LEAST(consume, "tp_btf/consume_skb", 0, STAGE_LAST)
LEAST(drop, "tp_btf/kfree_skb", 0, 6)
