// SPDX-License-Identifier: GPL-2.0-only
/* prune.c: which instructions of a program can be reached, once its constants are known. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/prune.h"

#define REGISTERS 11

/* what a register holds wherever an instruction is reached; CONSTANTS: a pointer into the map, number is the offset */
enum kind { ANYTHING, NUMBER, CONSTANTS };

struct value {
	enum kind kind;
	uint64_t number;
};

struct state {
	struct value registers[REGISTERS];
};

/* which ways an instruction is left by */
enum { JUMPS = 1, FALLS = 2 };

struct walk {
	struct prune *prune;
	/* per instruction: which of states is its own, from 1; 0: it is only reached from the one before */
	uint32_t *leaders;
	struct state *states;
	uint8_t *seen; /* per state: something leads there */
	uint8_t *queued; /* per state */
	uint32_t *queue; /* instructions whose states have changed */
	uint32_t queue_length;
	uint8_t *ways; /* per instruction: JUMPS, FALLS */
};

static const struct value anything;

static bool is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static bool is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL);
}

static bool is_exit(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_EXIT);
}

static bool is_jump(const struct bpf_insn *insn)
{
	const uint8_t class = BPF_CLASS(insn->code);

	return (class == BPF_JMP || class == BPF_JMP32) && !is_call(insn) && !is_exit(insn);
}

static bool is_always(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JA);
}

/* the function that an instruction calls, or whose address it takes */
static bool names_function(const struct bpf_insn *insn)
{
	return (is_call(insn) && insn->src_reg == BPF_PSEUDO_CALL) ||
	       (is_wide(insn) && insn->src_reg == BPF_PSEUDO_FUNC);
}

static bool is_known(const struct bpf_insn *insn)
{
	const uint8_t operation = BPF_OP(insn->code);

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD: return is_wide(insn);
	case BPF_JMP:
		if (operation == BPF_JA || operation == BPF_CALL || operation == BPF_EXIT)
			return is_always(insn) || is_call(insn) || is_exit(insn);
		return operation <= BPF_JSLE;
	case BPF_JMP32:
		return operation != BPF_JA && operation != BPF_CALL && operation != BPF_EXIT &&
		       operation <= BPF_JSLE;
	}
	return true;
}

static int64_t target_of(const struct bpf_insn *insn, uint32_t at)
{
	return (int64_t)at + 1 + (names_function(insn) ? insn->imm : insn->off);
}

/* a register can only lose what is known of it, so this ends */
static void lead(struct walk *walk, uint32_t to, const struct state *from)
{
	const uint32_t number = walk->leaders[to] - 1;
	struct state *state = &walk->states[number];
	bool changed = !walk->seen[number];

	if (changed) {
		walk->seen[number] = 1;
		*state = *from;
	} else {
		for (int i = 0; i < REGISTERS; i++) {
			struct value *value = &state->registers[i];

			if (value->kind == ANYTHING || (value->kind == from->registers[i].kind &&
							value->number == from->registers[i].number))
				continue;
			*value = anything;
			changed = true;
		}
	}
	if (changed && !walk->queued[number]) {
		walk->queued[number] = 1;
		walk->queue[walk->queue_length++] = to;
	}
}

static struct value load(const struct walk *walk, const struct bpf_insn *insn, struct value from)
{
	static const uint8_t sizes[] = {
		[BPF_W >> 3] = 4, [BPF_H >> 3] = 2, [BPF_B >> 3] = 1, [BPF_DW >> 3] = 8
	};
	const uint8_t size = sizes[BPF_SIZE(insn->code) >> 3];
	const uint64_t offset = from.number + insn->off;
	struct value value = { NUMBER, 0 };

	if (from.kind != CONSTANTS || BPF_MODE(insn->code) != BPF_MEM || offset > walk->prune->constants_size ||
	    size > walk->prune->constants_size - offset)
		return anything;
	for (int i = 0; i < size; i++) {
		const int byte = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i : size - 1 - i;

		value.number |= (uint64_t)((const uint8_t *)walk->prune->constants)[offset + byte]
				<< (8 * i);
	}
	return value;
}

static bool compute(uint8_t operation, uint64_t left, uint64_t right, int bits, uint64_t *result)
{
	right = operation == BPF_LSH || operation == BPF_RSH || operation == BPF_ARSH
			? right & (bits - 1)
			: right;
	switch (operation) {
	case BPF_ADD: *result = left + right; return true;
	case BPF_SUB: *result = left - right; return true;
	case BPF_MUL: *result = left * right; return true;
	case BPF_OR: *result = left | right; return true;
	case BPF_AND: *result = left & right; return true;
	case BPF_XOR: *result = left ^ right; return true;
	case BPF_MOV: *result = right; return true;
	case BPF_LSH: *result = left << right; return true;
	case BPF_RSH: *result = left >> right; return true;
	case BPF_ARSH:
		*result = bits == 64 ? (uint64_t)((int64_t)left >> right)
				     : (uint64_t)((int32_t)left >> right);
		return true;
	case BPF_NEG: *result = -left; return true;
	}
	return false;
}

static struct value operand(const struct state *state, const struct bpf_insn *insn)
{
	if (BPF_SRC(insn->code) == BPF_X)
		return state->registers[insn->src_reg];
	return (struct value){ NUMBER, (int64_t)insn->imm };
}

static struct value arithmetic(const struct state *state, const struct bpf_insn *insn)
{
	const bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	const struct value left = state->registers[insn->dst_reg], right = operand(state, insn);
	const uint8_t operation = BPF_OP(insn->code);
	struct value value = { NUMBER, 0 };

	/* an offset: signed division, or a move that extends a sign */
	if (insn->off)
		return anything;
	if (wide && operation == BPF_MOV)
		return right;
	if (wide && operation == BPF_ADD && left.kind == CONSTANTS && right.kind == NUMBER)
		return (struct value){ CONSTANTS, left.number + right.number };
	if (right.kind != NUMBER || (operation != BPF_MOV && left.kind != NUMBER))
		return anything;
	if (wide ? !compute(operation, left.number, right.number, 64, &value.number)
		 : !compute(operation, (uint32_t)left.number, (uint32_t)right.number, 32,
			    &value.number))
		return anything;
	if (!wide)
		value.number = (uint32_t)value.number;
	return value;
}

/* JUMPS, FALLS or both */
static uint8_t ways_of(const struct state *state, const struct bpf_insn *insn)
{
	const struct value left = state->registers[insn->dst_reg], right = operand(state, insn);
	const bool wide = BPF_CLASS(insn->code) == BPF_JMP;
	const uint64_t a = wide ? left.number : (uint32_t)left.number,
		       b = wide ? right.number : (uint32_t)right.number;
	const int64_t sa = wide ? (int64_t)a : (int32_t)a, sb = wide ? (int64_t)b : (int32_t)b;
	bool jumps;

	if (left.kind != NUMBER || right.kind != NUMBER)
		return JUMPS | FALLS;
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ: jumps = a == b; break;
	case BPF_JNE: jumps = a != b; break;
	case BPF_JGT: jumps = a > b; break;
	case BPF_JGE: jumps = a >= b; break;
	case BPF_JLT: jumps = a < b; break;
	case BPF_JLE: jumps = a <= b; break;
	case BPF_JSGT: jumps = sa > sb; break;
	case BPF_JSGE: jumps = sa >= sb; break;
	case BPF_JSLT: jumps = sa < sb; break;
	case BPF_JSLE: jumps = sa <= sb; break;
	case BPF_JSET: jumps = a & b; break;
	default: return JUMPS | FALLS;
	}
	return jumps ? JUMPS : FALLS;
}

/* A function knows nothing of its arguments: one that is global is verified alone, whatever its callers give it. */
static void call(struct walk *walk, const struct bpf_insn *insn, uint32_t at, struct state *state)
{
	static const struct state inside;

	if (names_function(insn))
		lead(walk, target_of(insn, at), &inside);
	for (int i = 0; i <= 5 && is_call(insn); i++)
		state->registers[i] = anything;
}

static void step(struct walk *walk, const struct bpf_insn *insn, uint32_t at, struct state *state)
{
	struct value *to = &state->registers[insn->dst_reg];

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		call(walk, insn, at, state);
		if (insn->src_reg == BPF_PSEUDO_MAP_VALUE && insn->imm == walk->prune->constants_fd)
			*to = (struct value){ CONSTANTS, (uint32_t)insn[1].imm };
		else if (!insn->src_reg)
			*to = (struct value){ NUMBER,
					      (uint32_t)insn->imm | (uint64_t)(uint32_t)insn[1].imm
									    << 32 };
		else
			*to = anything;
		return;
	case BPF_LDX: *to = load(walk, insn, state->registers[insn->src_reg]); return;
	case BPF_STX:
		/* atomic operations fetch into the source, a compare and exchange into r0, since 6.15 a load into dst */
		if (BPF_MODE(insn->code) != BPF_MEM)
			state->registers[0] = state->registers[insn->src_reg] = *to = anything;
		return;
	case BPF_ALU:
	case BPF_ALU64: *to = arithmetic(state, insn); return;
	case BPF_JMP: call(walk, insn, at, state);
	}
}

/* from a leader to the end of its basic block */
static void block_walk(struct walk *walk, uint32_t at)
{
	struct state state = walk->states[walk->leaders[at] - 1];

	for (;;) {
		const struct bpf_insn *insn = &walk->prune->code[at];
		uint8_t ways = FALLS;

		walk->prune->kept[at] = 1;
		if (is_exit(insn))
			return;
		if (is_wide(insn))
			walk->prune->kept[at + 1] = 1;
		if (is_always(insn))
			ways = JUMPS;
		else if (is_jump(insn))
			ways = ways_of(&state, insn);
		else
			step(walk, insn, at, &state);
		walk->ways[at] |= ways;
		if (ways & JUMPS)
			lead(walk, target_of(insn, at), &state);
		if (!(ways & FALLS))
			return;
		at += is_wide(insn) ? 2 : 1;
		if (walk->leaders[at]) {
			lead(walk, at, &state);
			return;
		}
	}
}

/* Returns how many leaders there are, 0 if the program is none that is known here. */
static uint32_t leaders_mark(struct walk *walk)
{
	const uint32_t count = walk->prune->count;
	uint32_t leaders = 0;

	walk->leaders[0] = 1;
	for (uint32_t i = 0; i < count; i++) {
		const struct bpf_insn *insn = &walk->prune->code[i];
		const int64_t target = target_of(insn, i);
		const bool names = is_jump(insn) || names_function(insn);

		if (!is_known(insn) || insn->dst_reg >= REGISTERS || insn->src_reg >= REGISTERS ||
		    (names && (target < 0 || target >= count)))
			return 0;
		/* what does not end in an exit or a jump would run on into nothing */
		if (i + 1 == count && !is_exit(insn) && !is_always(insn))
			return 0;
		if (names)
			walk->leaders[target] = 1;
		/* merged here, so that what only one way knows does not pass */
		if (is_jump(insn) && i + 1 < count)
			walk->leaders[i + 1] = 1;
		if (is_wide(insn) && ++i + 1 >= count)
			return 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (walk->leaders[i])
			walk->leaders[i] = ++leaders;
	}
	return leaders;
}

/* a jump never taken goes; one always taken loses its condition, or goes too if nothing is left between */
static void jumps_drop(struct walk *walk)
{
	struct prune *prune = walk->prune;
	uint32_t next = prune->count; /* the first behind i that is left */

	for (uint32_t i = prune->count; i-- > 0;) {
		struct bpf_insn *insn = &prune->code[i];

		/* the second half of a wide one has code 0, as no jump has */
		if (prune->kept[i] && is_jump(insn)) {
			const int64_t target = target_of(insn, i);

			if (walk->ways[i] == FALLS)
				prune->kept[i] = 0;
			else if (walk->ways[i] == JUMPS && target > i && target <= next)
				prune->kept[i] = 0;
			else if (walk->ways[i] == JUMPS)
				*insn = (struct bpf_insn){ .code = BPF_JMP | BPF_JA,
							   .off = insn->off };
		}
		if (prune->kept[i])
			next = i;
	}
}

static void code_move(struct prune *prune)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < prune->count; i++) {
		prune->places[i] = left;
		left += prune->kept[i];
	}
	prune->places[prune->count] = left;
	for (uint32_t i = 0; i < prune->count; i++) {
		struct bpf_insn insn = prune->code[i];
		const uint32_t place = prune->places[i];

		if (!prune->kept[i])
			continue;
		if (is_jump(&insn))
			insn.off = (int64_t)prune->places[target_of(&insn, i)] - place - 1;
		else if (names_function(&insn))
			insn.imm = (int64_t)prune->places[target_of(&insn, i)] - place - 1;
		prune->code[place] = insn;
		/* its second half is no instruction */
		if (is_wide(&insn)) {
			prune->code[place + 1] = prune->code[i + 1];
			i++;
		}
	}
	prune->left = left;
}

static int reach(struct walk *walk)
{
	const struct state start = {};
	const uint32_t leaders = leaders_mark(walk);

	if (!leaders)
		return -EINVAL;
	walk->states = calloc(leaders, sizeof(*walk->states));
	walk->seen = calloc(leaders, 2);
	walk->queue = malloc(leaders * sizeof(*walk->queue));
	if (!walk->states || !walk->seen || !walk->queue)
		return -ENOMEM;
	walk->queued = walk->seen + leaders;
	lead(walk, 0, &start);
	while (walk->queue_length) {
		const uint32_t at = walk->queue[--walk->queue_length];

		walk->queued[walk->leaders[at] - 1] = 0;
		block_walk(walk, at);
	}
	return 0;
}

int prune_code(struct prune *prune)
{
	struct walk walk = { .prune = prune };
	int err = -ENOMEM;

	memset(prune->kept, 0, prune->count);
	walk.leaders = calloc(prune->count, sizeof(*walk.leaders));
	walk.ways = calloc(prune->count, 1);
	if (walk.leaders && walk.ways)
		err = reach(&walk);
	if (!err) {
		jumps_drop(&walk);
		code_move(prune);
	}
	free(walk.leaders);
	free(walk.ways);
	free(walk.states);
	free(walk.seen);
	free(walk.queue);
	return err;
}

uint32_t prune_offsets(const struct prune *prune, void *records, uint32_t record_size,
		       uint32_t record_count)
{
	uint32_t left = 0;
	char *record = records, *to = records;

	for (uint32_t i = 0; i < record_count; i++, record += record_size) {
		uint32_t from, until = prune->count, place;

		memcpy(&from, record, sizeof(from));
		if (i + 1 < record_count)
			memcpy(&until, record + record_size, sizeof(until));
		/* nothing is left of what it speaks of */
		if (prune->places[from] == prune->places[until])
			continue;
		place = prune->places[from];
		memmove(to, record, record_size);
		memcpy(to, &place, sizeof(place));
		to += record_size;
		left++;
	}
	return left;
}
