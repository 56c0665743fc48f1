/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * event.bpf.h: hand one event to user space, over the ring buffer (since 5.8)
 * or a perf buffer. Include it in a program that declares
 *	EVENT(struct_name);
 * The struct's BTF is the schema that user space prints by, so it must stand
 * in the object: EVENT() sees to that.
 */
#ifndef NETSONDE_EVENT_BPF_H
#define NETSONDE_EVENT_BPF_H

#define SONDE_EVENT_MAX 2048

struct event_space {
	__u8 bytes[SONDE_EVENT_MAX];
};

/* sizes are set by core/object.c */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events_perf SEC(".maps");

/* the perf buffer copies, so an event is built here first; nothing preempts a program on its CPU but a hard
 * interrupt, and one that frees skbs finds busy set and counts a loss instead of overwriting
 */
struct event_scratch {
	__u64 busy;
	struct event_space space;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_scratch);
} event_scratches SEC(".maps");

#define EVENT(name) const struct name *event_of_##name __attribute__((unused))

/** event_reserve: space for an event of a constant size, or NULL with the loss counted. */
static __always_inline void *event_reserve(const __u64 size)
{
	if (facts.perf_buffer) {
		__u32 zero = 0;
		struct event_scratch *scratch = bpf_map_lookup_elem(&event_scratches, &zero);

		if (!scratch || scratch->busy) {
			loss_add(LOSS_events);
			return NULL;
		}
		scratch->busy = 1;
		return scratch->space.bytes;
	}
	void *event = bpf_ringbuf_reserve(&events, size, 0);

	if (!event)
		loss_add(LOSS_events);
	return event;
}

/** event_submit: send what event_reserve() gave; size as there. */
static __always_inline void event_submit(void *ctx, void *event, const __u64 size)
{
	if (facts.perf_buffer) {
		__u32 zero = 0;
		struct event_scratch *scratch = bpf_map_lookup_elem(&event_scratches, &zero);

		if (bpf_perf_event_output(ctx, &events_perf, BPF_F_CURRENT_CPU, event, size))
			loss_add(LOSS_events);
		if (scratch)
			scratch->busy = 0;
		return;
	}
	bpf_ringbuf_submit(event, 0);
}

/** event_copy: sends an event of a constant size that was made elsewhere; the loss is counted. */
static __always_inline void event_copy(void *ctx, void *event, const __u64 size)
{
	if (facts.perf_buffer ? bpf_perf_event_output(ctx, &events_perf, BPF_F_CURRENT_CPU, event, size)
			      : bpf_ringbuf_output(&events, event, size, 0))
		loss_add(LOSS_events);
}

struct event_rate {
	__u64 second;
	__u64 sent;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_rate);
} event_rates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} event_turns SEC(".maps");

/* --sample: one event in N (0, 1: all); --rate: events a second over all CPUs (0: no limit) */
const volatile __u32 cfg_sample = 0;
const volatile __u32 cfg_rate = 0;

/**
 * event_wanted: true if sampling and the rate limit let this event through;
 * what they hold back is counted. CPUs racing at a second's edge may let a few
 * more through, never fewer.
 */
static __always_inline bool event_wanted(void)
{
	__u32 zero = 0;

	if (cfg_sample > 1) {
		__u64 *turn = bpf_map_lookup_elem(&event_turns, &zero);

		if (turn && (*turn)++ % cfg_sample) {
			loss_add(LOSS_not_sampled);
			return false;
		}
	}
	if (cfg_rate) {
		struct event_rate *rate = bpf_map_lookup_elem(&event_rates, &zero);
		__u64 second = bpf_ktime_get_ns() / 1000000000ULL;

		if (!rate)
			return true;
		if (rate->second != second) {
			rate->second = second;
			rate->sent = 0;
		}
		if (rate->sent >= cfg_rate) {
			loss_add(LOSS_rate_limited);
			return false;
		}
		__sync_fetch_and_add(&rate->sent, 1);
	}
	return true;
}

#endif
