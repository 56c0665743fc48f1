/* SPDX-License-Identifier: GPL-2.0-only */
/* meter.bpf.h: path metrics: packets, bytes, CPUs and queues at each stage. */
#ifndef NETSONDE_PATH_METER_BPF_H
#define NETSONDE_PATH_METER_BPF_H

#include "kernel/qdisc.h"
#include "path/flight.bpf.h"

/* one element a CPU, as in cpus */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_meters);
} meters SEC(".maps");

/* the kernel's own, a copy a CPU; a kernel whose types do not have it shows no backlog */
extern const struct softnet_data softnet_data __ksym __weak;

static __always_inline void meter_depth(struct path_meter *meter, __u64 depth)
{
	__sync_fetch_and_add(&meter->depths, 1);
	__sync_fetch_and_add(&meter->depth_sum, depth);
	if (depth > meter->depth_max)
		meter->depth_max = depth;
}

/* the length of the queue that a packet is about to join; kinds that count per CPU do not say */
static __always_inline void meter_qdisc(enum sonde_access access, struct sk_buff *skb, struct path_meter *meter,
					__u32 queue)
{
	struct net_device *dev = SONDE_READ(access, skb, dev);
	__u64 at = sonde_address_of(SONDE_READ(access, dev, _tx));
	struct Qdisc *qdisc;

	at += (__u64)queue * bpf_core_type_size(struct netdev_queue);
	qdisc = BPF_CORE_READ((struct netdev_queue *)at, qdisc);
	if (qdisc && !(BPF_CORE_READ(qdisc, flags) & TCQ_F_CPUSTATS))
		meter_depth(meter, BPF_CORE_READ(qdisc, q.qlen));
}

static __always_inline void meter_queue(__u64 *queues, __u64 queue)
{
	BELOW(queue, PATH_QUEUES, beyond);
	__sync_fetch_and_add(&queues[queue], 1);
	return;
beyond: /* the last counts all above */
	__sync_fetch_and_add(&queues[PATH_QUEUES - 1], 1);
}

static __always_inline int meter_count(enum sonde_access access, struct sk_buff *skb, struct path_flight *flight,
				       __u64 stage, bool begins)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct path_meters *here = bpf_map_lookup_elem(&meters, &cpu);
	struct path_meter *meter;
	__u64 queue;

	if (!here)
		return 0;
	BELOW(stage, STAGE_MAX, none);
	meter = &here->stage[stage];
	__sync_fetch_and_add(&meter->packets, 1);
	__sync_fetch_and_add(&meter->bytes, SONDE_READ(access, skb, len));
	if (!begins && flight->cpu != cpu)
		__sync_fetch_and_add(&meter->cpu_changes, 1);
	flight->cpu = cpu;
	queue = SONDE_READ(access, skb, queue_mapping);
	if (stage == STAGE_qdisc || stage == STAGE_driver) {
		if (stage == STAGE_qdisc)
			meter_qdisc(access, skb, meter, queue);
		else
			meter_queue(here->tx_queues, queue);
	}
	/* what is received has the number of its queue and one, or 0 if the driver does not say */
	if (begins && queue && (stage == STAGE_nic || stage == STAGE_receive))
		meter_queue(here->rx_queues, queue - 1);
none:
	return 0;
}

/* a stage without an skb; past: it is only noted now, perhaps on another CPU */
static __noinline int meter_bare(struct path_flight *flight, __u64 stage, bool past)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct path_meters *here = bpf_map_lookup_elem(&meters, &cpu);

	if (!here)
		return 0;
	BELOW(stage, STAGE_MAX, none);
	__sync_fetch_and_add(&here->stage[stage].packets, 1);
	if (past)
		return 0;
	if (flight->cpu != cpu)
		__sync_fetch_and_add(&here->stage[stage].cpu_changes, 1);
	flight->cpu = cpu;
none:
	return 0;
}

static __noinline int meter_direct(struct sk_buff *skb, struct path_flight *flight, __u32 stage, bool begins)
{
	return meter_count(SONDE_DIRECT, skb, flight, stage, begins);
}

static __noinline int meter_probe(struct sk_buff *skb, struct path_flight *flight, __u32 stage, bool begins)
{
	return meter_count(SONDE_PROBE, skb, flight, stage, begins);
}

static __always_inline void path_meter(enum sonde_access access, struct sk_buff *skb, struct path_flight *flight,
				       __u32 stage, bool begins)
{
	if (access == SONDE_DIRECT)
		meter_direct(skb, flight, stage, begins);
	else
		meter_probe(skb, flight, stage, begins);
}

#endif
