// SPDX-License-Identifier: GPL-2.0-only
/* stack.c: kernel stacks for people. */
#include <string.h>

#include "core/ksym.h"
#include "core/stack.h"

/* the function that runs softirqs: __do_softirq, since 6.1.y handle_softirqs; the first is also the start of its section */
static bool is_softirq_entry(const char *name)
{
	return !strcmp(name, "__do_softirq") || !strcmp(name, "handle_softirqs") ||
	       !strcmp(name, "__softirqentry_text_start");
}

static bool is_interrupt_entry(const char *name)
{
	return !strncmp(name, "asm_sysvec_", 11) || !strcmp(name, "asm_common_interrupt");
}

void stack_trim(struct sonde_stack *stack, uint64_t place)
{
	struct ksym symbol;
	__u32 first = 0;

	for (__u32 i = 0; i < stack->frames; i++) {
		if (stack->ip[i] - place < 16) {
			first = i;
			break;
		}
	}
	stack->frames -= first;
	memmove(stack->ip, stack->ip + first, stack->frames * sizeof(stack->ip[0]));
	for (__u32 i = 0; i < stack->frames; i++) {
		if (!ksym_find(stack->ip[i], &symbol))
			continue;
		if (is_softirq_entry(symbol.name) || is_interrupt_entry(symbol.name)) {
			stack->frames = i + 1;
			return;
		}
	}
}

json_t *stack_json(const struct sonde_stack *stack)
{
	json_t *frames = json_array();
	char text[160];

	for (__u32 i = 0; i < stack->frames; i++) {
		ksym_format(stack->ip[i], text, sizeof(text));
		json_array_append_new(frames, json_string(text));
	}
	return frames;
}

void stack_text(const struct sonde_stack *stack, FILE *to)
{
	char text[160];

	for (__u32 i = 0; i < stack->frames; i++) {
		ksym_format(stack->ip[i], text, sizeof(text));
		fprintf(to, "%s%s", i ? " < " : "", text);
	}
}
