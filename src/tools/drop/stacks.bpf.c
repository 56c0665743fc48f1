// SPDX-License-Identifier: GPL-2.0-only
/* drop stacks: counts of skbs freed as drops, by any of reason, place, stack, device, namespace and flow. */
#include "sonde.bpf.h"
#include "abi/drop.h"
#include "kernel/skb.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "device.bpf.h"
#include "drop.bpf.h"
#include "stack.bpf.h"
#include "hist.bpf.h"

const volatile __u32 cfg_by_reason = 1;
const volatile __u32 cfg_by_dev = 1;
const volatile __u32 cfg_by_netns = 0;
const volatile __u32 cfg_by_place = 1;
const volatile __u32 cfg_by_stack = 1;
const volatile __u32 cfg_by_flow = 0;
const volatile __u32 cfg_sizes = 0;

/* user space flips it at each interval and reads the finished half, so no count is read while it grows */
__u32 epoch = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__uint(key_size, sizeof(struct drop_key));
	__uint(value_size, sizeof(struct drop_row));
} drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(struct seen_key));
	__uint(value_size, sizeof(__u64));
} seen SEC(".maps");

/* frame lengths of the drops that are shown, one histogram an epoch */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct sonde_hist);
} sizes SEC(".maps");

/* for the schema */
const struct drop_key *key_of_drops __attribute__((unused));
const struct drop_row *row_of_drops __attribute__((unused));

static __always_inline int row_count(void *ctx, struct sk_buff *skb, __u64 place, __u32 reason,
				     enum sonde_access access)
{
	const struct drop drop = { .skb = skb, .place = place, .reason = reason };
	struct drop_key key = {};
	struct drop_row *row, first = { .count = 1 };
	struct net_device *dev;

	key.epoch = epoch;
	key.benign = drop_is_benign(access, &drop);
	dev = sonde_dev(access, skb);
	if (cfg_by_reason)
		key.reason = drop.reason;
	if (cfg_by_dev)
		key.device.ifindex = dev ? SONDE_READ(access, dev, ifindex)
					 : SONDE_READ(access, skb, skb_iif);
	else if (cfg_by_netns)
		key.device.ifindex = SONDE_ANY_DEVICE;
	if (cfg_by_dev || cfg_by_netns)
		key.device.netns = sonde_netns(access, skb, dev);
	if (cfg_by_place)
		key.place = drop.place;
	if (cfg_by_stack)
		key.stack = stack_id(ctx, drop.place);
	if (cfg_by_flow)
		flow_parse(access, skb, &key.flow);

	first.bytes = drop_length(access, skb);
	if (cfg_sizes && (cfg_all || !key.benign)) {
		__u32 half = key.epoch & 1;
		struct sonde_hist *hist = bpf_map_lookup_elem(&sizes, &half);

		if (hist)
			hist_add(hist, first.bytes);
	}
	row = bpf_map_lookup_elem(&drops, &key);
	if (row) {
		row->count += 1;
		row->bytes += first.bytes;
		return 0;
	}
	if (cfg_by_dev)
		device_remember(dev, &key.device);
	if (bpf_map_update_elem(&drops, &key, &first, BPF_NOEXIST)) {
		/* another CPU may have made the row since: it has a zero for this CPU */
		row = bpf_map_lookup_elem(&drops, &key);
		if (!row) {
			loss_add(LOSS_rows);
			return 0;
		}
		row->count += 1;
		row->bytes += first.bytes;
	}
	return 0;
}

/* functions of their own, beside each other: filter and row together would need more stack than a program may have */
static __noinline int wanted_direct(struct sk_buff *skb)
{
	return sonde_forget(filter_pass(SONDE_DIRECT, skb));
}

static __noinline int wanted_probe(struct sk_buff *skb)
{
	return sonde_forget(filter_pass(SONDE_PROBE, skb));
}

static __noinline int row_direct(void *ctx, struct sk_buff *skb, __u64 place, __u32 reason)
{
	return row_count(ctx, skb, place, reason, SONDE_DIRECT);
}

static __noinline int row_probe(void *ctx, struct sk_buff *skb, __u64 place, __u32 reason)
{
	return row_count(ctx, skb, place, reason, SONDE_PROBE);
}

static __always_inline int count_drop(void *ctx, struct drop drop, enum sonde_access access)
{
	if (flt.set && !(access == SONDE_DIRECT ? wanted_direct(drop.skb) : wanted_probe(drop.skb)))
		return 0;
	return access == SONDE_DIRECT ? row_direct(ctx, drop.skb, drop.place, drop.reason)
				      : row_probe(ctx, drop.skb, drop.place, drop.reason);
}

static __always_inline int count_free(void *ctx, const __u64 *args, enum sonde_access access)
{
	return count_drop(ctx, drop_read(args), access);
}

static __always_inline int count_ovs(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct drop drop;

	return drop_read_ovs(access, args, &drop) ? count_drop(ctx, drop, access) : 0;
}

HOOK_TRACEPOINT(drop, kfree_skb, count_free)
HOOK_FUNCTION(ovs_actions, do_execute_actions, count_ovs)

static __always_inline int count_seen(struct sk_buff *skb, enum sonde_access access,
				      enum seen_where where)
{
	struct seen_key key = { .where = where };
	struct net_device *dev;
	__u64 *count, one = 1;

	if (!filter_pass(access, skb))
		return 0;
	key.epoch = epoch;
	/* before routing has chosen a device the namespace alone says where */
	dev = where == SEEN_local_out ? NULL : sonde_dev(access, skb);
	if (dev)
		key.device.ifindex = SONDE_READ(access, dev, ifindex);
	key.device.netns = sonde_netns(access, skb, dev);
	count = bpf_map_lookup_elem(&seen, &key);
	if (count) {
		*count += 1;
		return 0;
	}
	device_remember(dev, &key.device);
	if (bpf_map_update_elem(&seen, &key, &one, BPF_NOEXIST)) {
		count = bpf_map_lookup_elem(&seen, &key);
		if (count)
			*count += 1;
		else
			loss_add(LOSS_seen);
	}
	return 0;
}

static __always_inline int seen_receive(void *ctx, const __u64 *args, enum sonde_access access)
{
	return count_seen((struct sk_buff *)args[0], access, SEEN_receive);
}

static __always_inline int seen_transmit(void *ctx, const __u64 *args, enum sonde_access access)
{
	return count_seen((struct sk_buff *)args[0], access, SEEN_transmit);
}

/* __ip_local_out(net, sk, skb) */
static __always_inline int seen_local_out(void *ctx, const __u64 *args, enum sonde_access access)
{
	return count_seen((struct sk_buff *)args[2], access, SEEN_local_out);
}

HOOK_TRACEPOINT(receive, netif_receive_skb, seen_receive)
HOOK_TRACEPOINT(transmit, net_dev_queue, seen_transmit)
HOOK_FUNCTION(local_out4, __ip_local_out, seen_local_out)
HOOK_FUNCTION(local_out6, __ip6_local_out, seen_local_out)
HOOKS_HANDLED
