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
	__u64 identity;
	__u32 wanted;
	__u32 unused;
	struct sonde_device device;
	struct sonde_packet packet;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct upcall);
} upcalls SEC(".maps");

/* what a thread is doing: enum megaflow_step */
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
	upcall->identity = look_skb(access, skb);
	sonde_device_fill(access, skb, &upcall->device);
	packet_parse(access, skb, &upcall->packet);
	upcall->wanted = 1;
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
	event->more.queued = 0;
	event->more.total = event->more.offset = event->more.length = 0;
	event->more.extension_headers = bpf_core_type_exists(struct ovs_key_ipv6_exthdrs);
	event->packet.length = 0;
	event->packet.outer.has = 0;
	event->packet.tunnel = 0;
	__builtin_memset(&event->device, 0, sizeof(event->device));
}

/* one part of a message; total: of which offset is less */
static __always_inline void part_fill(struct ovs_megaflow *event, const unsigned char *message, __u32 offset,
				      __u32 total)
{
	__u32 length = total - offset;

	if (length > MEGAFLOW_PART)
		length = MEGAFLOW_PART;
	/* the verifier must see the bound on the register that is the helper's argument */
	asm volatile("" : "+r"(length));
	if (length > MEGAFLOW_PART)
		return;
	event->more.total = total;
	event->more.offset = offset;
	event->more.length = length;
	bpf_probe_read_kernel(event->more.bytes, length, message + offset);
}

static __always_inline void message_send(void *ctx, enum megaflow_step step, const unsigned char *message,
					 __u32 total)
{
	for (__u32 part = 0; part < MEGAFLOW_PARTS; part++) {
		const __u32 offset = part * MEGAFLOW_PART;
		struct ovs_megaflow *event;

		if (offset >= total)
			break;
		event = event_reserve(sizeof(*event));
		if (!event)
			return;
		head_fill(event, step);
		part_fill(event, message, offset, total);
		event_submit(ctx, event, sizeof(*event));
	}
}

static __always_inline void upcall_send(void *ctx, const unsigned char *message, __u32 linear)
{
	struct upcall *upcall = upcall_here();
	struct ovs_megaflow *event;

	if (!upcall || !upcall->wanted || !linear)
		return;
	event = event_reserve(sizeof(*event));
	if (!event)
		return;
	head_fill(event, MEGAFLOW_UPCALL);
	event->more.queued = event->at - upcall->at;
	event->at = upcall->at;
	event->device = upcall->device;
	event->packet = upcall->packet;
	event->more.identity = upcall->identity;
	part_fill(event, message, 0, linear < MEGAFLOW_PART ? linear : MEGAFLOW_PART);
	event_submit(ctx, event, sizeof(*event));
}

/* netlink_unicast(socket, skb, port, nonblock): to ovs-vswitchd goes the upcall, with its key, and what it asked for */
static __always_inline int message_leaves(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	const unsigned char *data = SONDE_READ(access, skb, data);
	__u32 thread = bpf_get_current_pid_tgid(), *step, linear;
	struct message message;

	if (bpf_probe_read_kernel(&message, sizeof(message), data))
		return 0;
	if (message.header.nlmsg_type != cfg_packet_family && message.header.nlmsg_type != cfg_flow_family)
		return 0;
	linear = SONDE_READ(access, skb, len) - SONDE_READ(access, skb, data_len);
	if (message.header.nlmsg_type == cfg_packet_family) {
		if (message.command == COMMAND_MISS)
			upcall_send(ctx, data, linear);
		return 0;
	}
	step = bpf_map_lookup_elem(&commands, &thread);
	if (step && *step == MEGAFLOW_DELETE)
		message_send(ctx, MEGAFLOW_REPLY, data, linear);
	return 0;
}

/* ovs_flow_cmd_*(skb, info), called with the lock of the datapath to be taken */
static __always_inline int command_begins(void *ctx, const __u64 *args, __u32 step)
{
	struct genl_info *info = (struct genl_info *)args[1];
	__u32 thread = bpf_get_current_pid_tgid();
	struct nlmsghdr *header = BPF_CORE_READ(info, nlhdr);

	bpf_map_update_elem(&commands, &thread, &step, BPF_ANY);
	message_send(ctx, step, (const unsigned char *)header, BPF_CORE_READ(header, nlmsg_len));
	return 0;
}

static __always_inline int command_ends(void *ctx, __s32 result)
{
	__u32 thread = bpf_get_current_pid_tgid();
	struct ovs_megaflow *event;

	bpf_map_delete_elem(&commands, &thread);
	event = event_reserve(offsetof(struct ovs_megaflow, more.bytes));
	if (!event)
		return 0;
	head_fill(event, MEGAFLOW_RESULT);
	event->more.result = result;
	event_submit(ctx, event, offsetof(struct ovs_megaflow, more.bytes));
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
	event = event_reserve(offsetof(struct ovs_megaflow, more.bytes));
	if (!event)
		return 0;
	head_fill(event, MEGAFLOW_EXECUTE);
	event->more.identity = look_frame(&frame);
	event_submit(ctx, event, offsetof(struct ovs_megaflow, more.bytes));
	return 0;
}

HOOK_FUNCTION(upcall, ovs_dp_upcall, upcall_begins)
HOOK_FUNCTION(message, netlink_unicast, message_leaves)
HOOK_FUNCTION(put, ovs_flow_cmd_new, put_begins)
HOOK_RESULT(put_done, ovs_flow_cmd_new, 2, command_ends)
HOOK_FUNCTION(set, ovs_flow_cmd_set, set_begins)
HOOK_RESULT(set_done, ovs_flow_cmd_set, 2, command_ends)
HOOK_FUNCTION(delete, ovs_flow_cmd_del, delete_begins)
HOOK_RESULT(delete_done, ovs_flow_cmd_del, 2, command_ends)
HOOK_FUNCTION(execute, ovs_flow_key_extract_userspace, packet_returns)
