/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stack.bpf.h: which kernel stack led here, without unwinding one that is
 * known already.
 *
 * Unwinding costs some 500 instructions a frame. A flood of drops takes the
 * same way each time, so its return addresses stand at the same distances from
 * the program's context (which lies on the kernel stack). The first time a
 * stack is unwound, those distances are looked up on the stack itself and
 * kept; the next time every kept slot is read and compared with the return
 * address expected there. All equal: it is that stack. One different: unwind.
 * So a stack is never guessed from its place alone.
 *
 * Frames of another stack (a softirq runs on the interrupt stack, the task that
 * it interrupted on its own) are not followed: what a softirq interrupted is
 * not why it dropped.
 */
#ifndef NETSONDE_STACK_BPF_H
#define NETSONDE_STACK_BPF_H

#define STACK_WORDS 1024	/* 8 KiB from the context's chunk upwards: half of an x86-64 kernel stack */
#define STACK_CHUNK 64		/* words read at a time, aligned: a stack ends where a chunk ends */
#define STACK_ID_SEED 14695981039346656037ULL
#define UNWIND_DEPTH (SONDE_STACK_DEPTH + UNWIND_TRACING)
#define UNWIND_TRACING 16	/* frames at most between the program and the place */

struct stack_anchor {
	__u64 place;
	__u32 depth;	/* the context's offset in a 16 KiB stack */
	__u32 way;
};

struct stack_known {
	__u64 id;
	__u32 frames;
	__u16 slot[SONDE_STACK_DEPTH];	/* words from the start of the context's chunk */
	__u64 ip[SONDE_STACK_DEPTH];
};

struct stack_scratch {
	__u64 address;		/* of the context */
	__u64 words[STACK_WORDS];
	struct stack_known known;
	__u64 ip[UNWIND_DEPTH];
	__u32 count;		/* of ip */
	__u32 frame;		/* of ip, searched for next */
	__u32 start;		/* of words: the context */
	__u32 busy;
	__u64 launder;
};

/** How stacks were attributed, one counter each per CPU; printed with the total. */
enum stack_way {
	STACK_unwound,
	STACK_recognised,
	STACK_WAY_MAX,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_scratch);
} stack_scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct stack_anchor);
	__type(value, struct stack_known);
} stack_anchors SEC(".maps");

/* stack id -> frames; never evicted, so an id that was printed stays what it was */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct sonde_stack);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STACK_WAY_MAX);
	__type(key, __u32);
	__type(value, __u64);
} stack_ways SEC(".maps");

static __always_inline void stack_count(enum stack_way way)
{
	__u32 index = way;
	__u64 *count = bpf_map_lookup_elem(&stack_ways, &index);

	if (count)
		*count += 1;
}

static __always_inline __u64 stack_base(__u64 context)
{
	return context & ~(STACK_CHUNK * sizeof(__u64) - 1);
}

/* true if each kept return address stands where it stood */
static __always_inline bool stack_matches(const struct stack_known *known, __u64 context)
{
	for (__u32 i = 0; i < SONDE_STACK_DEPTH; i++) {
		__u64 word = 0;

		if (i >= known->frames)
			return true;
		bpf_probe_read_kernel(&word, sizeof(word), (void *)(stack_base(context) + known->slot[i] * 8));
		if (word != known->ip[i])
			return false;
	}
	return true;
}

/**
 * stack_search: of the frames unwound into this CPU's scratch memory keep those
 * from place on, with the slots that they stand in. Returns how many were found.
 *
 * A global function: the verifier walks it once, not once for each way that
 * leads to it. Its counters stand in the scratch memory, whose contents the
 * verifier does not follow: else it would walk each way through the search.
 */
__noinline int stack_search(__u64 place)
{
	__u32 zero = 0;
	struct stack_scratch *scratch = bpf_map_lookup_elem(&stack_scratches, &zero);
	volatile __u32 *found, *frame, *start;
	__u64 base;

	if (!scratch)
		return 0;
	found = &scratch->known.frames;
	frame = &scratch->frame;
	*found = 0;
	*frame = UNWIND_DEPTH;
	/* the innermost frames are the tracing itself: the stack begins at the place */
	for (__u32 i = 0; i < UNWIND_TRACING; i++) {
		/* of a function's start the return address of its own fentry call, some bytes behind */
		if (scratch->ip[i] - place < 16) {
			*frame = i;
			break;
		}
	}
	base = stack_base(scratch->address);
	start = &scratch->start;
	*start = (scratch->address - base) / 8;
	for (__u32 chunk = 0; chunk < STACK_WORDS / STACK_CHUNK; chunk++) {
		__u64 *to = &scratch->words[chunk * STACK_CHUNK];

		/* fails behind the stack's end */
		if (bpf_probe_read_kernel(to, STACK_CHUNK * 8, (void *)(base + chunk * STACK_CHUNK * 8)))
			__builtin_memset(to, 0, STACK_CHUNK * 8);
	}
	for (__u32 i = 0; i < STACK_WORDS; i++) {
		__u32 at = *frame, kept = *found;
		__u64 word = scratch->words[i];

		if (at >= UNWIND_DEPTH || at >= scratch->count || kept >= SONDE_STACK_DEPTH)
			break;
		/* what lies below the context is the tracing's own */
		if (i < *start || word != scratch->ip[at])
			continue;
		scratch->known.slot[kept] = i;
		scratch->known.ip[kept] = word;
		scratch->known.id = (kept ? scratch->known.id : STACK_ID_SEED) * 1099511628211ULL ^ word;
		*found = kept + 1;
		*frame = at + 1;
	}
	return *found;
}

/**
 * stack_id: id of the kernel stack that led to place, to be looked up in the
 * map "stacks"; 0 with a loss counted if it could not be taken or kept. ctx
 * must be the program's own context. Cost on 6.1: about 60 instructions a
 * frame for a known stack, 500 a frame for a new one.
 */
static __always_inline __u64 stack_id(void *ctx, __u64 place)
{
	struct stack_anchor anchor = { .place = place };
	struct stack_known *known;
	struct stack_scratch *scratch;
	volatile __u64 *launder;
	__u32 zero = 0;
	__u64 context, id;
	long size;

	scratch = bpf_map_lookup_elem(&stack_scratches, &zero);
	if (!scratch)
		return 0;
	/* the verifier allows no arithmetic on ctx; through memory it becomes a number */
	launder = &scratch->launder;
	*launder = (__u64)ctx;
	context = *launder;
	anchor.depth = context & 0x3fff;

	known = bpf_map_lookup_elem(&stack_anchors, &anchor);
	if (known) {
		if (stack_matches(known, context)) {
			stack_count(STACK_recognised);
			return known->id;
		}
		anchor.way = 1;
		known = bpf_map_lookup_elem(&stack_anchors, &anchor);
		if (known && stack_matches(known, context)) {
			stack_count(STACK_recognised);
			return known->id;
		}
	}
	/* before 6.1 a softirq's drop may come in the middle of a process's */
	if (scratch->busy) {
		loss_add(LOSS_stacks);
		return 0;
	}
	scratch->busy = 1;
	scratch->address = context;
	stack_count(STACK_unwound);
	size = bpf_get_stack(ctx, scratch->ip, sizeof(scratch->ip), 0);
	scratch->count = size > 0 ? (__u32)size / 8 : 0;
	if (!stack_search(place)) {
		scratch->busy = 0;
		loss_add(LOSS_stacks);
		return 0;
	}
	if (!bpf_map_lookup_elem(&stacks, &scratch->known.id)) {
		struct sonde_stack *stack = (void *)scratch->words;

		stack->frames = scratch->known.frames;
		stack->unused = 0;
		__builtin_memcpy(stack->ip, scratch->known.ip, sizeof(stack->ip));
		if (bpf_map_update_elem(&stacks, &scratch->known.id, stack, BPF_ANY)) {
			scratch->busy = 0;
			loss_add(LOSS_stacks);
			return 0;
		}
	}
	/* not before the stack is kept: a recognised one must be printable */
	bpf_map_update_elem(&stack_anchors, &anchor, &scratch->known, BPF_ANY);
	id = scratch->known.id;
	scratch->busy = 0;
	return id;
}

#endif
