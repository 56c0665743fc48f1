// SPDX-License-Identifier: GPL-2.0-only
/* core_prune.c: programs compute the same without what their constants rule out. */
#include <stdlib.h>
#include <string.h>

#include "core/prune.h"
#include "unit.h"

#define CONSTANTS_FD 7
#define MOST 256

/* what stands behind the constants is read, too, and says nothing */
#define CONSTANTS_SIZE 16
static const uint8_t constants[CONSTANTS_SIZE + 8] = { 0,    1,	   0,	 0,    5,    0, 0, 0,
						       0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0x80 };

#define INSN(CODE, DST, SRC, OFF, IMM)                                                             \
	((struct bpf_insn){                                                                        \
		.code = (CODE), .dst_reg = (DST), .src_reg = (SRC), .off = (OFF), .imm = (IMM) })
#define MOVE(DST, IMM) INSN(BPF_ALU64 | BPF_MOV | BPF_K, DST, 0, 0, IMM)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define JUMP(OP, DST, IMM, OFF) INSN(BPF_JMP | (OP) | BPF_K, DST, 0, OFF, IMM)
#define ALWAYS(OFF) INSN(BPF_JMP | BPF_JA, 0, 0, OFF, 0)
#define LOAD(SIZE, DST, SRC, OFF) INSN(BPF_LDX | BPF_MEM | (SIZE), DST, SRC, OFF, 0)
#define POINT(DST, OFFSET)                                                                         \
	INSN(BPF_LD | BPF_IMM | BPF_DW, DST, BPF_PSEUDO_MAP_VALUE, 0, CONSTANTS_FD),               \
		INSN(0, 0, 0, 0, OFFSET)
#define CALL(OFF) INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, OFF)
#define HELPER(NUMBER) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, NUMBER)

struct pruned {
	struct bpf_insn code[MOST];
	uint32_t places[MOST + 1];
	uint8_t kept[MOST];
	struct prune prune;
	int err;
};

static struct pruned *prune(const struct bpf_insn *code, uint32_t count)
{
	static struct pruned pruned;

	memcpy(pruned.code, code, count * sizeof(*code));
	pruned.prune = (struct prune){
		.code = pruned.code,
		.count = count,
		.constants_fd = CONSTANTS_FD,
		.constants = constants,
		.constants_size = CONSTANTS_SIZE,
		.places = pruned.places,
		.kept = pruned.kept,
	};
	pruned.err = prune_code(&pruned.prune);
	return &pruned;
}

#define PRUNE(...)                                                                                 \
	prune((const struct bpf_insn[]){ __VA_ARGS__ },                                            \
	      sizeof((const struct bpf_insn[]){ __VA_ARGS__ }) / sizeof(struct bpf_insn))

static void assert_code(const struct pruned *pruned, const struct bpf_insn *wanted, uint32_t count)
{
	assert_int_equal(pruned->err, 0);
	assert_int_equal(pruned->prune.left, count);
	assert_memory_equal(pruned->code, wanted, count * sizeof(*wanted));
}

#define ASSERT_CODE(PRUNED, ...)                                                                   \
	assert_code(PRUNED, (const struct bpf_insn[]){ __VA_ARGS__ },                              \
		    sizeof((const struct bpf_insn[]){ __VA_ARGS__ }) / sizeof(struct bpf_insn))

static void an_option_that_is_off(void **state)
{
	(void)state;
	/* falls through: the jump goes, and what it jumps to */
	ASSERT_CODE(PRUNE(POINT(1, 0), LOAD(BPF_B, 1, 1, 0), JUMP(BPF_JNE, 1, 0, 2), MOVE(0, 1),
			  EXIT(), MOVE(0, 2), EXIT()),
		    POINT(1, 0), LOAD(BPF_B, 1, 1, 0), MOVE(0, 1), EXIT());
	/* jumps: what is jumped over goes, and the jump since nothing is left between */
	ASSERT_CODE(PRUNE(POINT(1, 0), LOAD(BPF_B, 1, 1, 0), JUMP(BPF_JEQ, 1, 0, 2), MOVE(0, 1),
			  EXIT(), MOVE(0, 2), EXIT()),
		    POINT(1, 0), LOAD(BPF_B, 1, 1, 0), MOVE(0, 2), EXIT());
	/* the same back: a jump stays */
	ASSERT_CODE(PRUNE(JUMP(BPF_JEQ, 2, 9, 2), MOVE(0, 3), EXIT(), POINT(1, 1),
			  LOAD(BPF_B, 1, 1, 0), JUMP(BPF_JEQ, 1, 1, -6), MOVE(0, 4), EXIT()),
		    JUMP(BPF_JEQ, 2, 9, 2), MOVE(0, 3), EXIT(), POINT(1, 1), LOAD(BPF_B, 1, 1, 0),
		    ALWAYS(-6));
}

static void what_two_ways_know_differently(void **state)
{
	(void)state;
	/* r3 is 1 or 2 where they meet: nothing may go */
	ASSERT_CODE(PRUNE(MOVE(3, 1), JUMP(BPF_JEQ, 2, 9, 1), MOVE(3, 2), JUMP(BPF_JEQ, 3, 1, 1),
			  MOVE(0, 5), EXIT()),
		    MOVE(3, 1), JUMP(BPF_JEQ, 2, 9, 1), MOVE(3, 2), JUMP(BPF_JEQ, 3, 1, 1),
		    MOVE(0, 5), EXIT());
	/* and it is 1 both times */
	ASSERT_CODE(PRUNE(MOVE(3, 1), JUMP(BPF_JEQ, 2, 9, 1), MOVE(3, 1), JUMP(BPF_JEQ, 3, 1, 1),
			  MOVE(0, 5), EXIT()),
		    MOVE(3, 1), JUMP(BPF_JEQ, 2, 9, 1), MOVE(3, 1), EXIT());
	/* a loop changes it */
	ASSERT_CODE(PRUNE(MOVE(3, 1), INSN(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, 1),
			  JUMP(BPF_JLT, 3, 9, -2), EXIT()),
		    MOVE(3, 1), INSN(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, 1),
		    JUMP(BPF_JLT, 3, 9, -2), EXIT());
}

static void functions(void **state)
{
	struct bpf_func_info records[] = { { 0, 10 }, { 6, 11 }, { 8, 12 } };
	const struct pruned *pruned;

	(void)state;
	/* the first function is called by what never runs, the second by what does; it knows nothing of its arguments */
	pruned = PRUNE(MOVE(6, 0), JUMP(BPF_JEQ, 6, 0, 1), CALL(3), MOVE(1, 3), CALL(3), EXIT(),
		       /* 6: */ MOVE(0, 1), EXIT(),
		       /* 8: */ JUMP(BPF_JEQ, 1, 4, 1), JUMP(BPF_JEQ, 2, 4, 1), MOVE(0, 2), EXIT());
	ASSERT_CODE(pruned, MOVE(6, 0), MOVE(1, 3), CALL(1), EXIT(), JUMP(BPF_JEQ, 1, 4, 1),
		    JUMP(BPF_JEQ, 2, 4, 1), MOVE(0, 2), EXIT());
	assert_int_equal(prune_offsets(&pruned->prune, records, sizeof(*records), 3), 2);
	assert_int_equal(records[0].insn_off, 0);
	assert_int_equal(records[0].type_id, 10);
	assert_int_equal(records[1].insn_off, 4);
	assert_int_equal(records[1].type_id, 12);
	/* two callers, and a helper that leaves nothing known in r1 to r5 */
	ASSERT_CODE(PRUNE(MOVE(1, 1), CALL(4), MOVE(1, 2), CALL(2), HELPER(5), EXIT(),
			  JUMP(BPF_JEQ, 1, 1, 1), MOVE(6, 1), HELPER(5), JUMP(BPF_JEQ, 1, 1, 1),
			  MOVE(0, 2), EXIT()),
		    MOVE(1, 1), CALL(4), MOVE(1, 2), CALL(2), HELPER(5), EXIT(),
		    JUMP(BPF_JEQ, 1, 1, 1), MOVE(6, 1), HELPER(5), JUMP(BPF_JEQ, 1, 1, 1),
		    MOVE(0, 2), EXIT());
	/* one whose address is taken */
	ASSERT_CODE(PRUNE(JUMP(BPF_JEQ, 1, 1, 0),
			  INSN(BPF_LD | BPF_IMM | BPF_DW, 2, BPF_PSEUDO_FUNC, 0, 4),
			  INSN(0, 0, 0, 0, 0), EXIT(), MOVE(0, 7), EXIT(), MOVE(0, 8), EXIT()),
		    JUMP(BPF_JEQ, 1, 1, 0),
		    INSN(BPF_LD | BPF_IMM | BPF_DW, 2, BPF_PSEUDO_FUNC, 0, 2), INSN(0, 0, 0, 0, 0),
		    EXIT(), MOVE(0, 8), EXIT());
}

static void what_is_not_known_stays(void **state)
{
	static const struct bpf_insn strange[] = {
		INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 0), /* jumps by imm, since 6.6 */
		INSN(BPF_JMP | BPF_CALL | BPF_X, 1, 0, 0, 0),
		INSN(BPF_JMP | 0xe0, 0, 0, 0, 0),
		INSN(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 12, 0, 0, 0),
		JUMP(BPF_JEQ, 1, 1, -9),
		JUMP(BPF_JEQ, 1, 1, 2),
		CALL(2),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(strange) / sizeof(*strange); i++) {
		const struct bpf_insn code[] = { MOVE(1, 0), strange[i], EXIT() };

		assert_int_equal(prune(code, 3)->err, -EINVAL);
	}
	/* beyond the constants, another map, and a write */
	ASSERT_CODE(PRUNE(POINT(1, 13), LOAD(BPF_W, 1, 1, 0), JUMP(BPF_JEQ, 1, 1, 1), MOVE(0, 5),
			  EXIT()),
		    POINT(1, 13), LOAD(BPF_W, 1, 1, 0), JUMP(BPF_JEQ, 1, 1, 1), MOVE(0, 5), EXIT());
	ASSERT_CODE(PRUNE(POINT(1, -1), LOAD(BPF_DW, 1, 1, 0x7fff), JUMP(BPF_JEQ, 1, 1, 1), MOVE(0, 5),
			  EXIT()),
		    POINT(1, -1), LOAD(BPF_DW, 1, 1, 0x7fff), JUMP(BPF_JEQ, 1, 1, 1), MOVE(0, 5), EXIT());
	ASSERT_CODE(PRUNE(INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_VALUE, 0, 6),
			  INSN(0, 0, 0, 0, 0), LOAD(BPF_W, 1, 1, 0), JUMP(BPF_JEQ, 1, 1, 1),
			  MOVE(0, 5), EXIT()),
		    INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_VALUE, 0, 6),
		    INSN(0, 0, 0, 0, 0), LOAD(BPF_W, 1, 1, 0), JUMP(BPF_JEQ, 1, 1, 1), MOVE(0, 5),
		    EXIT());
	ASSERT_CODE(PRUNE(MOVE(1, 0), INSN(BPF_STX | 0xc0 | BPF_DW, 10, 1, -8, BPF_ADD | 1),
			  JUMP(BPF_JEQ, 1, 0, 1), MOVE(0, 5), EXIT()),
		    MOVE(1, 0), INSN(BPF_STX | 0xc0 | BPF_DW, 10, 1, -8, BPF_ADD | 1),
		    JUMP(BPF_JEQ, 1, 0, 1), MOVE(0, 5), EXIT());
}

/* A run of a program: what it writes, one number after the other, and its result; the kernel's semantics. */
struct trace {
	uint64_t written[64];
	int count;
	uint64_t result;
};

static uint64_t number_of(uint64_t value, int wide)
{
	return wide ? value : (uint32_t)value;
}

static int holds(uint8_t op, uint64_t a, uint64_t b, int wide)
{
	const int64_t sa = wide ? (int64_t)a : (int32_t)a, sb = wide ? (int64_t)b : (int32_t)b;

	switch (op) {
	case BPF_JEQ: return a == b;
	case BPF_JNE: return a != b;
	case BPF_JGT: return a > b;
	case BPF_JGE: return a >= b;
	case BPF_JLT: return a < b;
	case BPF_JLE: return a <= b;
	case BPF_JSGT: return sa > sb;
	case BPF_JSGE: return sa >= sb;
	case BPF_JSLT: return sa < sb;
	case BPF_JSLE: return sa <= sb;
	default: return !!(a & b);
	}
}

static uint64_t calculate(uint8_t op, uint64_t a, uint64_t b, int wide)
{
	const int shift = b & (wide ? 63 : 31);

	switch (op) {
	case BPF_ADD: return a + b;
	case BPF_SUB: return a - b;
	case BPF_MUL: return a * b;
	case BPF_OR: return a | b;
	case BPF_AND: return a & b;
	case BPF_XOR: return a ^ b;
	case BPF_LSH: return a << shift;
	case BPF_RSH: return a >> shift;
	case BPF_ARSH:
		return wide ? (uint64_t)((int64_t)a >> shift) : (uint64_t)((int32_t)a >> shift);
	case BPF_NEG: return -a;
	case BPF_DIV: return b ? a / b : 0;
	case BPF_MOD: return b ? a % b : a;
	default: return b;
	}
}

static void execute(const struct bpf_insn *code, const uint64_t arguments[5], struct trace *trace)
{
	uint64_t r[11] = { 0 };
	uint32_t at = 0;

	*trace = (struct trace){};
	memcpy(&r[1], arguments, 5 * sizeof(*r));
	for (;;) {
		const struct bpf_insn insn = code[at++];
		const uint8_t class = BPF_CLASS(insn.code);
		const int wide = class == BPF_ALU64 || class == BPF_JMP;
		const uint64_t a = number_of(r[insn.dst_reg], wide);
		const uint64_t b = BPF_SRC(insn.code) == BPF_X ? number_of(r[insn.src_reg], wide)
							       : number_of((int64_t)insn.imm, wide);

		if (insn.code == (BPF_JMP | BPF_EXIT)) {
			trace->result = r[0];
			return;
		}
		if (class == BPF_ALU || class == BPF_ALU64) {
			r[insn.dst_reg] = number_of(calculate(BPF_OP(insn.code), a, b, wide), wide);
		} else if (class == BPF_LD) {
			r[insn.dst_reg] = insn.src_reg
						  ? (uint64_t)(uintptr_t)constants + code[at].imm
						  : (uint32_t)insn.imm |
							    (uint64_t)(uint32_t)code[at].imm << 32;
			at++;
		} else if (class == BPF_LDX) {
			const int size = (const int[]){ 4, 2, 1, 8 }[BPF_SIZE(insn.code) >> 3];
			uint64_t value = 0;

			memcpy(&value, (const char *)(uintptr_t)r[insn.src_reg] + insn.off, size);
			r[insn.dst_reg] = value;
		} else if (insn.code == (BPF_JMP | BPF_CALL)) {
			/* a helper: its argument is what the program does to the world */
			if (trace->count < 64)
				trace->written[trace->count++] = r[1] * 31 + insn.imm;
			for (int i = 0; i <= 5; i++)
				r[i] = 0x1111111111111111 * i;
		} else if (insn.code == (BPF_JMP | BPF_JA) ||
			   holds(BPF_OP(insn.code), a, b, wide)) {
			at += insn.off;
		}
	}
}

static uint32_t random_number(void)
{
	static uint64_t seed = 88172645463325252;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed >> 16;
}

static const int32_t numbers[] = { 0, 1, 2, 5, -1, 255, INT32_MIN, INT32_MAX };

static struct bpf_insn random_insn(uint32_t at, uint32_t count)
{
	static const uint8_t operations[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_OR,   BPF_AND,
					      BPF_XOR, BPF_LSH, BPF_RSH, BPF_ARSH, BPF_NEG,
					      BPF_MOV, BPF_MOV, BPF_MOV, BPF_DIV,  BPF_MOD };
	static const uint8_t conditions[] = { BPF_JEQ,	BPF_JNE,  BPF_JGT,  BPF_JGE,
					      BPF_JLT,	BPF_JLE,  BPF_JSGT, BPF_JSGE,
					      BPF_JSLT, BPF_JSLE, BPF_JSET };
	const uint32_t kind = random_number() % 10;
	const uint8_t source = random_number() % 2 ? BPF_X : BPF_K;
	const int32_t imm = numbers[random_number() % 8];
	struct bpf_insn insn = INSN(0, random_number() % 10, random_number() % 10, 0, imm);

	if (kind == 0)
		return HELPER(1 + at);
	if (kind < 5) {
		insn.code = (random_number() % 2 ? BPF_ALU64 : BPF_ALU) |
			    operations[random_number() % sizeof(operations)] | source;
		return insn;
	}
	insn.code = (random_number() % 2 ? BPF_JMP : BPF_JMP32) |
		    conditions[random_number() % sizeof(conditions)] | source;
	if (kind == 9)
		insn.code = BPF_JMP | BPF_JA;
	/* ahead, so that each run ends */
	insn.off = random_number() % (count - at - 1);
	return insn;
}

/* constants loaded, tested and computed with at random; in the end the program's effects are what they were */
static void computes_the_same(void **state)
{
	uint32_t removed = 0, whole = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct bpf_insn code[MOST];
		const uint32_t count = 12 + random_number() % 60;
		uint32_t at = 0;
		const struct pruned *pruned;

		while (at < count) {
			const uint8_t to = random_number() % 10, offset = random_number() % 8;
			const uint8_t size = (random_number() % 4) << 3;
			const struct bpf_insn load[] = { POINT(to, offset),
							 LOAD(size, to, to, random_number() % 8) };

			if (random_number() % 3 == 0 && at + 3 < count) {
				memcpy(&code[at], load, sizeof(load));
				at += 3;
			} else {
				code[at] = random_insn(at, count + 1);
				at++;
			}
		}
		code[count] = EXIT();
		/* none into the second half of a wide one, nor to its load */
		for (uint32_t i = 0; i < count; i++) {
			const int ahead = i + 1 + code[i].off;

			if (BPF_CLASS(code[i].code) == BPF_LD) {
				i += 2;
				continue;
			}
			if (code[i].off &&
			    (code[ahead].code == 0 || (BPF_CLASS(code[ahead].code) == BPF_LDX)))
				code[i].off = 0;
		}
		pruned = prune(code, count + 1);
		assert_int_equal(pruned->err, 0);
		whole += count + 1;
		removed += count + 1 - pruned->prune.left;
		for (int run = 0; run < 8; run++) {
			uint64_t arguments[5];
			struct trace before, after;

			for (int i = 0; i < 5; i++)
				arguments[i] =
					random_number() % 3
						? (uint64_t)(int64_t)numbers[random_number() % 8]
						: (uint64_t)random_number() << 32 | random_number();
			execute(code, arguments, &before);
			execute(pruned->code, arguments, &after);
			assert_int_equal(before.result, after.result);
			assert_int_equal(before.count, after.count);
			assert_memory_equal(before.written, after.written, sizeof(before.written));
		}
	}
	/* or nothing was tested */
	assert_true(removed > whole / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_option_that_is_off),
		cmocka_unit_test(what_two_ways_know_differently),
		cmocka_unit_test(functions),
		cmocka_unit_test(what_is_not_known_stays),
		cmocka_unit_test(computes_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
