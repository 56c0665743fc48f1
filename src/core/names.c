// SPDX-License-Identifier: GPL-2.0-only
/* names.c: numbers by name; a hash table that only grows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"

static uint64_t mix(uint64_t value, uint64_t word)
{
	value = (value ^ word) * 0x9e3779b97f4a7c15ULL;
	return value ^ value >> 32;
}

/* eight bytes at a time: hashing all names is most of what a table of them costs */
static uint32_t hash(const char *name)
{
	size_t left = strlen(name);
	uint64_t value = left, word;

	for (; left >= sizeof(word); name += sizeof(word), left -= sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		value = mix(value, word);
	}
	word = 0;
	memcpy(&word, name, left);
	return mix(value, word);
}

int names_make(struct names *names, uint32_t count)
{
	/* a quarter is left free, and at least one slot, at which a search ends */
	for (names->size = 1024; names->size - names->size / 4 <= count; names->size *= 2)
		;
	names->slots = calloc(names->size, sizeof(*names->slots));
	return names->slots ? 0 : -ENOMEM;
}

uint32_t names_next(const struct names *names, uint32_t *slot)
{
	*slot = (*slot + 1) & (names->size - 1);
	return names->slots[*slot];
}

uint32_t names_first(const struct names *names, const char *name, uint32_t *slot)
{
	*slot = hash(name) & (names->size - 1);
	return names->slots[*slot];
}

void names_add(struct names *names, const char *name, uint32_t number)
{
	uint32_t slot, taken;

	for (taken = names_first(names, name, &slot); taken; taken = names_next(names, &slot))
		;
	names->slots[slot] = number;
}

void names_free(struct names *names)
{
	free(names->slots);
	*names = (struct names){};
}
