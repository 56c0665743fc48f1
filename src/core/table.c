// SPDX-License-Identifier: GPL-2.0-only
/*
 * table.c: rows of a per-CPU hash map. Programs count into one of two epochs;
 * user space turns the epoch, waits for a grace period and takes the finished
 * half away, so counts are exact and the map holds one interval at most.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/table.h"

void table_init(struct table *table, size_t key_size, size_t values)
{
	*table = (struct table){
		.key_size = key_size,
		.values = values,
		/* keys are padded so that the values are aligned */
		.row_size = (key_size + 7) / 8 * 8 + values * sizeof(uint64_t),
	};
}

void table_free(struct table *table)
{
	free(table->rows);
	table->rows = NULL;
	table->count = table->room = 0;
}

void table_clear(struct table *table)
{
	table->count = 0;
}

int table_add(struct table *table, const void *key, const uint64_t *values)
{
	if (table->count == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		char *rows = reallocarray(table->rows, room, table->row_size);

		if (!rows)
			return -ENOMEM;
		table->rows = rows;
		table->room = room;
	}
	memset(table_key(table, table->count), 0, table->row_size);
	memcpy(table_key(table, table->count), key, table->key_size);
	memcpy(table_values(table, table->count), values, table->values * sizeof(uint64_t));
	table->count++;
	return 0;
}

static int key_compare(const void *a, const void *b, void *data)
{
	return memcmp(a, b, ((struct table *)data)->key_size);
}

static int value_compare(const void *a, const void *b, void *data)
{
	const struct table *table = data;
	size_t at = table->row_size - table->values * sizeof(uint64_t);
	uint64_t left = *(const uint64_t *)((const char *)a + at),
		 right = *(const uint64_t *)((const char *)b + at);

	if (left != right)
		return left > right ? -1 : 1;
	return memcmp(a, b, table->key_size);
}

void table_merge(struct table *table)
{
	size_t kept = 0;

	if (!table->count)
		return;
	qsort_r(table->rows, table->count, table->row_size, key_compare, table);
	for (size_t i = 1; i < table->count; i++) {
		if (!memcmp(table_key(table, kept), table_key(table, i), table->key_size)) {
			for (size_t v = 0; v < table->values; v++)
				table_values(table, kept)[v] += table_values(table, i)[v];
		} else if (++kept != i) {
			memcpy(table_key(table, kept), table_key(table, i), table->row_size);
		}
	}
	table->count = kept + 1;
	qsort_r(table->rows, table->count, table->row_size, value_compare, table);
}

int table_append(struct table *table, const struct table *from)
{
	for (size_t i = 0; i < from->count; i++) {
		int err = table_add(table, table_key(from, i), table_values(from, i));

		if (err)
			return err;
	}
	return 0;
}

int table_drain(struct table *table, int map, uint16_t epoch)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	size_t size = table->values * sizeof(uint64_t);
	char *key, *next, *values = NULL;
	uint64_t *sums = NULL;
	bool more, leaving = false;

	if (cpus < 0)
		return cpus;
	key = calloc(2, table->key_size);
	values = calloc(cpus, size);
	sums = calloc(table->values, sizeof(*sums));
	if (!key || !values || !sums) {
		err = -ENOMEM;
		goto out;
	}
	next = key + table->key_size;
	more = !bpf_map_get_next_key(map, NULL, next);
	while (more) {
		memcpy(key, next, table->key_size);
		/* the successor is asked for before the row goes away */
		more = !bpf_map_get_next_key(map, key, next);
		leaving = *(uint16_t *)key == epoch;
		if (!leaving || bpf_map_lookup_elem(map, key, values))
			continue;
		memset(sums, 0, size);
		for (int cpu = 0; cpu < cpus; cpu++) {
			for (size_t v = 0; v < table->values; v++)
				sums[v] +=
					*(uint64_t *)(values + cpu * size + v * sizeof(uint64_t));
		}
		bpf_map_delete_elem(map, key);
		*(uint16_t *)key = 0;
		err = table_add(table, key, sums);
		if (err)
			goto out;
		*(uint16_t *)key = epoch;
	}
out:
	free(key);
	free(values);
	free(sums);
	return err;
}

uint16_t epoch_flip(volatile uint32_t *epoch)
{
	uint16_t old = *epoch;

	*epoch = !old;
	/* a BPF program is an RCU reader; MEMBARRIER_CMD_GLOBAL waits for a grace period, but not under nohz_full */
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(20000);
	return old;
}
