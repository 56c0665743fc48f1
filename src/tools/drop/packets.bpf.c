// SPDX-License-Identifier: GPL-2.0-only
/* drop packets: each skb freed as a drop, with headers, reason, place, stack and, for a capture file, its bytes. */
#include "sonde.bpf.h"
#include "kernel/skb.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "drop.bpf.h"
#include "event.bpf.h"

#define REASON_LIST_MAX 32

/* --reason: a bitmap for the core reasons (below 256), a list for those of subsystems */
const volatile __u32 cfg_reasons = 0;
const volatile __u64 cfg_reason_bits[4] = {};
const volatile __u32 cfg_reason_list[REASON_LIST_MAX] = {};
const volatile __u32 cfg_reason_count = 0;
const volatile __u32 cfg_stack = 1;
const volatile __u32 cfg_frame = 0;

struct drop_packet {
	sonde_time at;
	sonde_reason reason;
	sonde_cpu cpu;
	sonde_place place;
	struct sonde_device device;
	sonde_pid pid;
	__u32 unused;
	sonde_comm comm;
	struct sonde_packet packet;
	struct sonde_stack stack;
	struct sonde_frame frame;
};

EVENT(drop_packet);

static __always_inline bool reason_wanted(sonde_reason reason)
{
	if (reason < 256)
		return cfg_reason_bits[reason / 64] & (1ULL << (reason % 64));
	for (__u32 i = 0; i < REASON_LIST_MAX; i++) {
		if (i >= cfg_reason_count)
			break;
		if (cfg_reason_list[i] == reason)
			return true;
	}
	return false;
}

/* the linear part of the packet, from the Ethernet header where there is one */
static __always_inline void frame_copy(enum sonde_access access, struct sk_buff *skb,
				       const struct sonde_packet *packet, struct sonde_frame *frame)
{
	const unsigned char *start = SONDE_READ(access, skb, head) + packet->start;
	__u32 size = packet->linear < SONDE_FRAME_MAX ? packet->linear : SONDE_FRAME_MAX;

	frame->ethernet = packet->outer.has & SONDE_HAS_ETH ? 1 : 0;
	frame->unused = 0;
	frame->length = packet->length;
	frame->captured = 0;
	if (size && !bpf_probe_read_kernel(frame->data, size, start))
		frame->captured = size;
}

static __always_inline int report_drop(void *ctx, struct drop drop, enum sonde_access access)
{
	/* the frame's bytes stand last and are left away when no capture file wants them */
	const __u64 size = cfg_frame ? sizeof(struct drop_packet)
				     : offsetof(struct drop_packet, frame);
	struct sk_buff *skb = drop.skb;
	struct drop_packet *event;
	struct net_device *dev;

	if (!filter_examine(access, skb))
		return 0;
	if (!cfg_all && drop_is_benign(access, &drop)) {
		loss_add(LOSS_benign);
		return 0;
	}
	if (!event_wanted())
		return 0;
	event = cfg_frame ? event_reserve(sizeof(struct drop_packet))
			  : event_reserve(offsetof(struct drop_packet, frame));
	if (!event)
		return 0;

	event->at = bpf_ktime_get_ns();
	event->reason = drop.reason;
	event->place = drop.place;
	event->cpu = bpf_get_smp_processor_id();
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->unused = 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	dev = sonde_dev(access, skb);
	event->device.ifindex = dev ? SONDE_READ(access, dev, ifindex)
				    : SONDE_READ(access, skb, skb_iif);
	event->device.netns = sonde_netns(access, skb, dev);
	__builtin_memset(event->device.name, 0, sizeof(event->device.name));
	if (dev)
		bpf_probe_read_kernel(event->device.name, sizeof(event->device.name), dev->name);
	packet_parse(access, skb, &event->packet);
	event->stack.frames = 0;
	event->stack.unused = 0;
	if (cfg_stack) {
		long bytes = bpf_get_stack(ctx, event->stack.ip, sizeof(event->stack.ip), 0);

		if (bytes > 0)
			event->stack.frames = (__u32)bytes / sizeof(__u64);
		else
			loss_add(LOSS_stacks);
	}
	if (cfg_frame)
		frame_copy(access, skb, &event->packet, &event->frame);
	event_submit(ctx, event, size);
	return 0;
}

/*
 * Not inlined: what a refused packet does not need would be read before the
 * filter, and its registers saved. ctx is args for both kinds of tracepoint.
 */
static __noinline int report_direct(__u64 *ctx)
{
	return report_drop(ctx, drop_read(ctx), SONDE_DIRECT);
}

static __noinline int report_probe(__u64 *ctx)
{
	return report_drop(ctx, drop_read(ctx), SONDE_PROBE);
}

static __always_inline int report_free(void *ctx, const __u64 *args, enum sonde_access access)
{
	if (cfg_reasons && !reason_wanted(drop_read(args).reason))
		return 0;
	if (filter_refuses(access, (struct sk_buff *)args[0]))
		return 0;
	return access == SONDE_DIRECT ? report_direct(ctx) : report_probe(ctx);
}

static __always_inline int report_ovs(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct drop drop;

	if (!drop_read_ovs(access, args, &drop) || (cfg_reasons && !reason_wanted(drop.reason)) ||
	    filter_refuses(access, drop.skb))
		return 0;
	return report_drop(ctx, drop, access);
}

HOOK_TRACEPOINT(drop, kfree_skb, report_free)
HOOK_FUNCTION(ovs_actions, do_execute_actions, report_ovs)
HOOKS_HANDLED
