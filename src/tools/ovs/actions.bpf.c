// SPDX-License-Identifier: GPL-2.0-only
/*
 * ovs actions: what the datapath does with a packet: lookups, actions, copies, upcalls.
 *
 * Two ways to see where a packet's walk begins and ends. With types, the result of the lookup begins it: the
 * datapath's key refuses most packets at once, and what is attached elsewhere leaves while no packet is wanted. A probe
 * at the end would cost each packet half as much again; the last action of the last list is the end. What never
 * gets there (dropped on the way, kept by connection tracking, lists within lists) ends with the next packet of the
 * CPU, or when user space sweeps. By probes, the function that takes the packet is where it begins and ends.
 */
#include <linux/openvswitch.h>

#include "sonde.bpf.h"
#include "abi/ovs_action.h"
#include "kernel/ovs.h"
#include "kernel/skb.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "event.bpf.h"

#define OLD_SET_TO_MASKED 25	/* of kernels whose modules have no types, since 5.7 */
#define NESTED_STACK 16384	/* a kernel stack */
#define QUIET_NS 100000000	/* a walk whose last step is as old as that is over */

/* 1: by probes */
const volatile __u32 cfg_probes = 0;
/* 1: a port that is added is seen */
const volatile __u32 cfg_learn = 0;

#define EXECUTORS 1024	/* places for threads; a power of two */
#define EXECUTOR_SEEN 0x80000000
#define REFUSALS 256	/* places for ports; a power of two */

/*
 * How many CPUs have a wanted packet, how many threads a packet in execution: while they are 0, what is attached inside the
 * datapath leaves at once. Each counts what stands elsewhere (walk.open, executors), so that a program which the kernel skips
 * does not unbalance them, and is set right by user space now and then (actions.c).
 */
__u32 walking = 0;
__u32 executing = 0;
/* the thread that has a packet executed, by its id; with EXECUTOR_SEEN: it has begun to do its actions; 0: none */
__u32 executors[EXECUTORS] = {};
/*
 * Ports of which the filter refuses the device, as refusal_of() writes them: a lookup does not know the device. All
 * are forgotten by another number of refusals_era: a port number is given to another device, a device to another name.
 */
__u64 refusals[REFUSALS] = {};
__u64 refusals_era = 0;

EVENT(ovs_walk);

/* what a CPU's datapath does with a packet: bottom halves are off until it is done; by CPU, see currents in upcalls.bpf.c */
struct walk {
	__u64 skb;	/* the one that came in; 0: not seen yet */
	__u64 stack;	/* of the first lookup, or of the function that takes the packet */
	__u64 last;	/* ns: of the last step */
	__u64 port;	/* port_of() its first lookup; 0: unknown */
	__u32 open;
	__u32 lists;	/* lists of actions that have not ended, or are to come after a recirculation */
	__u32 nested;	/* 1: there are lists within lists, whose ends say nothing */
	__u32 ended;	/* 1: the last action that was noted ends its list */
	__u32 counts[WALK_COUNT_MAX];
	struct ovs_walk event;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before the load */
	__type(key, __u32);
	__type(value, struct walk);
} walks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALK_COUNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} walk_counts SEC(".maps");

static __always_inline struct walk *walk_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&walks, &cpu);
}

static __always_inline void walk_begin(struct walk *walk, __u32 from_userspace)
{
	walk->skb = 0;
	walk->stack = 0;
	walk->port = 0;
	walk->lists = 1;
	walk->nested = 0;
	__builtin_memset(walk->counts, 0, sizeof(walk->counts));
	walk->last = walk->event.at = bpf_ktime_get_ns();
	walk->event.cpu = bpf_get_smp_processor_id();
	walk->event.more.count = 0;
	walk->event.more.lost = 0;
	walk->event.more.outputs = 0;
	walk->event.more.upcalls = 0;
	walk->event.more.from_userspace = from_userspace;
	walk->event.more.from_key = 0;
	if (walk->open)
		return;
	walk->open = 1;
	__sync_fetch_and_add(&walking, 1);
}

static __always_inline void walk_close(struct walk *walk)
{
	if (!walk->open)
		return;
	walk->open = 0;
	__sync_fetch_and_add(&walking, -1);
}

static __always_inline __u64 port_of(const void *table, const struct sw_flow_key *key)
{
	/* of an address no bit above the 48th says anything */
	return sonde_address_of(table) << 16 | key->phy.in_port;
}

static __always_inline __u64 refusal_of(__u64 port)
{
	return port + refusals_era * 0x9e3779b97f4a7c15ULL;
}

static __always_inline __u32 refusal_index(__u64 port)
{
	return (port ^ port >> 32) & (REFUSALS - 1);
}

static __always_inline bool port_refused(const void *table, const struct sw_flow_key *key)
{
	const __u64 port = port_of(table, key);

	return flt.set & FILTER_DEVICE && refusals[refusal_index(port)] == refusal_of(port);
}

static __always_inline void port_learn(enum sonde_access access, const struct walk *walk, struct sk_buff *skb)
{
	struct net_device *dev;

	if (!(flt.set & FILTER_DEVICE) || !cfg_learn || !walk->port)
		return;
	dev = sonde_dev(access, skb);
	if (dev && !filter_device(access, skb, dev))
		refusals[refusal_index(walk->port)] = refusal_of(walk->port);
}

/* the packet of a walk that has begun: false and closed if the filter does not want it */
static __always_inline bool walk_packet(enum sonde_access access, struct walk *walk, struct sk_buff *skb)
{
	if (!filter_pass(access, skb)) {
		port_learn(access, walk, skb);
		walk_close(walk);
		return false;
	}
	walk->skb = (__u64)skb;
	sonde_device_fill(access, skb, &walk->event.device);
	packet_parse(access, skb, &walk->event.packet);
	return true;
}

static __noinline int packet_direct(struct walk *walk, struct sk_buff *skb)
{
	return walk && walk_packet(SONDE_DIRECT, walk, skb);
}

static __noinline int packet_probe(struct walk *walk, struct sk_buff *skb)
{
	return walk && walk_packet(SONDE_PROBE, walk, skb);
}

/* room for one more step, or NULL */
static __always_inline struct ovs_step *step_new(struct walk *walk, __u8 kind, __u8 flags)
{
	struct ovs_steps *steps = &walk->event.more;
	struct ovs_step *step;
	__u64 index = steps->count, now = bpf_ktime_get_ns();

	walk->last = now;
	BELOW(index, OVS_STEPS, full);
	steps->count = index + 1;
	step = &steps->step[index];
	step->at = now - walk->event.at;
	step->kind = kind;
	step->flags = flags;
	step->action = 0;
	step->length = 0;
	return step;
full:
	steps->lost++;
	return NULL;
}

/* headers of a packet that is gone: as the datapath has read them */
static __always_inline void packet_of_key(const struct sw_flow_key *key, struct ovs_walk *event)
{
	struct sonde_headers *headers = &event->packet.outer;
	const __u16 type = bpf_ntohs(BPF_CORE_READ(key, eth.type));
	const __u16 src = bpf_ntohs(BPF_CORE_READ(key, tp.src)), dst = bpf_ntohs(BPF_CORE_READ(key, tp.dst));

	__builtin_memset(&event->packet, 0, sizeof(event->packet));
	__builtin_memset(&event->device, 0, sizeof(event->device));
	event->more.from_key = 1;
	headers->has = SONDE_HAS_ETH;
	headers->eth_type = type;
	BPF_CORE_READ_INTO(&headers->eth_src, key, eth.src);
	BPF_CORE_READ_INTO(&headers->eth_dst, key, eth.dst);
	if (type != PACKET_IP4 && type != PACKET_IP6)
		return;
	headers->protocol = BPF_CORE_READ(key, ip.proto);
	headers->tos = BPF_CORE_READ(key, ip.tos);
	headers->ttl = BPF_CORE_READ(key, ip.ttl);
	if (type == PACKET_IP4) {
		headers->has |= SONDE_HAS_IP4;
		BPF_CORE_READ_INTO(&headers->src.word[0], key, ipv4.addr.src);
		BPF_CORE_READ_INTO(&headers->dst.word[0], key, ipv4.addr.dst);
	} else {
		headers->has |= SONDE_HAS_IP6;
		BPF_CORE_READ_INTO(&headers->src, key, ipv6.addr.src);
		BPF_CORE_READ_INTO(&headers->dst, key, ipv6.addr.dst);
	}
	if (headers->protocol == PACKET_UDP) {
		headers->has |= SONDE_HAS_UDP;
		headers->udp.src_port = src;
		headers->udp.dst_port = dst;
	} else if (headers->protocol == PACKET_TCP) {
		headers->has |= SONDE_HAS_TCP;
		headers->tcp.src_port = src;
		headers->tcp.dst_port = dst;
	}
}

static __always_inline void walk_end(void *ctx, struct walk *walk)
{
	const struct ovs_steps *steps = &walk->event.more;
	struct ovs_walk *event;

	walk_close(walk);
	walk->counts[WALK_packets] = 1;
	walk->counts[WALK_nowhere] = !steps->outputs && !steps->upcalls;
#pragma GCC unroll 8
	for (__u32 what = 0; what < WALK_COUNT_MAX; what++) {
		const __u32 index = what;
		__u64 *number = bpf_map_lookup_elem(&walk_counts, &index);

		if (number)
			*number += walk->counts[what];
	}
	if (!event_wanted())
		return;
	event = event_reserve(sizeof(*event));
	if (!event)
		return;
	bpf_probe_read_kernel(event, sizeof(*event), &walk->event);
	event_submit(ctx, event, sizeof(*event));
}

/* nothing more comes; one of which no packet was seen says nothing */
static __always_inline void walk_over(void *ctx, struct walk *walk)
{
	if (walk->skb)
		walk_end(ctx, walk);
	else
		walk_close(walk);
}

/* ---- lookups ---- */

static __always_inline bool key_refuses_ip4(__u32 set, const struct sw_flow_key *key)
{
	return set & (FILTER_ADDRESSES | FILTER_NOT_HOST) &&
	       (!filter_ip4(set, key->ipv4.addr.src, key->ipv4.addr.dst) ||
		filter_ip4_not(set, key->ipv4.addr.src, key->ipv4.addr.dst));
}

static __always_inline bool key_refuses_ip6(__u32 set, const struct sw_flow_key *key)
{
	struct wire_ip6 ip;

	if (!(set & (FILTER_ADDRESSES | FILTER_NOT_HOST)))
		return false;
	/* by helper: the verifier does not let 8 bytes of an address be read that the kernel has as four words */
	bpf_core_read(&ip.src, sizeof(ip.src), &key->ipv6.addr.src);
	bpf_core_read(&ip.dst, sizeof(ip.dst), &key->ipv6.addr.dst);
	return !filter_ip6(set, &ip) || filter_ip6_not(set, &ip);
}

/* true if the packet with this key does not pass the filter, as far as the key can say: not of devices, tags, tunnels */
static __always_inline bool key_refuses(const struct sw_flow_key *key)
{
	const __u32 set = flt.set;
	__u16 type;
	__u8 protocol;

	if (!(set & FILTER_HEADERS) || set & FILTER_TUNNEL)
		return false;
	type = bpf_ntohs(key->eth.type);
	if (set & FILTER_TYPE && !filter_type_fits(flt.eth_type, type))
		return true;
	switch (type) {
	case PACKET_IP4:
		if (set & (FILTER_IP6 | FILTER_ARP) || key_refuses_ip4(set, key))
			return true;
		break;
	case PACKET_IP6:
		if (set & (FILTER_IP4 | FILTER_ARP) || key_refuses_ip6(set, key))
			return true;
		break;
	case PACKET_ARP:
		return set & (FILTER_IP6 | FILTER_PROTOCOL | FILTER_PORTS) || key_refuses_ip4(set, key);
	default:
		return set & FILTER_IP;
	}
	if (!(set & (FILTER_PROTOCOL | FILTER_PORTS)))
		return false;
	protocol = key->ip.proto;
	if (set & FILTER_PROTOCOL && protocol != flt.protocol)
		return true;
	return set & FILTER_PORTS && (!packet_has_ports(protocol) ||
		!filter_port_numbers(set, bpf_ntohs(key->tp.src), bpf_ntohs(key->tp.dst)));
}

static __always_inline void lookup_note(struct walk *walk, const struct sw_flow_key *key, const struct sw_flow *flow,
					const __u32 *masks)
{
	struct ovs_step *step = step_new(walk, flow ? STEP_hit : STEP_miss, 0);

	walk->counts[flow ? WALK_hits : WALK_misses]++;
	if (!step)
		return;
	step->words[2] = 0;
	step->words[3] = 0;
	if (masks) {
		bpf_probe_read_kernel(&step->words[2], sizeof(*masks), masks);
		step->flags |= STEP_MASKS;
	}
	if (key) {
		step->words[3] = BPF_CORE_READ(key, recirc_id);
		step->flags |= STEP_KEY;
	}
	if (!flow || !bpf_core_type_exists(struct sw_flow) || BPF_CORE_READ(flow, id.ufid_len) != 16)
		return;
	bpf_core_read(step->value, 16, &flow->id.ufid);
	step->flags |= STEP_UFID;
}

/* a packet that a tunnel sends passes the datapath too, while the output that it was sent by goes on */
static __always_inline bool is_output_going_on(const struct walk *walk, __u64 stack)
{
	__u64 last = walk->event.more.count - 1;

	if (stack >= walk->stack || walk->stack - stack > NESTED_STACK)
		return false;
	BELOW(last, OVS_STEPS, none);
	return walk->event.more.step[last].kind == STEP_action &&
	       walk->event.more.step[last].action == OVS_ACTION_ATTR_OUTPUT &&
	       !(walk->event.more.step[last].flags & STEP_LAST);
none:
	return false;
}

/* the walk goes on with this lookup, has not begun, or another packet begins it */
static __always_inline struct walk *walk_of_lookup(void *ctx, const void *table, const struct sw_flow_key *key)
{
	struct walk *walk = walking ? walk_here() : NULL;
	const __u64 stack = sonde_address_of(ctx);

	if (walk && walk->open) {
		if (key->recirc_id)
			return walk;
		if (is_output_going_on(walk, stack)) {
			walk->lists++;
			return walk;
		}
		walk_over(ctx, walk);
	}
	if (key_refuses(key) || port_refused(table, key))
		return NULL;
	walk = walk_here();
	if (!walk)
		return NULL;
	walk_begin(walk, 0);
	walk->stack = stack;
	walk->port = port_of(table, key);
	return walk;
}

/* one list of actions less to come */
static __always_inline void list_ended(void *ctx, struct walk *walk)
{
	if (cfg_probes || walk->nested)
		return;
	if (walk->lists > 1)
		walk->lists--;
	else
		walk_end(ctx, walk);
}

/* a flow without actions: the packet is gone at once */
static __always_inline void empty_list(void *ctx, struct walk *walk, const struct sw_flow_key *key)
{
	if (!walk->skb) {
		/* what only the packet could say about the filter is not known any more */
		if (flt.set & ~FILTER_HEADERS) {
			walk_close(walk);
			return;
		}
		packet_of_key(key, &walk->event);
	}
	list_ended(ctx, walk);
}

/* ovs_flow_tbl_lookup_stats(tbl, key, skb_hash, n_mask_hit, n_cache_hit) */
SEC("fexit/ovs_flow_tbl_lookup_stats")
int lookup__fx(__u64 *ctx)
{
	const struct sw_flow_key *key = (void *)ctx[1];
	const struct sw_flow *flow = (void *)ctx[5];
	struct walk *walk = walk_of_lookup(ctx, (void *)ctx[0], key);

	if (!walk)
		return 0;
	lookup_note(walk, key, flow, (void *)ctx[3]);
	/* that of a packet that has no flow ends with the upcall */
	if (flow && !BPF_CORE_READ(flow, sf_acts, actions_len))
		empty_list(ctx, walk, key);
	return 0;
}

SEC("kretprobe/ovs_flow_tbl_lookup_stats")
int lookup__kr(struct pt_regs *ctx)
{
	struct walk *walk = walking ? walk_here() : NULL;

	if (walk && walk->open)
		lookup_note(walk, NULL, (void *)PT_REGS_RC(ctx), NULL);
	return 0;
}

/* ---- actions ---- */

/* its place among the executors */
static __always_inline __u32 *executor_at(__u32 thread)
{
	return &executors[thread & (EXECUTORS - 1)];
}

/* true, once, if this thread has a packet executed and is about to do its first action */
static __always_inline bool executor_begins(void)
{
	const __u32 thread = bpf_get_current_pid_tgid();
	__u32 *place = executor_at(thread);

	if (!executing || *place != thread || !thread)
		return false;
	*place = thread | EXECUTOR_SEEN;
	return true;
}

/* the walk to which an action of this skb belongs, or NULL */
static __always_inline struct walk *walk_of(enum sonde_access access, struct sk_buff *skb)
{
	struct walk *walk;

	if (!walking && !executing)
		return NULL;
	walk = walk_here();
	if (!walk)
		return NULL;
	if (!walk->open) {
		if (!executor_begins())
			return NULL;
		walk_begin(walk, 1);
	}
	if (walk->skb || (access == SONDE_DIRECT ? packet_direct(walk, skb) : packet_probe(walk, skb)))
		return walk;
	return NULL;
}

static __always_inline void ct_note(struct ovs_step *step, const struct ovs_conntrack_info *info)
{
	if (!bpf_core_type_exists(struct ovs_conntrack_info))
		return;
	step->ct.zone = BPF_CORE_READ(info, zone.id);
	step->ct.commit = BPF_CORE_READ_BITFIELD_PROBED(info, commit);
	step->ct.force = BPF_CORE_READ_BITFIELD_PROBED(info, force);
	step->ct.nat = BPF_CORE_READ_BITFIELD_PROBED(info, nat);
	step->flags |= STEP_KEY;
}

static __always_inline __u16 action_type(__u16 type)
{
	if (bpf_core_enum_value_exists(enum ovs_action_attr___kernel, OVS_ACTION_ATTR_SET_TO_MASKED___kernel) &&
	    type == bpf_core_enum_value(enum ovs_action_attr___kernel, OVS_ACTION_ATTR_SET_TO_MASKED___kernel))
		return OVS_ACTION_ATTR_SET_MASKED;
	if (!bpf_core_type_exists(struct sw_flow) && type == OLD_SET_TO_MASKED)
		return OVS_ACTION_ATTR_SET_MASKED;
	return type;
}

/* one action at this address, of which the list has so many bytes left; returns its length, or 0 */
static __noinline int action_note(struct walk *walk, __u64 skb, __u64 address, __u32 left, __u32 flags)
{
	struct nlattr {
		__u16 length, type;
	} header = {};
	struct ovs_step *step;
	__u64 length;
	__u16 type;

	if (!walk || bpf_probe_read_kernel(&header, sizeof(header), (void *)address) || header.length < sizeof(header))
		return 0;
	if (((header.length + 3U) & ~3U) >= left)
		flags |= STEP_LAST;
	if (skb != walk->skb)
		flags |= STEP_COPY;
	type = action_type(header.type & 0x3fff);
	walk->ended = flags & STEP_LAST && type != OVS_ACTION_ATTR_RECIRC;
	if (type == OVS_ACTION_ATTR_RECIRC && !(flags & STEP_LAST))
		walk->lists++;
	if (type == OVS_ACTION_ATTR_SAMPLE || type == OVS_ACTION_ATTR_CLONE || type == OVS_ACTION_ATTR_CHECK_PKT_LEN ||
	    type == OVS_ACTION_ATTR_DEC_TTL)
		walk->nested = 1;
	if (type == OVS_ACTION_ATTR_OUTPUT) {
		walk->event.more.outputs++;
		walk->counts[WALK_outputs]++;
		if (!(flags & STEP_LAST) || flags & STEP_COPY)
			walk->counts[WALK_copies]++;
	}
	step = step_new(walk, STEP_action, flags);
	if (!step)
		return header.length;
	length = header.length - sizeof(header);
	step->action = type;
	step->length = length;
	if (type == OVS_ACTION_ATTR_CT) {
		ct_note(step, (void *)(address + sizeof(header)));
		return header.length;
	}
	if (length > STEP_BYTES)
		length = STEP_BYTES;
	BELOW(length, STEP_BYTES + 1, none);
	bpf_probe_read_kernel(step->value, length, (void *)(address + sizeof(header)));
none:
	return header.length;
}

/* ovs_do_execute_action(dp, skb, key, action, left) */
static __always_inline int action_done(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	struct walk *walk;

	/* since 6.12 the verifier takes no argument of a tracepoint of a module for granted */
	if (!skb)
		return 0;
	walk = walk_of(access, skb);
	if (!walk)
		return 0;
	action_note(walk, sonde_address_of(skb), sonde_address_of((void *)args[3]), args[4], 0);
	if (walk->ended)
		list_ended(ctx, walk);
	return 0;
}

HOOK_TRACEPOINT(action, ovs_do_execute_action, action_done)

#define LIST_MAX 16

/* do_execute_actions(dp, skb, key, attributes, length), where there is no tracepoint: all of the list as it begins */
SEC("kprobe/do_execute_actions")
int list__kp(struct pt_regs *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)PT_REGS_PARM2(ctx);
	struct walk *walk = walk_of(SONDE_PROBE, skb);
	__u64 at = PT_REGS_PARM4(ctx);
	__s32 left = PT_REGS_PARM5(ctx);

	if (!walk)
		return 0;
	for (__u32 i = 0; i < LIST_MAX; i++) {
		__s32 length;

		if (left <= 0)
			return 0;
		length = action_note(walk, (__u64)skb, at, left, STEP_LISTED);
		if (length <= 0)
			return 0;
		length = (length + 3) & ~3;
		at += length;
		left -= length;
	}
	if (left > 0)
		walk->event.more.lost++;
	return 0;
}

/* ---- upcalls ---- */

/* ovs_dp_upcall(dp, skb, key, info, cutlen) */
static __always_inline int upcall_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	struct walk *walk = walking ? walk_here() : NULL;
	struct dp_upcall_info *info = (void *)args[3];
	struct ovs_step *step;
	bool step_was_miss = false;
	__u64 last;

	if (!walk || !walk->open)
		return 0;
	if (!walk->skb && !(access == SONDE_DIRECT ? packet_direct(walk, skb) : packet_probe(walk, skb)))
		return 0;
	last = walk->event.more.count - 1;
	BELOW(last, OVS_STEPS, no_step);
	step_was_miss = walk->event.more.step[last].kind == STEP_miss;
no_step:
	walk->event.more.upcalls++;
	walk->counts[WALK_upcalls]++;
	step = step_new(walk, STEP_upcall, args[1] == walk->skb ? 0 : STEP_COPY);
	if (step) {
		step->words[0] = 0;
		if (bpf_core_type_exists(struct dp_upcall_info))
			step->words[0] = BPF_CORE_READ(info, cmd);
	}
	if (step_was_miss)
		list_ended(ctx, walk);
	return 0;
}

HOOK_FUNCTION(upcall, ovs_dp_upcall, upcall_begins)

/* ---- the end ---- */

/* ovs_execute_actions(dp, skb, acts, key): by probes it ends only what ovs-vswitchd had executed: the rest ends with the function that took the packet */
SEC("kretprobe/ovs_execute_actions")
int done__kr(struct pt_regs *ctx)
{
	struct walk *walk = walking ? walk_here() : NULL;

	if (walk && walk->open && walk->event.more.from_userspace && walk->skb)
		walk_end(ctx, walk);
	return 0;
}

/* ---- by probes: the function that takes the packet ---- */

/* ovs_dp_process_packet(skb, key) */
SEC("kprobe/ovs_dp_process_packet")
int packet__kp(struct pt_regs *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)PT_REGS_PARM1(ctx);
	struct walk *walk = walk_here();
	__u64 stack = PT_REGS_SP(ctx);

	if (!walk)
		return 0;
	if (walk->open) {
		/* called from the function that took the packet, whose frame is above; else its end was missed */
		if (walk->event.more.from_userspace || (stack < walk->stack && walk->stack - stack < NESTED_STACK))
			return 0;
		walk_close(walk);
	}
	walk_begin(walk, 0);
	walk->stack = stack;
	packet_probe(walk, skb);
	return 0;
}

SEC("kretprobe/ovs_dp_process_packet")
int packet_done__kr(struct pt_regs *ctx)
{
	struct walk *walk = walking ? walk_here() : NULL;

	if (walk && walk->open && !walk->event.more.from_userspace && PT_REGS_SP(ctx) >= walk->stack)
		walk_end(ctx, walk);
	return 0;
}

/* ---- ovs-vswitchd has a packet executed ---- */

/* ovs_packet_cmd_execute(skb, info) */
static __always_inline int execute_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	const __u32 thread = bpf_get_current_pid_tgid();
	__u32 *place = executor_at(thread);
	const __u32 there = *place;

	*place = thread;
	if (!there)
		__sync_fetch_and_add(&executing, 1);
	else if ((there & ~EXECUTOR_SEEN) != thread) /* another's; or its end was skipped */
		loss_add(LOSS_executors);
	return 0;
}

static __always_inline int execute_ends(void *ctx, __u64 result)
{
	const __u32 thread = bpf_get_current_pid_tgid();
	__u32 *place = executor_at(thread);

	if ((*place & ~EXECUTOR_SEEN) != thread)
		return 0;
	*place = 0;
	__sync_fetch_and_add(&executing, -1);
	return 0;
}

HOOK_FUNCTION(execute, ovs_packet_cmd_execute, execute_begins)
HOOK_RESULT(executed, ovs_packet_cmd_execute, 2, execute_ends)

/* ---- a port number is given away ---- */

/* ovs_vport_add(parms) */
static __always_inline int port_added(void *ctx, const __u64 *args, enum sonde_access access)
{
	__sync_fetch_and_add(&refusals_era, 1);
	return 0;
}

HOOK_FUNCTION(port, ovs_vport_add, port_added)

/*
 * Run on a CPU by user space now and then, in an interrupt: a walk whose last step is long ago is over. Returns what
 * there is then: enum walk_swept.
 */
SEC("raw_tp") int sweep(void *ctx)
{
	struct walk *walk = walk_here();

	if (!walk || !walk->open)
		return SWEPT_NOTHING;
	if (bpf_ktime_get_ns() - walk->last <= QUIET_NS)
		return SWEPT_OPEN;
	walk_over(ctx, walk);
	return SWEPT_CLOSED;
}
