/* SPDX-License-Identifier: GPL-2.0-only */
/* stack.h: kernel stacks for people: begin at the place, end where the cause ends. */
#ifndef NETSONDE_CORE_STACK_H
#define NETSONDE_CORE_STACK_H

#include <jansson.h>
#include <stdio.h>

#include "abi/types.h"

/**
 * stack_trim: drop the frames of the tracing itself (up to place, if it stands
 * in the stack) and all that lies below the entry of a softirq or interrupt:
 * the task that it happened to interrupt has no part in the event.
 */
void stack_trim(struct sonde_stack *stack, uint64_t place);
json_t *stack_json(const struct sonde_stack *stack);
/** One line: the functions, innermost first, separated by " < ". */
void stack_text(const struct sonde_stack *stack, FILE *to);

#endif
