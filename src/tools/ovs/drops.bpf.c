// SPDX-License-Identifier: GPL-2.0-only
/* ovs drops: packets that Open vSwitch's datapath loses, counted by how, input port and output port. */
#include "sonde.bpf.h"
#include "abi/ovs_drop.h"
#include "kernel/ovs.h"
#include "kernel/skb.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "device.bpf.h"
#include "drop.bpf.h"
#include "event.bpf.h"

#define PLACES_MAX 32
#define BUCKET_MAX 16
#define COMMAND_MISS 1 /* OVS_PACKET_CMD_MISS */

const volatile __u32 cfg_each = 0;
/* the running kernel's numbers; 0: it has no such reason */
const volatile __u32 last_action_reason = 0;
const volatile __u32 fragment_reasons[2] = {};

/* the module's functions that free packets as dropped, ascending; and some of them that say more */
const volatile struct sonde_text ovs_places[PLACES_MAX] = {};
const volatile __u32 ovs_place_count = 0;
const volatile struct sonde_text output_places[4] = {};
const volatile struct sonde_text action_places[2] = {};
/* the stack's own, which cut packets for the datapath too */
const volatile struct sonde_text fragment_places[2] = {};
const volatile struct sonde_text internal_place = {};
const volatile struct sonde_text execute_place = {};

/* user space flips it at each interval and reads the finished half, so no count is read while it grows */
__u32 epoch = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct ovs_drop_key);
	__type(value, struct ovs_drop_row);
} drops SEC(".maps");

EVENT(ovs_drop);
/* for the schema */
const struct ovs_drop_key *key_of_drops __attribute__((unused));
const struct ovs_drop_row *row_of_drops __attribute__((unused));

/* what a CPU's datapath is doing: bottom halves are off while it has a packet */
struct datapath_state {
	__u64 output_skb, output_datapath;
	__u32 output_port, unused;
	__u64 fragment_skb;
	__u64 judged_skb;	/* counted already, for the actions that it is about to meet */
	__u64 upcall_skb, upcall_info;
	__u64 meter_skb;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct datapath_state);
} states SEC(".maps");

static __always_inline struct datapath_state *state_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&states, &zero);
}

static __always_inline bool place_in(__u64 place, const volatile struct sonde_text *texts, __u32 count)
{
	for (__u32 i = 0; i < count; i++) {
		if (drop_in_text(place, &texts[i]))
			return true;
	}
	return false;
}

static __always_inline bool is_ovs_place(__u64 place)
{
	for (__u32 i = 0; i < PLACES_MAX; i++) {
		if (i >= ovs_place_count || place < ovs_places[i].start)
			return false;
		if (drop_in_text(place, &ovs_places[i]))
			return true;
	}
	return false;
}

/* ---- a lost packet becomes a row or an event ---- */

/* the port that the packet came in by is its device until the datapath hands it to another */
static __always_inline struct net_device *input_device(enum sonde_access access, struct sk_buff *skb, __u64 place)
{
	struct ovs_skb_cb *cb = (void *)&skb->cb;

	if (!drop_in_text(place, &internal_place))
		return sonde_dev(access, skb);
	if (!bpf_core_type_exists(struct ovs_skb_cb))
		return NULL;
	return BPF_CORE_READ(cb, input_vport, dev);
}

/* by helper: what came out of the packet's control block is a number to the verifier */
static __always_inline void device_key(struct net_device *dev, struct sonde_device_key *key)
{
	if (!sonde_kernel_pointer(dev))
		return;
	key->ifindex = BPF_CORE_READ(dev, ifindex);
	key->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
}

static __always_inline void row_add(struct ovs_drop_key *key, struct net_device *dev, __u32 bytes)
{
	struct ovs_drop_row *row = bpf_map_lookup_elem(&drops, key), first = { .count = 1, .bytes = bytes };

	if (!row) {
		device_remember(dev, &key->device);
		if (!bpf_map_update_elem(&drops, key, &first, BPF_NOEXIST))
			return;
		/* another CPU may have made the row since: it has a zero for this CPU */
		row = bpf_map_lookup_elem(&drops, key);
		if (!row) {
			loss_add(LOSS_rows);
			return;
		}
	}
	row->count += 1;
	row->bytes += bytes;
}

static __always_inline void event_send(void *ctx, enum sonde_access access, struct sk_buff *skb,
				       const struct ovs_drop_key *key, struct net_device *dev)
{
	struct ovs_drop *event;

	if (!event_wanted())
		return;
	event = event_reserve(sizeof(*event));
	if (!event)
		return;
	event->at = bpf_ktime_get_ns();
	event->kernel_reason = key->kernel_reason;
	event->cpu = bpf_get_smp_processor_id();
	event->device.ifindex = key->device.ifindex;
	event->device.netns = key->device.netns;
	__builtin_memset(event->device.name, 0, sizeof(event->device.name));
	if (sonde_kernel_pointer(dev))
		bpf_probe_read_kernel(event->device.name, sizeof(event->device.name), dev->name);
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->unused = 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	packet_parse(access, skb, &event->packet);
	event->more = key->more;
	event_submit(ctx, event, sizeof(*event));
}

static __always_inline int lost(void *ctx, struct sk_buff *skb, const struct ovs_drop_facts *facts,
				sonde_reason reason, enum sonde_access access)
{
	struct ovs_drop_key key = {};
	struct net_device *dev = input_device(access, skb, facts->place);

	key.kernel_reason = reason;
	key.more = *facts;
	device_key(dev, &key.device);
	if (cfg_each) {
		event_send(ctx, access, skb, &key, dev);
		return 0;
	}
	key.epoch = epoch;
	row_add(&key, dev, drop_length(access, skb));
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

static __noinline int lost_direct(void *ctx, struct sk_buff *skb, const struct ovs_drop_facts *facts,
				  sonde_reason reason)
{
	return lost(ctx, skb, facts, reason, SONDE_DIRECT);
}

static __noinline int lost_probe(void *ctx, struct sk_buff *skb, const struct ovs_drop_facts *facts,
				 sonde_reason reason)
{
	return lost(ctx, skb, facts, reason, SONDE_PROBE);
}

static __always_inline int report(void *ctx, struct sk_buff *skb, const struct ovs_drop_facts *facts,
				  sonde_reason reason, enum sonde_access access)
{
	if (flt.set && !(access == SONDE_DIRECT ? wanted_direct(skb) : wanted_probe(skb)))
		return 0;
	return access == SONDE_DIRECT ? lost_direct(ctx, skb, facts, reason) : lost_probe(ctx, skb, facts, reason);
}

/* ---- frees ---- */

/* the port of the datapath that has this number, or NULL */
static __always_inline struct vport *port_find(struct datapath *datapath, __u32 number)
{
	struct hlist_head *bucket = BPF_CORE_READ(datapath, ports) + number % OVS_PORT_BUCKETS;
	struct hlist_node *node = BPF_CORE_READ(bucket, first);

	for (__u32 i = 0; i < BUCKET_MAX && sonde_kernel_pointer(node); i++) {
		struct vport *port = (void *)node - bpf_core_field_offset(struct vport, dp_hash_node);

		if (BPF_CORE_READ(port, port_no) == number)
			return port;
		node = BPF_CORE_READ(node, next);
	}
	return NULL;
}

/* as the datapath asks (since 6.13, 47e55e4b410f, and in stable kernels) before it sends */
static __always_inline bool is_up(struct net_device *dev)
{
	const __u64 state = BPF_CORE_READ(dev, state);

	return state & (1ULL << bpf_core_enum_value(enum netdev_state_t, __LINK_STATE_START)) &&
	       !(state & (1ULL << bpf_core_enum_value(enum netdev_state_t, __LINK_STATE_NOCARRIER)));
}

static __always_inline void output_judge(const struct datapath_state *state, struct ovs_drop_facts *facts)
{
	struct net_device *dev;
	struct vport *port;

	facts->port = state->output_port;
	if (!bpf_core_type_exists(struct vport)) {
		facts->what = OVS_OUTPUT_ANY;
		return;
	}
	port = port_find((struct datapath *)state->output_datapath, facts->port);
	if (!port) {
		facts->what = OVS_OUTPUT_GONE;
		return;
	}
	dev = BPF_CORE_READ(port, dev);
	facts->what = is_up(dev) ? OVS_OUTPUT : OVS_OUTPUT_DOWN;
	device_key(dev, &facts->output);
	device_remember(dev, &facts->output);
}

static __always_inline bool list_was_empty(struct sk_buff *skb)
{
	struct ovs_skb_cb *cb = (void *)&skb->cb;

	if (!bpf_core_field_exists(struct ovs_skb_cb, acts_origlen))
		return false;
	return !BPF_CORE_READ(cb, acts_origlen);
}

/* reasons of the datapath itself for which a packet is dropped at its output port */
static __always_inline bool is_fragment_reason(sonde_reason reason)
{
	return reason && (reason == fragment_reasons[0] || reason == fragment_reasons[1]);
}

/*
 * Where a packet was freed. Functions that end with the free leave no trace of
 * themselves (the compiler makes it a jump): then it is the function that
 * called them, and what it was about to do tells the rest.
 */
static __always_inline bool free_judge(const struct drop *drop, struct datapath_state *state,
				       struct ovs_drop_facts *facts)
{
	const __u64 skb = (__u64)drop->skb;

	if (place_in(drop->place, fragment_places, 2)) {
		if (state->fragment_skb != skb)
			return false;
		output_judge(state, facts);
		facts->what = OVS_FRAGMENT;
		return true;
	}
	if (state->judged_skb == skb && place_in(drop->place, action_places, 2)) {
		state->judged_skb = 0;
		return false;
	}
	if (drop->reason && drop->reason == last_action_reason) {
		if (list_was_empty(drop->skb))
			facts->what = OVS_EMPTY;
		else
			facts->what = OVS_NOWHERE;
		return true;
	}
	if (drop->reason >> 16 && !is_fragment_reason(drop->reason))
		return true;
	if (state->output_skb != skb || !place_in(drop->place, output_places, 4))
		return true;
	output_judge(state, facts);
	if (state->fragment_skb == skb)
		facts->what = OVS_FRAGMENT;
	else if (drop_in_text(drop->place, &internal_place))
		facts->what = OVS_FREED;
	return true;
}

static __always_inline int packet_freed(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct drop drop = drop_read(args);
	struct ovs_drop_facts facts = { .what = OVS_FREED, .port = OVS_NO_PORT, .place = drop.place };
	struct datapath_state *state;

	if (!is_ovs_place(drop.place) && !place_in(drop.place, fragment_places, 2))
		return 0;
	/* a packet that ovs-vswitchd sent back may have nothing yet that tells it from a message */
	if (!drop_in_text(drop.place, &execute_place) && drop_is_message(access, drop.skb))
		return 0;
	state = state_here();
	if (!state || !free_judge(&drop, state, &facts))
		return 0;
	return report(ctx, drop.skb, &facts, drop.reason, access);
}

HOOK_TRACEPOINT(drop, kfree_skb, packet_freed)

/* ---- what the datapath is about to do ---- */

/* do_output(dp, skb, out_port, key) */
static __always_inline int output_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct datapath_state *state = state_here();

	if (!state)
		return 0;
	state->output_datapath = args[0];
	state->output_skb = args[1];
	state->output_port = args[2];
	state->fragment_skb = 0;
	state->judged_skb = 0;
	return 0;
}

/* ovs_fragment(net, vport, skb, mru, key) */
static __always_inline int fragment_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct datapath_state *state = state_here();

	if (state)
		state->fragment_skb = args[2];
	return 0;
}

/* do_execute_actions(dp, skb, key, attr, len), of a kernel whose datapath gives no reasons */
static __always_inline int actions_begin(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct ovs_drop_facts facts = { .port = OVS_NO_PORT };
	struct datapath_state *state;
	struct drop drop;

	/* then do_output() comes at once and knows it */
	if (ovs_list_sends(access, args))
		return 0;
	state = state_here();
	if (!state)
		return 0;
	state->output_skb = 0;
	state->judged_skb = 0;
	if (!drop_read_ovs(access, args, &drop))
		return 0;
	state->judged_skb = args[1];
	facts.what = (__s32)args[4] > 0 ? OVS_NOWHERE : OVS_EMPTY;
	return report(ctx, drop.skb, &facts, 0, access);
}

HOOK_FUNCTION(output, do_output, output_begins)
HOOK_FUNCTION(fragment, ovs_fragment, fragment_begins)
HOOK_FUNCTION(actions, do_execute_actions, actions_begin)

/* ---- what only a function's result tells ---- */

static __always_inline int upcall_ended(void *ctx, struct sk_buff *skb, struct dp_upcall_info *info, __s32 error,
					enum sonde_access access)
{
	struct ovs_drop_facts facts = { .what = OVS_UPCALL, .port = OVS_NO_PORT, .error = error };

	if (!error)
		return 0;
	if (bpf_core_type_exists(struct dp_upcall_info))
		facts.what = BPF_CORE_READ(info, cmd) == COMMAND_MISS ? OVS_UPCALL_MISS : OVS_UPCALL_ACTION;
	return report(ctx, skb, &facts, 0, access);
}

static __always_inline int meter_ended(void *ctx, struct sk_buff *skb, bool refused, enum sonde_access access)
{
	struct ovs_drop_facts facts = { .what = OVS_METERED, .port = OVS_NO_PORT };
	struct datapath_state *state = state_here();

	if (!refused || !state)
		return 0;
	if (state->judged_skb == (__u64)skb) {
		state->judged_skb = 0;
		return 0;
	}
	return report(ctx, skb, &facts, 0, access);
}

/* a kretprobe does not know the arguments of the call that it ends */
static __always_inline int upcall_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct datapath_state *state = state_here();

	if (!state)
		return 0;
	state->upcall_skb = args[1];
	state->upcall_info = args[3];
	return 0;
}

static __always_inline int meter_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct datapath_state *state = state_here();

	if (state)
		state->meter_skb = args[1];
	return 0;
}

/* ovs_dp_upcall(dp, skb, key, upcall_info, cutlen) */
SEC("fexit/ovs_dp_upcall") int upcall__fx__ovs_dp_upcall(__u64 *ctx)
{
	return upcall_ended(ctx, (struct sk_buff *)ctx[1], (struct dp_upcall_info *)ctx[3], ctx[5], SONDE_DIRECT);
}

SEC("kretprobe/ovs_dp_upcall") int upcall__kr__ovs_dp_upcall(struct pt_regs *ctx)
{
	struct datapath_state *state = state_here();

	return state ? upcall_ended(ctx, (struct sk_buff *)state->upcall_skb,
				    (struct dp_upcall_info *)state->upcall_info, PT_REGS_RC(ctx), SONDE_PROBE) : 0;
}

/* ovs_meter_execute(dp, skb, key, meter_id) */
SEC("fexit/ovs_meter_execute") int meter__fx__ovs_meter_execute(__u64 *ctx)
{
	return meter_ended(ctx, (struct sk_buff *)ctx[1], ctx[4] & 1, SONDE_DIRECT);
}

SEC("kretprobe/ovs_meter_execute") int meter__kr__ovs_meter_execute(struct pt_regs *ctx)
{
	struct datapath_state *state = state_here();

	return state ? meter_ended(ctx, (struct sk_buff *)state->meter_skb, PT_REGS_RC(ctx) & 1, SONDE_PROBE) : 0;
}

HOOK_FUNCTION(upcall_entered, ovs_dp_upcall, upcall_begins)
HOOK_FUNCTION(meter_entered, ovs_meter_execute, meter_begins)
