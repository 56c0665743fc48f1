/* SPDX-License-Identifier: GPL-2.0-only */
/* table.h: rows taken out of a per-CPU hash map: keys with sums. */
#ifndef NETSONDE_CORE_TABLE_H
#define NETSONDE_CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/** Rows of key_size bytes of key, then values 64-bit sums, of which the first orders the rows. */
struct table {
	size_t key_size, values, row_size;
	size_t count, room;
	char *rows;
};

void table_init(struct table *table, size_t key_size, size_t values);
void table_free(struct table *table);
/** Forget the rows, keep the memory. */
void table_clear(struct table *table);
/** table_add: append a row; equal keys become one by table_merge(). Returns 0 or -ENOMEM. */
int table_add(struct table *table, const void *key, const uint64_t *values);
/** table_merge: sum rows of equal keys, then sort by the first value, largest first. */
void table_merge(struct table *table);
/** table_append: add all rows of from. Returns 0 or -ENOMEM. */
int table_append(struct table *table, const struct table *from);

static inline char *table_key(const struct table *table, size_t row)
{
	return table->rows + row * table->row_size;
}

static inline uint64_t *table_values(const struct table *table, size_t row)
{
	return (uint64_t *)(table->rows + (row + 1) * table->row_size -
			    table->values * sizeof(uint64_t));
}

/**
 * table_drain: move out of a per-CPU hash all rows whose key begins with the
 * 16-bit epoch; values of all CPUs are summed. The programs must have left
 * that epoch before (epoch_flip()). Returns 0 or -errno.
 */
int table_drain(struct table *table, int map, uint16_t epoch);

/** epoch_flip: let programs count in the other half, and wait until none is still in the old. Returns the old one. */
uint16_t epoch_flip(volatile uint32_t *epoch);

#endif
