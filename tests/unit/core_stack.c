// SPDX-License-Identifier: GPL-2.0-only
/* core_stack.c: a stack begins at its place and ends where its cause ends. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/ksym.h"
#include "core/stack.h"

static uint64_t address(const char *name)
{
	struct ksym symbol;

	if (ksym_hidden()) {
		print_message("kernel symbols are hidden (kernel.kptr_restrict)\n");
		skip();
	}
	if (!ksym_lookup(name, &symbol))
		fail_msg("no symbol %s", name);
	return symbol.address;
}

static struct sonde_stack stack_of(const uint64_t *ip, unsigned int count)
{
	struct sonde_stack stack = { .frames = count };

	memcpy(stack.ip, ip, count * sizeof(*ip));
	return stack;
}

static void expect(const struct sonde_stack *stack, const uint64_t *ip, unsigned int count)
{
	assert_int_equal(stack->frames, count);
	assert_memory_equal(stack->ip, ip, count * sizeof(*ip));
}

static void begins_at_the_place(void **state)
{
	const uint64_t ip[] = { address("memcpy") + 9, address("kfree") + 7, address("ip_rcv") + 33,
				address("udp_rcv") + 5 };
	struct sonde_stack stack = stack_of(ip, 4);

	(void)state;
	stack_trim(&stack, ip[2]);
	expect(&stack, ip + 2, 2);
	/* of a function's start its fentry call's return address, some bytes behind */
	stack = stack_of(ip, 4);
	stack_trim(&stack, ip[1] - 7);
	expect(&stack, ip + 1, 3);
	stack = stack_of(ip, 4);
	stack_trim(&stack, ip[1] - 15);
	expect(&stack, ip + 1, 3);
}

/* a place that does not stand in the stack trims nothing */
static void place_elsewhere(void **state)
{
	const uint64_t ip[] = { address("memcpy") + 9, address("kfree") + 7,
				address("ip_rcv") + 33 };
	struct sonde_stack stack = stack_of(ip, 3);

	(void)state;
	stack_trim(&stack, address("schedule") + 1);
	expect(&stack, ip, 3);
	stack_trim(&stack, ip[0] - 16);
	expect(&stack, ip, 3);
	stack_trim(&stack, ip[0] + 1);
	expect(&stack, ip, 3);
}

/* the place can stand twice in a recursion: the innermost is meant */
static void first_of_two(void **state)
{
	const uint64_t ip[] = { address("kfree") + 7, address("ip_rcv") + 33,
				address("udp_rcv") + 5, address("ip_rcv") + 33 };
	struct sonde_stack stack = stack_of(ip, 4);

	(void)state;
	stack_trim(&stack, ip[1]);
	expect(&stack, ip + 1, 3);
}

static const char *softirq(void)
{
	struct ksym symbol;

	return ksym_lookup("handle_softirqs", &symbol) ? "handle_softirqs" : "__do_softirq";
}

static void ends_at_the_softirq(void **state)
{
	const uint64_t ip[] = { address("kfree") + 7, address("ip_rcv") + 33,
				address(softirq()) + 200, address("schedule") + 50,
				address("kfree") + 7 };
	struct sonde_stack stack = stack_of(ip, 5);

	(void)state;
	stack_trim(&stack, ip[1]);
	expect(&stack, ip + 1, 2);
}

static void empty_and_full(void **state)
{
	struct sonde_stack stack = { .frames = 0 };
	uint64_t ip[SONDE_STACK_DEPTH];
	uint64_t base = address("schedule");

	(void)state;
	stack_trim(&stack, base);
	assert_int_equal(stack.frames, 0);
	for (unsigned int i = 0; i < SONDE_STACK_DEPTH; i++)
		ip[i] = base + 40 * i % 100;
	ip[SONDE_STACK_DEPTH - 1] = address("ip_rcv") + 33;
	stack = stack_of(ip, SONDE_STACK_DEPTH);
	stack_trim(&stack, ip[SONDE_STACK_DEPTH - 1]);
	expect(&stack, ip + SONDE_STACK_DEPTH - 1, 1);
}

static void as_text_and_json(void **state)
{
	const uint64_t ip[] = { address("ip_rcv") + 0x21, 0x10 };
	const struct sonde_stack stack = stack_of(ip, 2);
	char *text, *json;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	json_t *frames = stack_json(&stack);

	(void)state;
	stack_text(&stack, to);
	fclose(to);
	json = json_dumps(frames, JSON_COMPACT);
	assert_string_equal(text, "ip_rcv+0x21 < 0x10");
	assert_string_equal(json, "[\"ip_rcv+0x21\",\"0x10\"]");
	json_decref(frames);
	free(json);
	free(text);
}

static int finish(void **state)
{
	(void)state;
	ksym_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_at_the_place), cmocka_unit_test(place_elsewhere),
		cmocka_unit_test(first_of_two),	       cmocka_unit_test(ends_at_the_softirq),
		cmocka_unit_test(empty_and_full),      cmocka_unit_test(as_text_and_json),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
