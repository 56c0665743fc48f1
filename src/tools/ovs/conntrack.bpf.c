// SPDX-License-Identifier: GPL-2.0-only
/* ovs conntrack: each packet in a ct action of the datapath: zone, state before and after, and why it is invalid. */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/openvswitch.h>

#include "sonde.bpf.h"
#include "abi/conntrack.h"
#include "kernel/conntrack.h"
#include "kernel/ovs.h"
#include "kernel/skb.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "event.bpf.h"

#define NFCT_INFO 7UL
#define EINPROGRESS 115
#define NF_ACCEPT 1

const volatile __u32 cfg_zone = 0;
const volatile __u32 cfg_zone_wanted = 0;
const volatile __u32 cfg_state = 0;
const volatile __u32 cfg_invalid = 0;

EVENT(ct_packet);

/* the packet that a CPU has in a ct action: bottom halves are off from its begin to its end */
struct walk {
	__u64 skb;	/* 0: none that is wanted */
	__u64 key;
	__u64 at;
	__u64 connection;	/* what the packet has as long as the table has none of it */
	struct sonde_device device;
	struct sonde_packet packet;
	struct ct_facts facts;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} walks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CT_COUNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} ct_counts SEC(".maps");

static __always_inline struct walk *walk_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&walks, &zero);
}

/* the walk that a deeper function is part of, or NULL */
static __always_inline struct walk *walk_wanted(void)
{
	struct walk *walk = walk_here();

	return walk && walk->skb ? walk : NULL;
}

static __always_inline struct nf_conn *skb_connection(const struct sk_buff *skb)
{
	return (struct nf_conn *)(BPF_CORE_READ(skb, _nfct) & ~NFCT_INFO);
}

static __always_inline void count(enum ct_count what)
{
	__u32 index = what;
	__u64 *number = bpf_map_lookup_elem(&ct_counts, &index);

	if (number)
		*number += 1;
}

/* what the action asks for; false: a packet of another zone */
static __always_inline bool info_read(struct ct_facts *facts, const struct sw_flow_key *key,
				      const struct ovs_conntrack_info *info)
{
	__u32 seen = CT_SEEN_TYPES | CT_SEEN_ZONE;

	if (!bpf_core_type_exists(struct ovs_conntrack_info))
		return true;
	facts->zone = BPF_CORE_READ(info, zone.id);
	if (cfg_zone_wanted && facts->zone != cfg_zone)
		return false;
	facts->before = BPF_CORE_READ(key, ct_state);
	if (BPF_CORE_READ_BITFIELD_PROBED(info, commit))
		seen |= CT_SEEN_COMMIT;
	if (BPF_CORE_READ_BITFIELD_PROBED(info, force))
		seen |= CT_SEEN_FORCE;
	if (BPF_CORE_READ_BITFIELD_PROBED(info, nat))
		seen |= CT_SEEN_NAT;
	facts->seen = seen;
	return true;
}

/* ovs_ct_execute(net, skb, key, info) */
static __always_inline int ct_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	struct walk *walk;

	/* a kretprobe can be missed: what it was to end must not be taken for this packet */
	if (access == SONDE_PROBE) {
		walk = walk_here();
		if (walk)
			walk->skb = 0;
	}
	if (!filter_pass(access, skb))
		return 0;
	walk = walk_here();
	if (!walk)
		return 0;
	walk->facts.seen = 0;
	walk->facts.says[0] = 0;
	if (!info_read(&walk->facts, (void *)args[2], (void *)args[3]))
		return 0;
	walk->key = args[2];
	/* of a ct action before this one */
	walk->connection = (__u64)skb_connection(skb);
	sonde_device_fill(access, skb, &walk->device);
	packet_parse(access, skb, &walk->packet);
	walk->at = bpf_ktime_get_ns();
	walk->skb = (__u64)skb;
	return 0;
}

/* ---- on the way ---- */

/*
 * nf_conntrack_in(skb, state), where the module has no types: the datapath gives the packet a connection
 * that is none, but has the zone of the action.
 */
static __always_inline int tracking_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[0];
	struct walk *walk = walk_wanted();
	struct nf_conn *template;

	if (!walk || walk->skb != (__u64)skb)
		return 0;
	template = skb_connection(skb);
	if (!template)
		return 0;
	walk->facts.zone = BPF_CORE_READ(template, zone.id);
	walk->facts.seen |= CT_SEEN_ZONE;
	return 0;
}

/* __nf_conntrack_alloc(): the table had no connection of this packet */
static __always_inline int alloc_ends(void *ctx, __u64 result)
{
	struct walk *walk = walk_wanted();

	if (!walk)
		return 0;
	if (result < -4095UL) {
		walk->facts.seen |= CT_SEEN_NEW;
		walk->connection = result;
		return 0;
	}
	/* the kernel complains only of a full table there, and says so at most now and then; it asks each time */
	if (walk->facts.seen & CT_SEEN_COMPLAINT) {
		walk->facts.seen &= ~CT_SEEN_COMPLAINT;
		walk->facts.seen |= CT_SEEN_TABLE_FULL;
	}
	walk->facts.seen |= CT_SEEN_NO_ENTRY;
	return 0;
}

/* net_ratelimit(): something is to be complained of */
static __always_inline int complaint(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct walk *walk = walk_wanted();

	if (walk)
		walk->facts.seen |= CT_SEEN_COMPLAINT;
	return 0;
}

/* nf_conntrack_inet_error(): the packet is an ICMP error, whose quoted packet is looked for */
static __always_inline int error_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct walk *walk = walk_wanted();

	if (walk)
		walk->facts.seen |= CT_SEEN_ICMP_ERROR;
	return 0;
}

/* nf_conntrack_find_get() */
static __always_inline int find_ends(void *ctx, __u64 result)
{
	struct walk *walk = walk_wanted();

	if (walk && !result && walk->facts.seen & CT_SEEN_ICMP_ERROR)
		walk->facts.seen |= CT_SEEN_UNMATCHED;
	return 0;
}

/*
 * __nf_conntrack_confirm(): accepts a packet too whose connection it does not take. Such a packet has the
 * connection of the table then, or since 5.7 its own, which is in the table for answers only.
 */
static __always_inline int confirm_ends(void *ctx, __u64 result)
{
	struct walk *walk = walk_wanted();
	struct nf_conn *connection;

	if (!walk)
		return 0;
	if ((__u32)result != NF_ACCEPT) {
		walk->facts.seen |= CT_SEEN_REFUSED;
		return 0;
	}
	connection = skb_connection((struct sk_buff *)walk->skb);
	if ((__u64)connection != walk->connection || BPF_CORE_READ(connection, status) & IPS_NAT_CLASH)
		walk->facts.seen |= CT_SEEN_CLASH;
	else
		walk->facts.seen |= CT_SEEN_CONFIRMED;
	return 0;
}

/* nf_nat_setup_info() */
static __always_inline int nat_ends(void *ctx, __u64 result)
{
	struct walk *walk = walk_wanted();

	if (walk && (__u32)result != NF_ACCEPT)
		walk->facts.seen |= CT_SEEN_NAT_REFUSED;
	return 0;
}

/*
 * What the kernel would log is its reason, and it is called to log whether or not that is switched on
 * (net.netfilter.nf_conntrack_log_invalid). The format is kept, or the text that it is for.
 */
static __always_inline void says(struct walk *walk, const char *format, const void *argument)
{
	char start[4] = {};

	bpf_probe_read_kernel(start, sizeof(start) - 1, format);
	if (start[0] == '%' && start[1] == 's')
		format = argument;
	else if (start[0] == '%' && start[1] == 'p' && start[2] == 'V')
		format = BPF_CORE_READ((struct va_format *)argument, fmt);
	bpf_probe_read_kernel_str(walk->facts.says, sizeof(walk->facts.says), format);
}

/* the sixth argument of a function; libbpf before 1.2 names five */
#if defined(__TARGET_ARCH_x86)
#define SIXTH(ctx) ((ctx)->r9)
#else
#define SIXTH(ctx) (((struct user_pt_regs *)(ctx))->regs[5])
#endif

/* by kprobe only: no trampoline can be put before a function with variable arguments */

/* (skb, connection, format, ...), since 5.14 (skb, connection, state, format, ...) */
SEC("kprobe/nf_ct_l4proto_log_invalid")
int says__kp__nf_ct_l4proto_log_invalid(struct pt_regs *ctx)
{
	struct walk *walk = walk_wanted();
	const char *third = (void *)PT_REGS_PARM3(ctx);
	char first = 0;

	if (!walk || walk->skb != PT_REGS_PARM1(ctx))
		return 0;
	/* a state begins with its hook, which is 0 in the datapath; no format is empty */
	bpf_probe_read_kernel(&first, sizeof(first), third);
	if (first)
		says(walk, third, (void *)PT_REGS_PARM4(ctx));
	else
		says(walk, (void *)PT_REGS_PARM4(ctx), (void *)PT_REGS_PARM5(ctx));
	return 0;
}

/* (skb, net, family, protocol, format, ...), since 5.14 (skb, state, protocol, format, ...) */
SEC("kprobe/nf_l4proto_log_invalid")
int says_early__kp__nf_l4proto_log_invalid(struct pt_regs *ctx)
{
	struct walk *walk = walk_wanted();
	const void *fourth = (void *)PT_REGS_PARM4(ctx);

	/* what the other one was called for comes here too if it is to be logged */
	if (!walk || walk->skb != PT_REGS_PARM1(ctx) || walk->facts.says[0])
		return 0;
	if (sonde_kernel_pointer(fourth))
		says(walk, fourth, (void *)PT_REGS_PARM5(ctx));
	else
		says(walk, (void *)PT_REGS_PARM5(ctx), (void *)SIXTH(ctx));
	return 0;
}

/* (skb, connection, format, ...) */
SEC("kprobe/nf_ct_helper_log")
int says_helper__kp__nf_ct_helper_log(struct pt_regs *ctx)
{
	struct walk *walk = walk_wanted();

	if (!walk || walk->skb != PT_REGS_PARM1(ctx))
		return 0;
	says(walk, (void *)PT_REGS_PARM3(ctx), (void *)PT_REGS_PARM4(ctx));
	walk->facts.seen |= CT_SEEN_HELPER;
	return 0;
}

/* ---- the end ---- */

static __always_inline void labels_read(const struct nf_conn *connection, __u8 labels[16])
{
	const struct nf_ct_ext *ext = BPF_CORE_READ(connection, ext);
	__u8 offset = 0;

	__builtin_memset(labels, 0, 16);
	if (!ext)
		return;
	bpf_probe_read_kernel(&offset, sizeof(offset),
			      (const __u8 *)ext + bpf_core_field_offset(struct nf_ct_ext, offset) +
				      bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_LABELS));
	if (offset)
		bpf_probe_read_kernel(labels, 16, (const __u8 *)ext + offset);
}

/* as the datapath itself makes it of a connection; of the translation only that is left out which the action decides */
static __always_inline __u8 state_of(const struct nf_conn *connection, __u32 status, __u32 info)
{
	__u8 state = OVS_CS_F_TRACKED;

	if (info == IP_CT_ESTABLISHED_REPLY || info == IP_CT_RELATED_REPLY)
		state |= OVS_CS_F_REPLY_DIR;
	if (info == IP_CT_ESTABLISHED || info == IP_CT_ESTABLISHED_REPLY)
		state |= OVS_CS_F_ESTABLISHED;
	if (info == IP_CT_RELATED || info == IP_CT_RELATED_REPLY || BPF_CORE_READ(connection, master))
		state |= OVS_CS_F_RELATED;
	if (info == IP_CT_NEW || !(status & IPS_CONFIRMED))
		state |= OVS_CS_F_NEW;
	return state;
}

static __always_inline void connection_read(struct ct_facts *facts, struct sk_buff *skb)
{
	const __u64 nfct = BPF_CORE_READ(skb, _nfct);
	struct nf_conn *connection = (void *)(nfct & ~NFCT_INFO);
	const bool types = bpf_core_type_exists(struct ovs_conntrack_info);

	if (!connection) {
		if (!types)
			facts->after = OVS_CS_F_TRACKED | OVS_CS_F_INVALID;
		return;
	}
	facts->seen |= CT_SEEN_CONNECTION;
	facts->status = BPF_CORE_READ(connection, status);
	facts->mark = BPF_CORE_READ(connection, mark);
	facts->tcp_state = BPF_CORE_READ(connection, proto.tcp.state);
	labels_read(connection, facts->labels);
	if (types)
		return;
	facts->after = state_of(connection, facts->status, nfct & NFCT_INFO);
	facts->zone = BPF_CORE_READ(connection, zone.id);
	facts->seen |= CT_SEEN_ZONE;
}

static __always_inline void event_send(void *ctx, struct walk *walk)
{
	struct ct_packet *event;

	event = event_reserve(sizeof(*event));
	if (!event)
		return;
	event->at = walk->at;
	event->cpu = bpf_get_smp_processor_id();
	event->unused = 0;
	event->device = walk->device;
	event->packet = walk->packet;
	event->more = walk->facts;
	event_submit(ctx, event, sizeof(*event));
}

static __always_inline bool is_wanted(const struct ct_facts *facts, bool invalid, bool failed)
{
	if (cfg_state && (facts->after & cfg_state) != cfg_state)
		return false;
	return !cfg_invalid || invalid || failed;
}

static __always_inline int ct_ends(void *ctx, struct walk *walk, __s32 result)
{
	const bool types = bpf_core_type_exists(struct ovs_conntrack_info);
	const struct sw_flow_key *key = (void *)walk->key;
	struct sk_buff *skb = (struct sk_buff *)walk->skb;
	struct ct_facts *facts = &walk->facts;
	bool invalid, failed;

	facts->took = bpf_ktime_get_ns() - walk->at;
	facts->result = result;
	facts->after = 0;
	if (types)
		facts->after = BPF_CORE_READ(key, ct_state);
	else if (!result)
		connection_read(facts, skb);
	walk->skb = 0;
	if (!types && cfg_zone_wanted && (!(facts->seen & CT_SEEN_ZONE) || facts->zone != cfg_zone))
		return 0;
	invalid = !result && facts->after & OVS_CS_F_INVALID;
	failed = result && result != -EINPROGRESS;
	count(CT_COUNT_packets);
	if (invalid)
		count(CT_COUNT_invalid);
	if (failed)
		count(CT_COUNT_failed);
	if (!is_wanted(facts, invalid, failed) || !event_wanted())
		return 0;
	/* a packet that ct() does not return is gone */
	if (types && !result)
		connection_read(facts, skb);
	if (facts->seen & CT_SEEN_CONNECTION && facts->status & IPS_NAT_MASK) {
		packet_flow(SONDE_PROBE, skb, false, &facts->flow);
		facts->seen |= CT_SEEN_FLOW;
	}
	event_send(ctx, walk);
	return 0;
}

SEC("fexit/ovs_ct_execute")
int ct_done__fx(__u64 *ctx)
{
	struct walk *walk = walk_wanted();

	return walk && walk->skb == ctx[1] ? ct_ends(ctx, walk, ctx[4]) : 0;
}

SEC("kretprobe/ovs_ct_execute")
int ct_done__kr(struct pt_regs *ctx)
{
	struct walk *walk = walk_wanted();

	return walk ? ct_ends(ctx, walk, PT_REGS_RC(ctx)) : 0;
}

HOOK_FUNCTION(ct, ovs_ct_execute, ct_begins)
HOOK_FUNCTION(tracking, nf_conntrack_in, tracking_begins)
HOOK_RESULT(alloc, __nf_conntrack_alloc, 6, alloc_ends)
HOOK_FUNCTION(complaint, net_ratelimit, complaint)
HOOK_FUNCTION(error, nf_conntrack_inet_error, error_begins)
HOOK_RESULT(find, nf_conntrack_find_get, 3, find_ends)
HOOK_RESULT(confirm, __nf_conntrack_confirm, 1, confirm_ends)
HOOK_RESULT(nat, nf_nat_setup_info, 3, nat_ends)
