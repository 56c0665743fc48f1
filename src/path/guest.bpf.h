/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.bpf.h: stages between host and guest. There is no skb that could be followed: what a vhost
 * thread does next belongs to the packets that it has in hand.
 */
#ifndef NETSONDE_PATH_GUEST_BPF_H
#define NETSONDE_PATH_GUEST_BPF_H

#include "kernel/vhost.h"
#include "path/step.bpf.h"

struct path_hand {
	__u32 index;	/* of its trace: bucket and way */
	__u32 number;	/* see hand_key() */
};

/* vhost reads up to 64 packets before it tells the guest */
#define PATH_HANDS 128

/** When the guest kicked, and who: its vCPU, as the kick is a write to an eventfd. */
struct path_kick {
	__u64 at;	/* ns; 0: not since the last packets were sent */
	sonde_pid pid;
	__u32 cpu;
};

struct path_worker {
	struct path_kick kick, sent_kick;
	__u64 run;		/* ns; 0 as above */
	__u64 sent_run, sent;	/* of the packets that are being sent */
	__u64 used, irqfd, inject;	/* of the packets in hand */
	__u32 taken;		/* numbers the packets taken */
	__u32 hands;
	struct path_hand hand[PATH_HANDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_worker);
} workers SEC(".maps");

/* what a new worker looks like: it is too large for the stack */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_worker);
} worker_new SEC(".maps");

/*
 * When the guest kicked, by the work that vhost's thread is to do. Those that it does for what the guest receives are
 * never taken out, nor those of guests that are gone: they make room for others. Sizes are set by path/engine.c.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct path_kick);
} kicks SEC(".maps");

static __always_inline struct path_worker *worker_here(void)
{
	__u32 thread = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&workers, &thread);
}

static __always_inline struct path_worker *worker_make(void)
{
	__u32 thread = bpf_get_current_pid_tgid(), zero = 0;
	struct path_worker *worker = bpf_map_lookup_elem(&workers, &thread), *empty;

	if (worker)
		return worker;
	empty = bpf_map_lookup_elem(&worker_new, &zero);
	if (!empty || bpf_map_update_elem(&workers, &thread, empty, BPF_NOEXIST)) {
		loss_add(LOSS_workers);
		return NULL;
	}
	return bpf_map_lookup_elem(&workers, &thread);
}

#define PATH_EEXIST 17

/* vhost_poll_wakeup(wait, mode, sync, key): by the guest's kick, or because the tap has packets */
static __always_inline int at_kick(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_kick kick = {};
	__u64 work;
	int err; /* before 6.4 the kernel leaves a map's error in half a register */

	if (!path_open || !bpf_core_type_exists(struct vhost_poll))
		return 0;
	work = args[0] - bpf_core_field_offset(struct vhost_poll, wait) +
	       bpf_core_field_offset(struct vhost_poll, work);
	kick.at = bpf_ktime_get_ns();
	kick.pid = bpf_get_current_pid_tgid();
	kick.cpu = bpf_get_smp_processor_id();
	/* the first kick counts: those that follow find the thread already called */
	err = bpf_map_update_elem(&kicks, &work, &kick, BPF_NOEXIST);
	if (err && err != -PATH_EEXIST)
		loss_add(LOSS_kicks);
	return 0;
}

/* handle_tx_kick(work): vhost's thread begins to send what the guest has put into its ring */
static __always_inline int at_worker(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker;
	struct path_kick *kick;
	__u64 work = args[0];

	if (!path_open)
		return 0;
	worker = worker_make();
	if (!worker)
		return 0;
	kick = bpf_map_lookup_elem(&kicks, &work);
	worker->kick.at = 0;
	if (kick)
		worker->kick = *kick;
	worker->run = bpf_ktime_get_ns();
	if (kick)
		bpf_map_delete_elem(&kicks, &work);
	return 0;
}

/* tun_sendmsg(sock, m, len): one packet, or a batch. Of the first since a kick it is known that it has waited for it. */
static __always_inline int at_tun(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker = path_open ? worker_here() : NULL;

	if (!worker)
		return 0;
	worker->sent_kick = worker->kick;
	worker->sent_run = worker->run;
	worker->sent = bpf_ktime_get_ns();
	worker->kick.at = worker->run = 0;
	return 0;
}

HOOK_FUNCTION(kick, vhost_poll_wakeup, at_kick)
HOOK_FUNCTION(worker, handle_tx_kick, at_worker)
HOOK_FUNCTION(tun, tun_sendmsg, at_tun)

/* path details: the kick is no deed of vhost's thread */
static __always_inline void tap_kicked(__u32 index, const struct path_kick *kick)
{
	struct path_trace *trace = bpf_map_lookup_elem(&traces, &index);

	if (!trace)
		return;
	trace->pid[0] = kick->pid;
	trace->cpu[0] = kick->cpu;
}

/* stages that are in the past; a function of its own for the stack's sake */
static __noinline int tap_before(struct path_flight *flight, __u32 index, struct path_worker *worker)
{
	__u32 from = STAGE_none, at = 0;

	flight->first = worker->sent;
	if (worker->sent_run) {
		flight->first = worker->sent_run;
		if (worker->sent_kick.at) {
			flight->first = worker->sent_kick.at;
			flight_note(flight, index, SONDE_PROBE, NULL, STAGE_kick, CELL_none, worker->sent_kick.at, at++);
			if (cfg_details)
				tap_kicked(index, &worker->sent_kick);
			if (cfg_metrics)
				meter_bare(flight, STAGE_kick, true);
			from = STAGE_kick;
		}
		flight_note(flight, index, SONDE_PROBE, NULL, STAGE_worker,
			    from ? path_edges[STAGE_worker][STAGE_kick] : CELL_none, worker->sent_run, at++);
		if (cfg_metrics)
			meter_bare(flight, STAGE_worker, true);
		from = STAGE_worker;
	}
	flight_note(flight, index, SONDE_PROBE, NULL, STAGE_tun,
		    from ? path_edges[STAGE_tun][STAGE_worker] : CELL_none, worker->sent, at);
	if (cfg_metrics)
		meter_bare(flight, STAGE_tun, true);
	return 0;
}

/* a packet has begun on a tap: what came before is known of the vhost thread that sends it. Returns 1 if it has begun. */
static __always_inline int tap_begun(enum sonde_access access, struct sk_buff *skb)
{
	struct path_worker *worker;
	struct path_slot slot;
	__u64 begin;

	if (!path_active || !(path_begins & 1U << STAGE_tap_in))
		return 0;
	if (!flight_find(&slot, flight_key(access, skb)) || slot.flight->stage != STAGE_tap_in)
		return 0;
	worker = worker_here();
	if (!worker || !worker->sent)
		return 1;
	begin = slot.flight->first;
	tap_before(slot.flight, slot.index, worker);
	flight_note(slot.flight, slot.index, access, skb, STAGE_tap_in, path_edges[STAGE_tap_in][STAGE_tun], begin,
		    slot.flight->hops);
	/* the others of a batch may have come after the kick */
	worker->sent_kick.at = worker->sent_run = 0;
	return 1;
}

static __noinline int tap_direct(struct sk_buff *skb)
{
	return tap_begun(SONDE_DIRECT, skb);
}

static __noinline int tap_probe(struct sk_buff *skb)
{
	return tap_begun(SONDE_PROBE, skb);
}

static const struct path_end path_crowded = { .fate = FATE_crowded };

/* the key of a packet in this thread's hand: no skb's memory and no looks can have it */
static __always_inline __u64 hand_key(__u32 number)
{
	return 1ULL << 62 | (__u64)(__u32)bpf_get_current_pid_tgid() << 24 | (number & 0xffffff);
}

/* tun_do_read(tun, tfile, to, noblock, ptr): ptr is an skb that vhost has taken out of the tap's ring; bit 0: an XDP frame */
static __always_inline int vhost_do(void *ctx, enum sonde_access access, struct sk_buff *skb)
{
	struct path_worker *worker;
	struct path_slot slot;
	__u32 at;

	if (!flight_find(&slot, flight_key(access, skb)))
		return 0;
	path_step(ctx, access, skb, &slot, STAGE_vhost);
	if (*slot.key <= PATH_TAKEN || slot.flight->stage != STAGE_vhost)
		return 0;
	worker = worker_make();
	at = worker ? worker->hands : PATH_HANDS;
	if (at >= PATH_HANDS) {
		path_lose(ctx, access, skb, &slot, &path_crowded);
		return 0;
	}
	/* the skb dies now; the flight stays where it is */
	worker->taken++;
	*slot.key = hand_key(worker->taken);
	worker->hand[at].number = worker->taken;
	worker->hand[at].index = slot.index;
	worker->hands = at + 1;
	return 0;
}

static __noinline int vhost_direct(void *ctx, struct sk_buff *skb)
{
	return vhost_do(ctx, SONDE_PROBE, skb);
}

static __always_inline int at_vhost(void *ctx, const __u64 *args, enum sonde_access access)
{
	if (!path_active || !args[4] || args[4] & 1)
		return 0;
	/* a pointer of no type: read by helper in any case */
	return vhost_direct(ctx, (struct sk_buff *)args[4]);
}

HOOK_FUNCTION(vhost, tun_do_read, at_vhost)

/* vhost_add_used_and_signal_n(dev, vq, heads, ...) writes the used ring and signals, if the guest wants that */
static __always_inline int at_used(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker = path_active ? worker_here() : NULL;

	if (!worker || !worker->hands)
		return 0;
	worker->used = bpf_ktime_get_ns();
	worker->irqfd = worker->inject = 0;
	return 0;
}

/* irqfd_wakeup(wait, mode, sync, key): within the signal */
static __always_inline int at_irqfd(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker = path_active ? worker_here() : NULL;

	if (worker && worker->hands && worker->used && !worker->irqfd)
		worker->irqfd = bpf_ktime_get_ns();
	return 0;
}

/* kvm_arch_set_irq_inatomic(entry, kvm, source, level, line_status): within irqfd_wakeup() */
static __always_inline int at_inject(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct path_worker *worker = path_active ? worker_here() : NULL;

	if (worker && worker->hands && worker->irqfd && !worker->inject)
		worker->inject = bpf_ktime_get_ns();
	return 0;
}

HOOK_FUNCTION(used, vhost_add_used_and_signal_n, at_used)
/* not by fentry: on 6.12 that attaches to this function and never runs */
SEC("kprobe/irqfd_wakeup") int irqfd__kp__irqfd_wakeup(struct pt_regs *ctx)
{
	return at_irqfd(ctx, NULL, SONDE_PROBE);
}

HOOK_FUNCTION(inject, kvm_arch_set_irq_inatomic, at_inject)

/* one stage after the packet's skb is gone */
static __noinline int hand_step(struct path_flight *flight, __u32 index, __u32 from, __u32 to, __u64 at)
{
	if (from < STAGE_MAX && to < STAGE_MAX && cfg_metrics)
		meter_bare(flight, to, false);
	if (from < STAGE_MAX && to < STAGE_MAX)
		flight_hop(flight, index, SONDE_PROBE, NULL, to,
			   path_reply_begins ? path_reply_edges[to][from] : path_edges[to][from], at);
	return 0;
}

/* a packet arrives in the guest: no skb is left, so user space reads the headers out of the trace's bytes */
static __always_inline void hand_event(void *ctx, struct path_flight *flight, __u32 index)
{
	struct path_packet *event;

	if (!event_wanted())
		return;
	event = event_reserve(sizeof(*event));
	if (!event)
		return;
	event->packet.length = 0;
	event_fill(event, index, flight, &path_arrived);
	event_submit(ctx, event, sizeof(*event));
}

static __noinline int hand_arrive(void *ctx, struct path_worker *worker, __u64 key, __u32 index)
{
	__u32 set = index / PATH_WAYS, way = index % PATH_WAYS;
	struct path_bucket *bucket = bpf_map_lookup_elem(&buckets, &set);
	struct path_flight *flight;
	__u64 used = worker->used;

	/* given up or evicted meanwhile */
	if (!bucket || bucket->key[way & (PATH_WAYS - 1)] != key)
		return 0;
	flight = &bucket->flight[way & (PATH_WAYS - 1)];
	/* where tasks are preempted a program may be skipped: then it is told from its return */
	if (used < flight->last)
		used = bpf_ktime_get_ns();
	hand_step(flight, index, STAGE_vhost, STAGE_used, used);
	if (worker->irqfd >= used)
		hand_step(flight, index, STAGE_used, STAGE_irqfd, worker->irqfd);
	if (worker->irqfd >= used && worker->inject >= worker->irqfd)
		hand_step(flight, index, STAGE_irqfd, STAGE_inject, worker->inject);
	if (cfg_details && flight_is_slow(flight, index))
		hand_event(ctx, flight, index);
	flight_count(index, FATE_none);
	return 0;
}

static __always_inline int hands_arrive(void *ctx)
{
	struct path_worker *worker = path_active ? worker_here() : NULL;

	if (!worker || !worker->hands)
		return 0;
	for (__u32 i = 0; i < PATH_HANDS; i++) {
		if (i >= worker->hands)
			break;
		hand_arrive(ctx, worker, hand_key(worker->hand[i].number), worker->hand[i].index);
	}
	worker->hands = 0;
	worker->used = 0;
	return 0;
}

SEC("fexit/vhost_add_used_and_signal_n") int arrived__fx__vhost_add_used_and_signal_n(__u64 *ctx)
{
	return hands_arrive(ctx);
}

SEC("kretprobe/vhost_add_used_and_signal_n") int arrived__kr__vhost_add_used_and_signal_n(struct pt_regs *ctx)
{
	return hands_arrive(ctx);
}

#endif
