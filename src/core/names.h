/* SPDX-License-Identifier: GPL-2.0-only */
/* names.h: numbers by name, for the kernel's hundreds of thousands of types and symbols; the names are the caller's. */
#ifndef NETSONDE_CORE_NAMES_H
#define NETSONDE_CORE_NAMES_H

#include <stdint.h>

/* open addressing; 0 where a slot is free */
struct names {
	uint32_t *slots;
	uint32_t size; /* a power of two */
};

/** names_make: room for count numbers. Returns 0 or -ENOMEM. */
int names_make(struct names *names, uint32_t count);
/** names_add: one more number, not 0, for this name. */
void names_add(struct names *names, const char *name, uint32_t number);
/**
 * names_first, names_next: the numbers that may be this name's (others share its slots: compare), in the order in which
 * they were added; 0 after the last. slot: the place, kept from call to call.
 */
uint32_t names_first(const struct names *names, const char *name, uint32_t *slot);
uint32_t names_next(const struct names *names, uint32_t *slot);
/** names_free: names is empty afterwards. */
void names_free(struct names *names);

#endif
