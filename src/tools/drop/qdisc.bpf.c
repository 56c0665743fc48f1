// SPDX-License-Identifier: GPL-2.0-only
/*
 * drop qdisc: packets that a queue discipline refused or dropped while queued.
 *
 * Since 7.2 there is the tracepoint qdisc:qdisc_drop, where refused skbs are freed; it
 * names the root of their queue. Before, the skb's free is what can be seen: since 5.17 with a reason of the QDISC
 * family, before that from a list of skbs freed by __dev_queue_xmit; the qdisc
 * is then the root of the packet's transmit queue.
 */
#include "sonde.bpf.h"
#include "abi/qdisc.h"
#include "kernel/skb.h"
#include "kernel/qdisc.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "device.bpf.h"
#include "drop.bpf.h"
#include "event.bpf.h"

#define PLACES_MAX 32
#define REASONS_MAX 32

/* kernel text whose frees are those of a queue discipline, and drop reasons that only they give */
const volatile struct sonde_text qdisc_places[PLACES_MAX] = {};
const volatile __u32 qdisc_place_count = 0;
const volatile __u32 qdisc_reasons[REASONS_MAX] = {};
const volatile __u32 qdisc_reason_count = 0;
/* before 5.17 skbs of a list are freed in kfree_skb_list(), whoever asked for it: then its caller must be this */
const volatile struct sonde_text list_free = {};
const volatile struct sonde_text transmit = {};
const volatile __u32 cfg_each = 0;
/* see stacks.bpf.c */
__u32 epoch = 0;

struct qdisc_drop {
	sonde_time at;
	sonde_cpu cpu;
	sonde_queue queue;
	struct sonde_device device;
	sonde_name kind;
	sonde_handle handle;
	sonde_limit limit;
	sonde_gauge qlen;
	sonde_gauge backlog;
	sonde_reason reason;
	sonde_xmit return_code;
	struct sonde_packet packet;
};

EVENT(qdisc_drop);
const struct qdisc_key *key_of_drops __attribute__((unused));
const struct qdisc_row *row_of_drops __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 8192);
	__uint(key_size, sizeof(struct qdisc_key));
	__uint(value_size, sizeof(struct qdisc_row));
} drops SEC(".maps");

/*
 * Drops and the return of the enqueue() that caused them happen one after the
 * other on one CPU with softirqs off. Since 7.2 a drop is seen inside
 * enqueue(), whose code is not known yet: its row waits here. Between 5.18 and
 * that, what enqueue() dropped is freed behind it: its code waits here.
 */
struct enqueue_state {
	__u64 last_skb; /* enqueue() has returned last_code for it */
	__u64 last_qdisc;
	__u64 last_code;
	__u64 inside; /* 1: in enqueue() */
	__u64 entry_skb; /* of the kprobe, for its kretprobe */
	__u64 entry_qdisc;
	__u64 dropped_skb; /* counted by qdisc_drop, not freed yet */
	struct qdisc_key waiting;
	struct qdisc_row waiting_row; /* count 0: none */
	__u32 held; /* events of --each that wait */
	__u32 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct enqueue_state);
} enqueue_states SEC(".maps");

/*
 * The same for --each: events that wait for their code. One enqueue() drops 64 packets at most (fq_codel's
 * drop_batch_size, unless tc is told otherwise); what finds no place goes without its code.
 */
#define HELD_MAX 64
const volatile __u32 cfg_hold = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* HELD_MAX and one, where cfg_hold is set */
	__type(key, __u32);
	__type(value, struct qdisc_drop);
} held_events SEC(".maps");

static __always_inline void held_send(void *ctx, struct enqueue_state *state, __u32 code)
{
	const __u32 held = state->held;

	for (__u32 i = 0; i < HELD_MAX; i++) {
		__u32 slot = i;
		struct qdisc_drop *event;

		if (i >= held)
			break;
		event = bpf_map_lookup_elem(&held_events, &slot);
		if (!event)
			break;
		event->return_code = code;
		event_copy(ctx, event, sizeof(*event));
	}
	state->held = 0;
}

static __always_inline void row_add(const struct qdisc_key *key, const struct qdisc_row *add)
{
	struct qdisc_row *row = bpf_map_lookup_elem(&drops, key);

	if (!row && bpf_map_update_elem(&drops, key, add, BPF_NOEXIST)) {
		row = bpf_map_lookup_elem(&drops, key);
		if (!row)
			loss_add(LOSS_rows);
	}
	if (row) {
		row->count += add->count;
		row->bytes += add->bytes;
		row->qlen += add->qlen;
		row->backlog += add->backlog;
	}
}

/* rows of one key wait together; with one of another key the first goes without its code */
static __always_inline void wait_add(struct enqueue_state *state, const struct qdisc_key *key,
				     const struct qdisc_row *row)
{
	if (!state->waiting_row.count || state->waiting.handle != key->handle ||
	    state->waiting.reason != key->reason || state->waiting.queue != key->queue) {
		state->waiting = *key;
		state->waiting_row = *row;
		return;
	}
	state->waiting_row.count += row->count;
	state->waiting_row.bytes += row->bytes;
	state->waiting_row.qlen += row->qlen;
	state->waiting_row.backlog += row->backlog;
}

/* the skb's drop, with the qdisc at hand; behind_enqueue: freed by who called enqueue(), not at dequeue */
static __always_inline int qdisc_dropped(void *ctx, enum sonde_access access, struct sk_buff *skb,
					 struct net_device *dev, struct Qdisc *qdisc,
					 sonde_reason reason, bool behind_enqueue)
{
	struct qdisc_row row = { .count = 1 };
	struct qdisc_key key = {};
	struct enqueue_state *state;
	const struct Qdisc_ops *ops;
	__u32 zero = 0;

	state = bpf_map_lookup_elem(&enqueue_states, &zero);
	if (!state)
		return 0;
	key.epoch = epoch;
	key.queue = SONDE_READ(access, skb, queue_mapping);
	key.device.ifindex = SONDE_READ(access, dev, ifindex);
	key.device.netns = sonde_netns(access, skb, dev);
	key.reason = reason;
	key.handle = SONDE_READ(access, qdisc, handle);
	key.limit = SONDE_READ(access, qdisc, limit);
	ops = SONDE_READ(access, qdisc, ops);
	bpf_probe_read_kernel(key.kind, sizeof(key.kind), ops->id);
	key.return_code = SONDE_XMIT_UNKNOWN;
	row.bytes = drop_length(access, skb);
	if (SONDE_READ(access, qdisc, flags) & TCQ_F_CPUSTATS) {
		row.qlen = row.backlog = SONDE_GAUGE_UNKNOWN;
	} else {
		row.qlen = SONDE_READ(access, qdisc, q.qlen);
		row.backlog = SONDE_READ(access, qdisc, qstats.backlog);
	}
	if (behind_enqueue)
		state->dropped_skb = (__u64)skb;
	/* a queue over its limit may drop other packets than the one that was to be enqueued, and says so */
	if (behind_enqueue && !state->inside &&
	    (state->last_skb == (__u64)skb ||
	     (state->last_code && state->last_qdisc == (__u64)qdisc)))
		key.return_code = state->last_code;
	if (!cfg_each) {
		device_remember(dev, &key.device);
		row_add(&key, &row);
		if (state->inside)
			wait_add(state, &key, &row);
		return 0;
	}
	if (!event_wanted())
		return 0;
	const bool waits = cfg_hold && state->inside && state->held < HELD_MAX;
	__u32 slot = waits ? state->held : HELD_MAX;
	struct qdisc_drop *event = cfg_hold ? bpf_map_lookup_elem(&held_events, &slot) : event_reserve(sizeof(*event));

	if (!event)
		return 0;
	event->at = bpf_ktime_get_ns();
	event->cpu = bpf_get_smp_processor_id();
	event->queue = key.queue;
	event->device.ifindex = key.device.ifindex;
	event->device.netns = key.device.netns;
	bpf_probe_read_kernel(event->device.name, sizeof(event->device.name), dev->name);
	__builtin_memcpy(event->kind, key.kind, sizeof(event->kind));
	event->handle = key.handle;
	event->limit = key.limit;
	event->qlen = row.qlen;
	event->backlog = row.backlog;
	event->reason = reason;
	event->return_code = key.return_code;
	packet_parse(access, skb, &event->packet);
	if (waits)
		state->held++;
	else if (cfg_hold)
		event_copy(ctx, event, sizeof(*event));
	else
		event_submit(ctx, event, sizeof(*event));
	return 0;
}

/* qdisc_drop(qdisc, txq, dev, skb, reason), since 7.2 */
static __always_inline int report_qdisc_drop(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[3];

	if (!filter_pass(access, skb))
		return 0;
	return qdisc_dropped(ctx, access, skb, (struct net_device *)args[2],
			     (struct Qdisc *)args[0], args[4], true);
}

static __always_inline bool is_qdisc_reason(sonde_reason reason)
{
	for (__u32 i = 0; i < REASONS_MAX; i++) {
		if (i >= qdisc_reason_count)
			break;
		if (reason == qdisc_reasons[i])
			return true;
	}
	return false;
}

/* freed in a function of a queue discipline: at dequeue, or while it is reset */
static __always_inline bool is_qdisc_place(__u64 place)
{
	for (__u32 i = 0; i < PLACES_MAX; i++) {
		if (i >= qdisc_place_count)
			break;
		if (drop_in_text(place, &qdisc_places[i]))
			return true;
	}
	return false;
}

/* before 5.17: one of a list that __dev_queue_xmit() freed */
static __always_inline bool is_transmit_list(void *ctx, __u64 place)
{
	__u64 stack[10] = {}; /* 5.10 wants it written before */
	long size;

	if (!list_free.size || !drop_in_text(place, &list_free))
		return false;
	size = bpf_get_stack(ctx, stack, sizeof(stack), 0);
	for (__u32 i = 0; i < 10; i++) {
		if (i * 8 >= size)
			break;
		if (drop_in_text(stack[i], &transmit))
			return true;
	}
	return false;
}

static __always_inline bool drop_was_counted(const struct sk_buff *skb)
{
	__u32 zero = 0;
	struct enqueue_state *state = bpf_map_lookup_elem(&enqueue_states, &zero);

	if (!state || state->dropped_skb != (__u64)skb)
		return false;
	/* the next skb is likely to get this one's memory */
	state->dropped_skb = 0;
	return true;
}

static __always_inline int report_free(void *ctx, const __u64 *args, enum sonde_access access,
				       bool only_places)
{
	struct drop drop = drop_read(args);
	struct sk_buff *skb = drop.skb;
	struct netdev_queue *txq;
	struct net_device *dev;
	struct Qdisc *qdisc;
	bool by_qdisc = is_qdisc_place(drop.place);
	__u32 queue;

	if (only_places && drop_was_counted(skb))
		return 0;
	if (!by_qdisc &&
	    (only_places || (!is_qdisc_reason(drop.reason) && !is_transmit_list(ctx, drop.place))))
		return 0;
	if (!filter_pass(access, skb))
		return 0;
	dev = sonde_dev(access, skb);
	if (!dev) {
		loss_add(LOSS_queues);
		return 0;
	}
	queue = SONDE_READ(access, skb, queue_mapping);
	if (queue >= SONDE_READ(access, dev, num_tx_queues))
		queue = 0;
	/* by helper: the verifier allows no such arithmetic on a pointer of its own */
	txq = BPF_CORE_READ(dev, _tx);
	txq = (void *)txq + queue * bpf_core_type_size(struct netdev_queue);
	qdisc = BPF_CORE_READ(txq, qdisc);
	if (!qdisc) {
		loss_add(LOSS_queues);
		return 0;
	}
	return qdisc_dropped(ctx, SONDE_PROBE, skb, dev, qdisc, drop.reason, !by_qdisc);
}

SEC("tp_btf/qdisc_drop") int drop__tp__qdisc_drop(__u64 *ctx)
{
	return report_qdisc_drop(ctx, ctx, SONDE_DIRECT);
}

SEC("raw_tp/qdisc_drop") int drop__rt__qdisc_drop(struct bpf_raw_tracepoint_args *ctx)
{
	return report_qdisc_drop(ctx, (const __u64 *)ctx->args, SONDE_PROBE);
}

SEC("tp_btf/kfree_skb") int drop__tp__kfree_skb(__u64 *ctx)
{
	return report_free(ctx, ctx, SONDE_DIRECT, false);
}

SEC("raw_tp/kfree_skb") int drop__rt__kfree_skb(struct bpf_raw_tracepoint_args *ctx)
{
	return report_free(ctx, (const __u64 *)ctx->args, SONDE_PROBE, false);
}

/* what a qdisc drops while it dequeues is not told by qdisc_drop: CoDel's whole work */
SEC("tp_btf/kfree_skb") int dequeued__tp(__u64 *ctx)
{
	return report_free(ctx, ctx, SONDE_DIRECT, true);
}

SEC("raw_tp/kfree_skb") int dequeued__rt(struct bpf_raw_tracepoint_args *ctx)
{
	return report_free(ctx, (const __u64 *)ctx->args, SONDE_PROBE, true);
}

static __always_inline struct enqueue_state *enqueue_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&enqueue_states, &zero);
}

static __always_inline int enqueue_entered(void *ctx, __u64 skb, __u64 qdisc)
{
	struct enqueue_state *state = enqueue_state();

	if (!state)
		return 0;
	/* the return was not seen */
	if (cfg_hold && state->held)
		held_send(ctx, state, SONDE_XMIT_UNKNOWN);
	state->entry_skb = skb;
	state->entry_qdisc = qdisc;
	state->inside = 1;
	state->waiting_row.count = 0;
	return 0;
}

/* enqueue() of qdisc returned code for skb */
static __always_inline int enqueue_returned(void *ctx, __u64 skb, __u64 qdisc, __u64 code)
{
	struct enqueue_state *state = enqueue_state();
	struct qdisc_row minus;

	if (!state)
		return 0;
	code &= 0xff;
	state->inside = 0;
	state->last_skb = skb;
	state->last_qdisc = qdisc;
	state->last_code = code;
	if (cfg_hold)
		held_send(ctx, state, code);
	if (!state->waiting_row.count)
		return 0;
	/* counted already, with the code unknown: move it to the row that knows */
	minus.count = -state->waiting_row.count;
	minus.bytes = -state->waiting_row.bytes;
	minus.qlen = -state->waiting_row.qlen;
	minus.backlog = -state->waiting_row.backlog;
	row_add(&state->waiting, &minus);
	state->waiting.return_code = code;
	row_add(&state->waiting, &state->waiting_row);
	state->waiting_row.count = 0;
	return 0;
}

/* dev_qdisc_enqueue(skb, q, to_free, txq): a function of its own since 5.18 */
SEC("fexit/dev_qdisc_enqueue") int enqueued__fx__dev_qdisc_enqueue(__u64 *ctx)
{
	return enqueue_returned(ctx, ctx[0], ctx[1], ctx[4]);
}

SEC("kretprobe/dev_qdisc_enqueue") int enqueued__kr__dev_qdisc_enqueue(struct pt_regs *ctx)
{
	struct enqueue_state *state = enqueue_state();

	return state ? enqueue_returned(ctx, state->entry_skb, state->entry_qdisc, PT_REGS_RC(ctx)) : 0;
}

SEC("fentry/dev_qdisc_enqueue") int entered__fe__dev_qdisc_enqueue(__u64 *ctx)
{
	return enqueue_entered(ctx, ctx[0], ctx[1]);
}

SEC("kprobe/dev_qdisc_enqueue") int entered__kp__dev_qdisc_enqueue(struct pt_regs *ctx)
{
	return enqueue_entered(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
}
