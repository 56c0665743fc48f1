// SPDX-License-Identifier: GPL-2.0-only
/* ovs megaflows: upcalls, and the commands by which ovs-vswitchd installs, changes and removes flows. */
#include "sonde.bpf.h"
#include "kernel/netlink.h"
#include "kernel/skb.h"
#include "abi/megaflow.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "look.bpf.h"
#include "event.bpf.h"

#define COMMAND_MISS 1 /* OVS_PACKET_CMD_MISS */

/* generic netlink numbers its families when they come */
const volatile __u32 cfg_packet_family = 0;
const volatile __u32 cfg_flow_family = 0;

EVENT(ovs_megaflow);

/* exists where keys have IPv6 extension headers */
struct ovs_key_ipv6_exthdrs {
	__u16 hdrs;
} __attribute__((preserve_access_index));

/* the upcall that a CPU is about to send: bottom halves are off from its begin to its end */
struct upcall {
	__u64 at;
	__u64 identity; /* of the packet, or of the segment that the next message is for */
	__u32 wanted;
	__u32 sent; /* messages */
	struct sonde_device device;
	struct sonde_packet packet;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct upcall);
} upcalls SEC(".maps");

/* threads that are deleting a flow */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} commands SEC(".maps");

struct message {
	struct nlmsghdr header;
	__u8 command;
};

static __always_inline struct upcall *upcall_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&upcalls, &zero);
}

/* ovs_dp_upcall(dp, skb, key, upcall_info, cutlen) */
static __always_inline int upcall_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	struct upcall *upcall = upcall_here();

	if (!upcall)
		return 0;
	upcall->wanted = 0;
	if (!filter_pass(access, skb))
		return 0;
	upcall->at = bpf_ktime_get_ns();
	upcall->sent = 0;
	sonde_device_fill(access, skb, &upcall->device);
	packet_parse(access, skb, &upcall->packet);
	upcall->wanted = 1;
	return 0;
}

/* queue_userspace_packet(dp, skb, key, upcall_info, cutlen): once a segment of a GSO packet, each with headers of its own */
static __always_inline int segment_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct upcall *upcall = upcall_here();

	if (upcall && upcall->wanted)
		upcall->identity = look_skb(access, (struct sk_buff *)args[1]);
	return 0;
}

static __always_inline void head_fill(struct ovs_megaflow *event, enum megaflow_step step)
{
	const __u64 task = bpf_get_current_pid_tgid();

	event->at = bpf_ktime_get_ns();
	event->pid = task >> 32;
	event->cpu = bpf_get_smp_processor_id();
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->more.step = step;
	event->more.thread = task;
	event->more.result = 0;
	event->more.identity = 0;
	event->more.netns = 0;
	event->more.queued = 0;
	event->more.segment = 0;
	event->more.total = event->more.offset = event->more.length = 0;
	event->more.extension_headers = bpf_core_type_exists(struct ovs_key_ipv6_exthdrs);
	event->packet.length = 0;
	event->packet.outer.has = 0;
	event->packet.tunnel = 0;
	__builtin_memset(&event->device, 0, sizeof(event->device));
}

/* one part of a message; total: of which offset is less */
static __always_inline void part_fill(struct megaflow_message *to, const unsigned char *message, __u32 offset,
				      __u32 total)
{
	__u32 length = total - offset;

	if (length > MEGAFLOW_PART)
		length = MEGAFLOW_PART;
	/* the verifier must see the bound on the register that is the helper's argument */
	asm volatile("" : "+r"(length));
	if (length > MEGAFLOW_PART)
		return;
	to->event.more.total = total;
	to->event.more.offset = offset;
	to->event.more.length = length;
	bpf_probe_read_kernel(to->bytes, length, message + offset);
}

/* bytes of a message, and whose datapath it speaks of */
struct view {
	const unsigned char *bytes;
	__u32 length, netns;
};

static __always_inline void message_send(void *ctx, enum megaflow_step step, const struct view *view)
{
	for (__u32 part = 0; part < MEGAFLOW_PARTS; part++) {
		const __u32 offset = part * MEGAFLOW_PART;
		struct megaflow_message *to;

		if (offset >= view->length)
			break;
		to = event_reserve(sizeof(*to));
		if (!to)
			return;
		head_fill(&to->event, step);
		to->event.more.netns = view->netns;
		part_fill(to, view->bytes, offset, view->length);
		event_submit(ctx, to, sizeof(*to));
	}
}

static __always_inline void upcall_send(void *ctx, const struct view *view)
{
	struct upcall *upcall = upcall_here();
	struct megaflow_message *to;
	struct ovs_megaflow *event;

	if (!upcall || !upcall->wanted || !view->length)
		return;
	upcall->sent++;
	to = event_reserve(sizeof(*to));
	if (!to)
		return;
	event = &to->event;
	head_fill(event, MEGAFLOW_UPCALL);
	event->more.queued = event->at - upcall->at;
	event->at = upcall->at;
	event->device = upcall->device;
	event->packet = upcall->packet;
	event->more.identity = upcall->identity;
	event->more.netns = view->netns;
	event->more.segment = upcall->sent - 1;
	part_fill(to, view->bytes, 0, view->length < MEGAFLOW_PART ? view->length : MEGAFLOW_PART);
	event_submit(ctx, to, sizeof(*to));
}

/* the end of ovs_dp_upcall(): an error is that of its last message */
static __always_inline int upcall_ends(void *ctx, __s32 result)
{
	struct upcall *upcall = upcall_here();
	struct ovs_megaflow *event;
	__u32 sent;

	if (!upcall || !upcall->wanted)
		return 0;
	upcall->wanted = 0;
	sent = upcall->sent;
	if (!result || !sent)
		return 0;
	event = event_reserve(sizeof(*event));
	if (!event)
		return 0;
	head_fill(event, MEGAFLOW_LOST);
	event->at = upcall->at;
	event->more.identity = upcall->identity;
	event->more.segment = sent - 1;
	event->more.result = result;
	event_submit(ctx, event, sizeof(*event));
	return 0;
}

/* netlink_unicast(socket, skb, port, nonblock): to ovs-vswitchd goes the upcall, with its key, and what it asked for */
static __always_inline int message_leaves(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	const unsigned char *data = SONDE_READ(access, skb, data);
	__u32 thread = bpf_get_current_pid_tgid();
	struct view view = { .bytes = data };
	struct message message;

	if (bpf_probe_read_kernel(&message, sizeof(message), data))
		return 0;
	if (message.header.nlmsg_type != cfg_packet_family && message.header.nlmsg_type != cfg_flow_family)
		return 0;
	view.length = SONDE_READ(access, skb, len) - SONDE_READ(access, skb, data_len);
	view.netns = BPF_CORE_READ((struct sock *)args[0], __sk_common.skc_net.net, ns.inum);
	if (message.header.nlmsg_type == cfg_packet_family) {
		if (message.command == COMMAND_MISS)
			upcall_send(ctx, &view);
		return 0;
	}
	if (bpf_map_lookup_elem(&commands, &thread))
		message_send(ctx, MEGAFLOW_REPLY, &view);
	return 0;
}

/* ovs_flow_cmd_*(skb, info), called with the lock of the datapath to be taken */
static __always_inline int command_begins(void *ctx, const __u64 *args, __u32 step)
{
	struct genl_info *info = (struct genl_info *)args[1];
	__u32 thread = bpf_get_current_pid_tgid();
	struct nlmsghdr *header = BPF_CORE_READ(info, nlhdr);
	const struct view view = {
		.bytes = (const unsigned char *)header,
		.length = BPF_CORE_READ(header, nlmsg_len),
		.netns = BPF_CORE_READ(info, _net.net, ns.inum),
	};

	if (step == MEGAFLOW_DELETE && bpf_map_update_elem(&commands, &thread, &step, BPF_ANY))
		loss_add(LOSS_commands);
	message_send(ctx, step, &view);
	return 0;
}

static __always_inline int command_ends(void *ctx, __s32 result)
{
	__u32 thread = bpf_get_current_pid_tgid();
	struct ovs_megaflow *event;

	bpf_map_delete_elem(&commands, &thread);
	event = event_reserve(sizeof(*event));
	if (!event)
		return 0;
	head_fill(event, MEGAFLOW_RESULT);
	event->more.result = result;
	event_submit(ctx, event, sizeof(*event));
	return 0;
}

static __always_inline int put_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	return command_begins(ctx, args, MEGAFLOW_PUT);
}

static __always_inline int set_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	return command_begins(ctx, args, MEGAFLOW_SET);
}

static __always_inline int delete_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	return command_begins(ctx, args, MEGAFLOW_DELETE);
}

/* ovs_flow_key_extract_userspace(net, attr, skb, key, log): the packet is a new skb with what was sent back */
static __always_inline int packet_returns(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[2];
	struct ovs_megaflow *event;
	struct look_frame frame;

	frame.at = sonde_address_of(SONDE_READ(access, skb, data));
	frame.length = SONDE_READ(access, skb, len) - SONDE_READ(access, skb, data_len);
	event = event_reserve(sizeof(*event));
	if (!event)
		return 0;
	head_fill(event, MEGAFLOW_EXECUTE);
	event->more.identity = look_frame(&frame);
	event_submit(ctx, event, sizeof(*event));
	return 0;
}

HOOK_FUNCTION(upcall, ovs_dp_upcall, upcall_begins)
HOOK_RESULT(upcall_done, ovs_dp_upcall, 5, upcall_ends)
HOOK_FUNCTION(segment, queue_userspace_packet, segment_begins)
HOOK_FUNCTION(message, netlink_unicast, message_leaves)
HOOK_FUNCTION(put, ovs_flow_cmd_new, put_begins)
HOOK_RESULT(put_done, ovs_flow_cmd_new, 2, command_ends)
HOOK_FUNCTION(set, ovs_flow_cmd_set, set_begins)
HOOK_RESULT(set_done, ovs_flow_cmd_set, 2, command_ends)
HOOK_FUNCTION(delete, ovs_flow_cmd_del, delete_begins)
HOOK_RESULT(delete_done, ovs_flow_cmd_del, 2, command_ends)
HOOK_FUNCTION(execute, ovs_flow_key_extract_userspace, packet_returns)
